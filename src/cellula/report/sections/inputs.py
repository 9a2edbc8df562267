"""What went in: the data with who is in it, and the models with what they assume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cellula.core.evidence import Evidence
from cellula.core.numerals import NO_BREAK, bound, count, duration, number, percent, plural, size
from cellula.report.blocks import (
    Absent,
    Block,
    Cell,
    Column,
    Facts,
    Fold,
    Heading,
    Section,
    Status,
    Table,
    Text,
)
from cellula.report.cards import DataCard, Fit, ModelCard
from cellula.report.figures import Bar, Panel, bar_figure
from cellula.report.record import StudyRecord
from cellula.report.references import bibliography, cited
from cellula.report.sections.material import batches_corrected, cells, sources
from cellula.report.words import listing, plain_words, sentence, value_words

__all__ = ["data", "models"]

#: So many labels of contexts and perturbations are drawn, unless the least of them has nearly
#: (this share of) as many profiles as the most frequent one: bars of one length tell nothing.
LABELS = 8
EVEN = 0.8
SHARED = "What the split shares"
#: Role -> what its distinct values are called; other roles are not counted.
ROLE_NOUNS: Mapping[str, str] = {
    "perturbation": "perturbation",
    "context": "context",
    "donor": "donor",
    "replicate": "replicate",
    "batch": "batch",
    "dose_molar": "dose",
    "time_s": "time",
    "individual": "individual",
}


def data(record: StudyRecord) -> Section:
    """Sources, who is represented, quality, batches, and what of the split leaks."""
    blocks: list[Block] = []
    if not record.data:
        blocks.append(Absent("The study has not read its data yet; sources appear here."))
    for card in record.data:
        blocks += _source(card)
    for card in record.data:
        blocks += _represented(card, record)
    blocks += _quality(record)
    if record.about("cell_quality"):
        blocks += [Heading("Cells"), *cells(record)]
    blocks += [Heading("Batches"), *_batches(record)]
    if record.about("sources_bias"):
        blocks += [Heading("Whom the data speak for"), *sources(record)]
    blocks += _leaks(record)
    return Section("data", "Data", "Data", tuple(blocks))


def _source(card: DataCard) -> list[Block]:
    shape = f"{plural(card.n_profiles, 'profile')} × {plural(card.n_readouts, 'readout')}"
    if card.role != "profiles":
        shape = f"{plural(card.n_profiles, 'row')} × {plural(card.n_readouts, 'feature')}"
    elif card.n_controls:
        shape += f", {count(card.n_controls)} of them controls"
    facts = [
        ("Size", shape),
        ("Values", value_words(card.value_type) if card.value_type else ""),
        ("Roles", ", ".join(plural(n, ROLE_NOUNS[r]) for r, n in card.roles if r in ROLE_NOUNS)),
        ("Licence", card.license),
        *_vectors(card.embedding),
        ("Source", cited(card.citation) if card.citation else "no citation given"),
        *(
            (f"Profiles a {ROLE_NOUNS[role]}", _spread(*one))
            for role, one in card.spread.items()
            if dict(card.roles).get(role, 0) > 1
        ),
    ]
    return [
        Heading(f"{card.name} – {plain_words(card.role)}"),
        Facts(tuple(pair for pair in facts if pair[1])),
    ]


def _vectors(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which weights made the vectors, under which licence, and how much they know."""
    if not told:
        return []
    card = told.get("checkpoint")
    if not card:
        return [("Vectors", f"{told['entry']}; the file does not tell which weights made them")]
    trained = listing(sorted(card.get("trained_on") or {}))
    return [
        (
            "Vectors",
            f"{told['entry']}: {card['name']} {card['version']}".rstrip()
            + f" ({plain_words(card['kind'])}), {card['license']}; it knows "
            f"{percent(told['coverage'])} of the names",
        ),
        ("Weights", f"SHA-256 {card['fingerprint']}"),
        *([("Weights trained on", trained)] if trained else []),
        *([("Weights cited as", str(card["citation"]))] if card.get("citation") else []),
    ]


def _spread(least: float, median: float, most: float) -> str:
    if least == most:
        return f"{number(median)} each"
    return f"median {number(median)}, from {number(least)} to {number(most)}"


def _represented(card: DataCard, record: StudyRecord) -> list[Block]:
    """Every label column in full; contexts and perturbations only where their counts differ."""
    panels = [_label_panel(name, rows) for name, rows in card.labels.items() if len(rows) > 1]
    for name, rows in card.counts.items():
        shown = rows[:LABELS]
        if len(shown) < 2 or shown[-1][1] > EVEN * shown[0][1]:
            continue
        distinct = dict(card.roles).get(name, len(rows))
        named = record.label_words(name)
        bars = tuple(Bar(named(label), n, count(n)) for label, n in shown)
        which = f"{len(bars)} most frequent of {count(distinct)}" if distinct > len(bars) else "all"
        panels.append(Panel(f"{plain_words(name)}, {which}: profiles", bars))
    if not panels:
        return []
    told = ". ".join(
        f"{panel.title}: " + ", ".join(f"{bar.name} {bar.text}" for bar in panel.bars)
        for panel in panels
    )
    caption = (
        f"Who is represented in {card.name}; bars are profiles. What is rare is judged least, and "
        "a claim says nothing about what is not here."
    )
    return [bar_figure(panels, f"Profiles by label. {told}.", caption)]


