"""The ledger keeps what was appended, in order, for any number of processes."""

import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cellula.core.canonical import hash_json
from cellula.core.errors import EvidenceError, StorageError, Tampered
from cellula.evidence.chain import verify_entries
from cellula.evidence.entry import GENESIS
from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.ledger_file import exported_entries, scan_ledger
from cellula.evidence.schema import LEDGER
from cellula.testing.malformed import require_legible

PROCESSES, EACH = 3, 30


def ticking() -> Iterator[datetime]:
    now = datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    while True:
        now += timedelta(seconds=1)
        yield now


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    clock = ticking()
    made = Ledger(tmp_path / "ledger.sqlite", signing_key(tmp_path), clock=lambda: next(clock))
    made.append("registered", "study", {"study_hash": "ab", "n": 1.0})
    made.append("run", "claim ä", {"none": None, "list": (1, 2)})
    made.append("run", "other", {})
    return made


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).close()


def test_entries_are_chained_and_signed(ledger: Ledger) -> None:
    first, second, third = ledger.entries()
    assert (first.seq, second.seq, third.seq) == (1, 2, 3)
    assert first.time == "2024-12-31T22:00:01.000000+00:00"
    assert first.previous == GENESIS
    assert second.previous == first.hash
    assert second.payload == {"none": None, "list": [1, 2]}
    fields = ("seq", "time", "kind", "subject", "payload", "previous")
    assert second.hash == hash_json({name: getattr(second, name) for name in fields})
    assert ledger.verify() == []


def test_entries_by_kind_and_subject(ledger: Ledger) -> None:
    assert [entry.seq for entry in ledger.entries("run")] == [2, 3]
    assert [entry.seq for entry in ledger.entries("run", "other")] == [3]
    assert [entry.seq for entry in ledger.entries(subject="study")] == [1]
    assert ledger.entries("nothing") == ()


