"""What happened, in order, and how anyone can check it: attempts, hashes, commands."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from cellula.core.numerals import count, duration, plural
from cellula.evidence.lineage import bundle_name
from cellula.report.blocks import (
    Absent,
    Block,
    Cell,
    Code,
    Column,
    Facts,
    Fold,
    Heading,
    Section,
    Status,
    Table,
    Text,
)
from cellula.report.cards import LedgerEntry
from cellula.report.record import StudyRecord
from cellula.report.words import listing, plain_words

__all__ = ["attempts", "verification"]

#: The chronicle shows so many lines; entries of one kind that follow one another share one.
LINES = 40
#: How long a date and time in ISO 8601 is, to the second.
SECONDS = 19
PURPOSE = {
    "study.json": "the study, canonical",
    "registration.json": "what was signed before the run",
    "verdicts.json": "what every gate decided",
    "ro-crate-metadata.json": "the bundle described for archives",
}


def attempts(record: StudyRecord) -> Section:
    """How often labels were opened and runs started, deviations, and the chronicle."""
    if not record.ledger:
        note = (
            "No ledger came with this bundle, so attempts cannot be counted. With it, here would "
            "stand how often held-out labels were opened, how many runs there were and every "
            "amendment."
        )
        return Section("attempts", "Deviations and attempts", "Attempts", (Absent(note),))
    counts = Counter(entry.kind for entry in record.ledger)
    opened = Counter(entry.subject for entry in record.entries("labels_opened"))
    told = ", ".join(f"{claim} {_times(n)}" for claim, n in sorted(opened.items()))
    facts = (
        (
            "Runs",
            f"{count(counts['run_started'])} started, {count(counts['run_finished'])} finished",
        ),
        ("Held-out labels opened", told or "never"),
        ("Amendments", count(counts["amended"]) if counts["amended"] else "none"),
        *_others(record),
        ("Fits", count(counts["fitted"])),
    )
    blocks: list[Block] = [*_deviations(record), Facts(facts)]
    told = f"Chronicle: {count(len(record.ledger))} entries of the ledger"
    blocks.append(Fold(told, (_chronicle(record.ledger),)))
    blocks.append(
        Text(
            "Opening the sealed labels is recorded; on one's own machine it cannot be prevented.",
            is_soft=True,
        )
    )
    return Section("attempts", "Deviations and attempts", "Attempts", tuple(blocks))


def _others(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    """Other studies that saw such labels: changing a study's id does not wash what was seen."""
    if not record.others:
        return ()
    names = ", ".join(record.others)
    told = f"{count(len(record.others))} opened labels of a like claim on the same data ({names})"
    return (("Other studies", f"{told}; told, not counted as attempts"),)


def _times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{count(n)} times")


def _deviations(record: StudyRecord) -> list[Block]:
    """What a reader must know before trusting a number."""
    found: list[tuple[str, str]] = []
    registered = [entry.seq for entry in record.entries("registered")]
    first = min(registered) if registered else None
    for entry in record.entries("labels_opened"):
        if first is None or entry.seq < first:
            found.append((entry.subject, "held-out labels were opened before registration"))
    opened = Counter(entry.subject for entry in record.entries("labels_opened"))
    for claim, n in sorted(opened.items()):
        if n > 1:
            found.append(
                (claim, f"held-out labels were opened {_times(n)}: later runs are not blind")
            )
    for entry in record.entries("amended"):
        found.append(
            (entry.subject, f"amended: {entry.payload.get('reason') or 'no reason given'}")
        )
    if not found:
        return [Text("No deviation from the registered study is on record.")]
    rows = tuple((Cell(subject), Cell(what, status="wait")) for subject, what in found)
    return [Table((Column("about"), Column("deviation")), rows)]


def _chronicle(ledger: tuple[LedgerEntry, ...]) -> Table:
    rows = []
    for kind, run in groupby(ledger, key=lambda entry: entry.kind):
        entries = list(run)
        rows.append(_line(kind, entries))
    shown = rows[-LINES:]
    caption = "" if len(shown) == len(rows) else f"The last {LINES} of {count(len(rows))} lines."
    columns = (
        Column("entry", is_number=True),
        Column("when, UTC", is_name=True),
        Column("what"),
        Column("about"),
    )
    return Table(columns, tuple(shown), caption, is_stacked=True)