def _label_panel(name: str, rows: tuple[tuple[str, int, int], ...]) -> Panel:
    """All labels of one column, as far as the bundle lists them."""
    bars = tuple(
        Bar(plain_words(label), n, f"{count(contexts)} · {count(n)}") for label, contexts, n in rows
    )
    return Panel(f"{plain_words(name)}, {count(len(rows))}: contexts · profiles", bars)


def _quality(record: StudyRecord) -> list[Block]:
    found = record.about("quality")
    if not found:
        told = "No quality report yet: missing values, duplicates and ranges stand here."
        return [Heading("Quality"), Absent(told)]
    rows = tuple(
        (
            Cell(plain_words(str(check["name"])), str(check.get("note") or "")),
            Cell(_value(check.get("value"))),
            Cell(_value(check.get("limit"))),
            _passed(bool(check.get("is_ok"))),
        )
        for item in found
        for check in item.payload.get("checks") or ()
    )
    columns = (
        Column("check"),
        Column("found", is_number=True),
        Column("limit", is_number=True),
        Column("verdict"),
    )
    table = Table(columns, rows)
    if all(row[-1].status == "pass" for row in rows):
        told = f"Quality: all {plural(len(rows), 'check')} within their limits"
        return [Fold(told, (table,), "pass")]
    return [Heading("Quality"), table]


def _value(found: object) -> str:
    if isinstance(found, bool):
        return "yes" if found else "no"
    return number(found) if isinstance(found, int | float) else str(found or "–")


def _passed(is_ok: bool) -> Cell:
    status: Status = "pass" if is_ok else "fail"
    return Cell(f"in{NO_BREAK}order" if is_ok else "out of bounds", status=status)


def _batches(record: StudyRecord) -> list[Block]:
    found = record.about("batch")
    if not found:
        return [Absent("No batch report yet: shift and confounding with the perturbation.")]
    return [block for item in found for block in _batch(item.payload)]


def _batch(payload: Mapping[str, Any]) -> list[Block]:
    if not payload.get("is_applicable"):
        why = payload.get("reason") or "the data name no batch"
        return [Text(f"Not applicable: {why}"), *batches_corrected(payload)]
    is_confounded = "yes" if payload.get("is_confounded") else "no"
    facts = (
        ("Batches", count(int(payload.get("n_batches") or 0))),
        ("Shift", _shift(payload)),
        (
            "Confounded with perturbation",
            f"{is_confounded}, {number(payload.get('confounding'), 2)} (0 none, 1 inseparable)",
        ),
    )
    note = str(payload.get("reason") or "")
    told_note = [Text(note, is_soft=True)] if note else []
    return [Facts(facts), *told_note, *batches_corrected(payload)]


def _shift(payload: Mapping[str, Any]) -> str:
    """Whether batches are shifted: that takes a small p-value AND a share that matters."""
    p_value, share = payload.get("p_value"), payload.get("variance_explained")
    if p_value is None or share is None:
        return "not tested"
    told = f"batches explain {percent(share)} of the scatter, p {_p_words(float(p_value))}"
    if payload.get("is_shifted"):
        return f"yes: {told}"
    limit, alpha = payload.get("min_variance_explained"), payload.get("alpha")
    if limit is None or alpha is None:
        return f"none that matters: {told}"
    if p_value <= alpha:
        return f"too small to matter: {told}; a share below {percent(limit)} is let pass"
    return f"none found: {told}; one needs p{NO_BREAK}≤{NO_BREAK}{number(alpha, 2)}"


def _p_words(p_value: float) -> str:
    told = bound(p_value)
    return told if told.startswith("<") else f"={NO_BREAK}{told}"


def _leaks(record: StudyRecord) -> list[Block]:
    """One row a check, one column a claim."""
    found = record.about("leakage")
    if not found:
        told = "No leak report yet: units and profiles shared by training and held-out."
        return [Heading(SHARED), Absent(told)]
    checks = {item.subject: _checks(item) for item in found}
    names = dict.fromkeys(name for one in checks.values() for name in one)
    rows = []
    for name in names:
        notes = dict.fromkeys(
            str(one[name].get("note") or "") for one in checks.values() if name in one
        )
        first = Cell(plain_words(name), "; ".join(filter(None, notes)))
        rows.append((first, *(_leak(one.get(name)) for one in checks.values())))
    columns = (Column("check"), *(Column(claim) for claim in checks))
    table = Table(columns, tuple(rows))
    if any(cell.status == "fail" for row in rows for cell in row):
        return [Heading(SHARED), table]
    told = f"{SHARED}: nothing that it must not, by {plural(len(rows), 'check')} of each claim"
    return [Fold(told, (table,), "pass")]