def test_the_file_is_kept_between_openings(ledger: Ledger, tmp_path: Path) -> None:
    again = Ledger(ledger.path, signing_key(tmp_path))
    assert again.append("run", "again", {}).seq == 4
    assert again.entries()[:3] == ledger.entries()[:3]
    with closing(sqlite3.connect(ledger.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [path.name for path in tmp_path.iterdir() if "ledger" in path.name] == ["ledger.sqlite"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET subject = 'x' WHERE seq = 2",
        "DELETE FROM ledger WHERE seq = 3",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 2",
        "INSERT INTO ledger SELECT 9, time, kind, subject, payload, previous, hash, signature,"
        " public_key FROM ledger WHERE seq = 2",
    ],
)
def test_the_database_refuses_anything_but_appending(ledger: Ledger, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        execute(ledger.path, statement)
    assert ledger.verify() == []


def test_export_and_head(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.export(tmp_path / "out.jsonl") == 3
    head = ledger.export_head(tmp_path / "head.json")
    assert json.loads((tmp_path / "head.json").read_bytes()) == head
    assert head["statement"] == {
        "what": "ledger_head",
        "ledger": ledger.entries()[0].hash,
        "seq": 3,
        "hash": ledger.entries()[2].hash,
    }
    rows = scan_ledger(tmp_path / "out.jsonl").rows
    assert verify_entries(rows, head=head, public_hex=signing_key(tmp_path).public_hex) == []
    ledger.append("run", "later", {})
    assert ledger.verify(head=head) == []


def test_an_export_that_is_damaged_is_named(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    ledger.export(path)
    whole = path.read_bytes()
    assert exported_entries(path) == tuple(ledger.entries())
    for content, said in (
        (whole.replace(b'"seq":2', b'"seq":"2"'), "entry 2: its seq"),
        (b"[]\n" + whole, "entry 1: "),
        (whole[:-20], "cut"),
        (b"\xff\n", "entry 1: "),
        (b"[" * 100_000 + b"\n", "entry 1: "),
    ):
        path.write_bytes(content)
        with pytest.raises(Tampered, match=rf"out\.jsonl is damaged: .*{said}") as caught:
            exported_entries(path)
        require_legible(caught.value, "out.jsonl")
    path.unlink()
    with pytest.raises(EvidenceError, match="cannot read the ledger"):
        exported_entries(path)


def test_an_empty_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new" / "ledger.sqlite", signing_key(tmp_path))
    assert ledger.entries() == ()
    head = ledger.head()
    assert head["statement"]["seq"] == 0
    assert ledger.verify(head=head) == []
    assert ledger.export(tmp_path / "out.jsonl") == 0
    assert scan_ledger(tmp_path / "out.jsonl").rows == ()


def test_a_changed_entry_stops_the_ledger(ledger: Ledger) -> None:
    execute(
        ledger.path,
        "DROP TRIGGER ledger_no_update",
        "UPDATE ledger SET subject = 'x' WHERE seq = 3",
    )
    for call in (ledger.entries, ledger.head, lambda: ledger.append("run", "more", {})):
        with pytest.raises(Tampered, match="broken at entry 3"):
            call()
    assert len(scan_ledger(ledger.path).rows) == 3


def test_dropped_triggers_are_told(ledger: Ledger) -> None:
    execute(ledger.path, "DROP TRIGGER ledger_no_delete")
    assert ledger.verify() == [
        "the trigger ledger_no_delete, which keeps entries, is not as it was made"
    ]


def test_a_failed_append_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(EvidenceError, match="no kind of entry"):
        ledger.append("Labels Opened", "x", {})
    naive = Ledger(ledger.path, signing_key(ledger.path.parent), clock=lambda: datetime(2025, 1, 1))
    with pytest.raises(EvidenceError, match="without a time zone"):
        naive.append("run", "x", {})
    assert len(ledger.entries()) == 3
    assert ledger.append("run", "x", {}).seq == 4


def test_a_writer_that_never_ends_is_told_and_readers_go_on(ledger: Ledger) -> None:
    quick = Ledger(ledger.path, signing_key(ledger.path.parent), wait_s=0.05)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EvidenceError, match="locked"):
            quick.append("run", "x", {})
        assert len(quick.entries()) == 3
        other.execute("ROLLBACK")
    assert quick.append("run", "x", {}).seq == 4


def test_what_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(EvidenceError, match="cannot be used"):
        Ledger(path, signing_key(tmp_path)).entries()
    with pytest.raises(EvidenceError, match="cannot read the ledger"):
        scan_ledger(tmp_path / "absent")


def test_no_damage_to_the_file_crashes_the_check(ledger: Ledger, tmp_path: Path) -> None:
    data = ledger.path.read_bytes()
    position = data.index(b"claim")
    for changed in [*range(0, 200, 7), *range(position - 300, position + 300, 11)]:
        damaged = bytearray(data)
        damaged[changed] ^= 1 << (changed % 8)
        (tmp_path / "damaged").write_bytes(damaged)
        scan = scan_ledger(tmp_path / "damaged")
        assert [*scan.faults, *verify_entries(scan.rows), "told or harmless"]
    (tmp_path / "damaged").write_bytes(data.replace(b"claim", b"CLAIM", 1))
    scan = scan_ledger(tmp_path / "damaged")
    assert verify_entries(scan.rows)[0].startswith("broken at 2: its content hashes to")


def test_a_left_over_log_is_not_taken_in(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite-wal").write_bytes(b"old")
    with pytest.raises(EvidenceError, match="write-ahead log"):
        Ledger(tmp_path / "ledger.sqlite", signing_key(tmp_path))


def test_the_table_suits_postgresql() -> None:
    text = str(CreateTable(LEDGER).compile(dialect=postgresql.dialect()))
    assert "seq BIGINT NOT NULL" in text
    assert "payload TEXT NOT NULL" in text


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Processes that have imported nothing of this one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as made:
        yield made


def append_many(folder: Path, name: int) -> int:
    ledger = Ledger(folder / "ledger.sqlite", signing_key(folder))
    for number in range(EACH):
        ledger.append("run", f"process {name}", {"number": number})
    return name


def test_many_processes_append_at_once(tmp_path: Path, pool: ProcessPoolExecutor) -> None:
    done = list(pool.map(append_many, [tmp_path] * PROCESSES, range(PROCESSES)))
    assert done == list(range(PROCESSES))
    ledger = Ledger(tmp_path / "ledger.sqlite", signing_key(tmp_path))
    entries = ledger.entries()
    assert [entry.seq for entry in entries] == list(range(1, PROCESSES * EACH + 1))
    for name in range(PROCESSES):
        mine = [e.payload["number"] for e in entries if e.subject == f"process {name}"]
        assert mine == list(range(EACH))
    assert ledger.verify(head=ledger.head()) == []


def read_until(folder: Path, total: int) -> int:
    """Read and export while others append; how often every entry that was there verified."""
    ledger, times = Ledger(folder / "ledger.sqlite", signing_key(folder)), 0
    while len(ledger.entries()) < total:
        ledger.export_both(folder / "out.jsonl", folder / "head.json")
        head = (folder / "head.json").read_bytes()
        assert verify_entries(scan_ledger(folder / "out.jsonl").rows, head=head) == []
        times += 1
    return times


def test_readers_export_while_others_append(tmp_path: Path, pool: ProcessPoolExecutor) -> None:
    times = pool.submit(read_until, tmp_path, 2 * EACH)
    assert list(pool.map(append_many, [tmp_path] * 2, range(2))) == [0, 1]
    assert times.result() > 0
    assert Ledger(tmp_path / "ledger.sqlite", signing_key(tmp_path)).verify() == []


def test_an_entry_added_while_nothing_is_exported_is_in_neither_file(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "entries", lambda _: [])  # as read before the first was added
    ledger.export_both(tmp_path / "out.jsonl", tmp_path / "head.json")
    head = (tmp_path / "head.json").read_bytes()
    assert verify_entries(scan_ledger(tmp_path / "out.jsonl").rows, head=head) == []


def test_an_entry_is_added_once(ledger: Ledger) -> None:
    for _ in range(2):
        entry = ledger.append_once("run", "once", {"n": 1}, lambda one: one.payload == {"n": 1})
        assert entry.seq == 4
    assert ledger.append_once("run", "once", {"n": 2}, lambda one: one.payload == {"n": 2}).seq == 5


def test_a_full_disk_is_told_and_nothing_is_added(ledger: Ledger) -> None:
    event.listen(
        ledger._engine, "connect", lambda made, _: made.execute("PRAGMA max_page_count = 1")
    )
    with pytest.raises(StorageError, match="no space left for the entries of"):
        ledger.append("run", "x" * 2**18, {})
    assert ledger.verify() == []