def _line(kind: str, entries: list[LedgerEntry]) -> tuple[Cell, ...]:
    first, last = entries[0], entries[-1]
    place = str(first.seq) if first is last else f"{first.seq}–{last.seq}"
    subjects = list(dict.fromkeys(entry.subject for entry in entries if entry.subject))
    about = ", ".join(subjects[:3]) + (
        f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""
    )
    what = plain_words(kind) if first is last else f"{plain_words(kind)}, {len(entries)} times"
    seconds = [entry.payload.get("seconds") for entry in entries]
    known = [float(value) for value in seconds if isinstance(value, int | float)]
    small = f"{duration(sum(known))} in all" if known else _note(first) if first is last else ""
    time = first.time.replace("T", " ")[:SECONDS]
    return (Cell(place), Cell(time), Cell(what, small), Cell(about or "the study"))


def _note(entry: LedgerEntry) -> str:
    kept = {
        key: value
        for key, value in entry.payload.items()
        if isinstance(value, str | int | bool) and len(str(value)) <= 48
    }
    return listing(kept) if kept else ""


def verification(record: StudyRecord) -> Section:
    """Hashes of the study, its data and files, and the commands that check them."""
    statement = record.statement
    header = record.part("study")
    name = bundle_name(str(header.get("id") or "study"), int(header.get("version") or 1))
    facts = [("Study", f"`{statement['study_hash']}`")] if statement.get("study_hash") else []
    facts += [(f"Data {key}", f"`{value}`") for key, value in (statement.get("data") or {}).items()]
    facts += [
        (f"Sealed {key}", f"`{value}`") for key, value in (statement.get("sealed") or {}).items()
    ]
    if record.registration.get("public_key"):
        facts.append(("Public key", f"`{record.registration['public_key']}`"))
    blocks: list[Block] = [
        Text("Anyone can check this page without us, and without the machine it was made on:"),
        Code(
            (
                f"cellula verify {name}.zip --key key.pub",
                f"cellula verify {name}.zip --key key.pub --ledger {name}.ledger.jsonl "
                f"--head {name}.head.json",
                f"cellula verify {name}.zip --key key.pub --data FILE",
            )
        ),
        Text(
            "The first finds any changed byte; the second, with an exported signed head, also "
            "entries cut from the end of the ledger; the third recomputes the hashes of the data. "
            "Without key and head the command says what it cannot know.",
            is_soft=True,
        ),
    ]
    if facts:
        blocks.append(Fold("Hashes of the study, its data and its seals", (Facts(tuple(facts)),)))
    else:
        blocks.append(Absent("The study is not registered, so nothing is signed yet."))
    blocks += _files(record)
    return Section("verify", "Hashes and how to verify", "Verify", tuple(blocks))


def _files(record: StudyRecord) -> list[Block]:
    altered = set(record.altered)
    rows = []
    for path in sorted({*record.digests, *record.manifest}):
        status: Status = "fail" if path in altered else ""
        word = "differs from the manifest" if path in altered else PURPOSE.get(path, "")
        digest = record.digests.get(path) or "missing"
        rows.append((Cell(path, word, status=status), Cell(digest, is_code=True)))
    table = Table((Column("file"), Column("SHA-256")), tuple(rows), is_stacked=True)
    if altered:
        return [
            Heading("Files of the bundle"),
            Text(
                f"{plural(len(altered), 'file')} {'differs' if len(altered) == 1 else 'differ'} "
                "from the signed manifest: do not rely on this page."
            ),
            table,
        ]
    told = f"{plural(len(rows), 'file')} of the bundle, each with its SHA-256"
    blocks: list[Block] = [Fold(told, (table,))]
    if not record.manifest:
        blocks.append(Text("Computed from the files; no signed manifest came with them.", True))
    return blocks