def _checks(item: Evidence) -> dict[str, Mapping[str, Any]]:
    return {str(check["name"]): check for check in item.payload.get("checks") or ()}


def _leak(check: Mapping[str, Any] | None) -> Cell:
    if check is None:
        return Cell("–")
    shared, total = int(check.get("count") or 0), int(check.get("total") or 0)
    examples = ", ".join(map(str, (check.get("examples") or ())[:3]))
    small = f"such as {examples}" if examples else ""
    if check.get("is_leak"):
        return Cell(f"leak: {count(shared)} of {count(total)}", small, status="fail")
    if shared:
        return Cell(f"allowed: {count(shared)} of {count(total)}", small, status="pass")
    return Cell(f"none of {count(total)}", status="pass")


# -- models ---------------------------------------------------------------------------------------
def models(record: StudyRecord) -> Section:
    """What was tried: choice inside training, size, time, assumptions, coverage."""
    if not record.models:
        blocks: tuple[Block, ...] = (Absent("No model is registered yet."),)
        return Section("models", "Models", "Models", blocks)
    columns = (
        Column("model"),
        Column("selected in", is_number=True),
        Column("parameters", is_number=True),
        Column("fit", is_number=True, hint="median a fold"),
        Column("memory", is_number=True, hint="peak"),
        Column(
            "coverage", is_number=True, hint=f"of the {percent(record.interval_level)} interval"
        ),
    )
    rows = tuple(_model_row(record, card) for card in record.models)
    return Section(
        "models",
        "Models",
        "Models",
        (
            Table(columns, rows, is_stacked=True),
            Text(
                "Options are tuned, and one model is selected, inside the training folds only. "
                "Times and memory are this run's measurements and come from the ledger; all else "
                "comes from the bundle.",
                is_soft=True,
            ),
            *_references(record),
        ),
    )


def _references(record: StudyRecord) -> list[Block]:
    """What the models rest on, each source once."""
    users: dict[str, list[str]] = {}
    for card in record.models:
        for key in card.references:
            users.setdefault(key, []).append(plain_words(card.id))
    known = bibliography()
    pairs = tuple((", ".join(names), cited(key)) for key, names in users.items() if key in known)
    return (
        [Fold(f"References of the models: {count(len(pairs))}", (Facts(pairs),))] if pairs else []
    )


def _model_row(record: StudyRecord, card: ModelCard) -> tuple[Cell, ...]:
    fits = [fit for fit in record.fits if fit.model == card.id]
    options = listing(card.options) if card.options else "defaults"
    told = [sentence(card.assumptions) or "Assumptions not stated.", f"Options: {options}."]
    made = plural(len(fits), "fit") if fits else ""
    if card.is_baseline:
        told.insert(0, "Baseline.")
    return (
        Cell(plain_words(card.id), " ".join(told), is_strong=not card.is_baseline),
        _selected(record, card),
        Cell(_largest(fits, "n_parameters", lambda value: count(int(value)))),
        Cell(_middle([fit.seconds for fit in fits], duration), made),
        Cell(_largest(fits, "peak_bytes", size)),
        Cell("", _coverage(record, card.id)),
    )


def _selected(record: StudyRecord, card: ModelCard) -> Cell:
    parts = []
    for item in record.about("selection"):
        folds = [f for f in item.payload.get("folds") or () if card.id in (f.get("scores") or ())]
        chosen = sum(str(fold.get("selected")) == card.id for fold in folds)
        if folds:
            parts.append(f"{item.subject}\n{chosen} of {plural(len(folds), 'fold')}")
    return Cell("", "\n".join(parts)) if parts else Cell("–")


def _finite(values: list[float]) -> list[float]:
    return sorted(value for value in values if math.isfinite(value))


def _middle(values: list[float], form: Any) -> str:
    finite = _finite(values)
    return str(form(finite[len(finite) // 2])) if finite else "–"


def _largest(fits: list[Fit], name: str, form: Any) -> str:
    finite = _finite([float(getattr(fit, name)) for fit in fits])
    return str(form(finite[-1])) if finite else "–"


def _coverage(record: StudyRecord, model: str) -> str:
    parts = []
    for claim in record.claims:
        table = record.scores(str(claim["id"]))
        rows = [
            row
            for row in (table.rows if table else ())
            if row.model == model and row.metric.startswith("coverage@")
        ]
        if rows and math.isfinite(rows[0].value):
            parts.append(f"{claim['id']}\n{percent(rows[0].value, 1)}")
    return "\n".join(parts) or "–"
