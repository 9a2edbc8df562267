"""The file of a ledger as it is: made whole, or read row by row without trusting it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from cellula.core.errors import EvidenceError, Tampered
from cellula.evidence.entry import Entry, entry_from_line, entry_from_row
from cellula.evidence.schema import LEDGER, TRIGGERS
from cellula.io.atomic import create_atomically

__all__ = [
    "LedgerScan",
    "Raw",
    "create_ledger",
    "exported_entries",
    "is_of_the_disk",
    "parse_raw",
    "scan_ledger",
]

#: An entry as found: a line of an export, or a row of the table.
Raw: TypeAlias = bytes | Mapping[str, object]

SQLITE = b"SQLite format 3\0"
#: Bytes of the header that say how the file is written and read; 2 is the write-ahead log
#: (https://www.sqlite.org/fileformat2.html, 1.3.3).
VERSIONS, WRITE_AHEAD = slice(18, 20), b"\2\2"
#: What SQLite says when the disk or the folder refuses, not the content: its primary result codes.
OF_THE_DISK = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)
#: What to do when a ledger cannot be read for want of the disk.
REFUSED = "its folder must be writable and have room, for readers share a small file beside it"


@dataclass(frozen=True, slots=True)
class LedgerScan:
    """The entries as found, and what is wrong with the file around them."""

    rows: tuple[Raw, ...]
    faults: tuple[str, ...] = ()


def create_ledger(path: Path) -> None:
    """Make an empty ledger unless there is one; no other process ever sees half of it.

    It is made in memory, so nothing but the finished file needs the disk. Raises EvidenceError
    where a ledger was taken away and its write-ahead log was left.
    """
    if path.exists():
        return
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise EvidenceError(
            f"the ledger {path} is gone but its write-ahead log {log.name} is there; put the "
            "ledger back from a copy, or move the log away to begin a new ledger"
        )
    create_atomically(path, _empty_database())


def is_of_the_disk(error: object) -> bool:
    """Whether an error of SQLite tells of the disk or the folder, not of what is in the file."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return False
    return code & 0xFF in OF_THE_DISK


def _empty_database() -> bytes:
    """A ledger without entries whose changes go through a write-ahead log."""
    engine = create_engine("sqlite://", poolclass=StaticPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        LEDGER.metadata.create_all(connection)
        for trigger in TRIGGERS.values():
            connection.exec_driver_sql(trigger)
        driver: Any = connection.connection.driver_connection
        made = bytearray(driver.serialize())
    engine.dispose()
    made[VERSIONS] = WRITE_AHEAD
    return bytes(made)


def scan_ledger(path: Path) -> LedgerScan:
    """Read a ledger (SQLite, or the JSON lines of an export) without changing it.

    Raises EvidenceError when there is no such file; whatever else is wrong is told as a fault.
    """
    try:
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise EvidenceError(f"cannot read the ledger {path}: {error.strerror or error}") from error
    return _scan_database(path) if is_database else _scan_lines(path.read_bytes())


def exported_entries(path: Path) -> tuple[Entry, ...]:
    """The entries of an export, in their order; the chain between them is not looked at.

    Raises EvidenceError when there is no such file, Tampered, naming the file and the entry,
    when anything in it is no entry or it was cut.
    """
    scan, entries = scan_ledger(path), []
    faults = list(scan.faults)
    for number, raw in enumerate(scan.rows, 1):
        try:
            entries.append(parse_raw(raw))
        except Tampered as error:
            faults.append(f"entry {number}: {error}")
    if faults:
        raise Tampered(
            f"the ledger {path} is damaged: {faults[0]}; `cellula run` of the study writes it again"
        )
    return tuple(entries)


def parse_raw(raw: Raw) -> Entry:
    """The entry that was found; Tampered, saying what is wrong with it, when it is none."""
    return entry_from_line(raw) if isinstance(raw, bytes) else entry_from_row(raw)


def _scan_lines(data: bytes) -> LedgerScan:
    if not data:
        return LedgerScan(())
    lines = data.split(b"\n")
    if lines[-1]:
        return LedgerScan(tuple(lines), ("the last line has no end: the export was cut",))
    return LedgerScan(tuple(lines[:-1]))


def _scan_database(path: Path) -> LedgerScan:
    """Read with the driver itself: what the schema promises may not be what is there."""
    rows: list[Raw] = []
    faults: list[str] = []
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=30.0)) as connection:
            connection.text_factory = bytes
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            known = dict(connection.execute(query).fetchall())
            for name, made in TRIGGERS.items():
                if known.get(name.encode()) != made.encode():
                    faults.append(f"the trigger {name}, which keeps entries, is not as it was made")
            cursor = connection.execute("SELECT * FROM ledger ORDER BY seq")
            columns = [column[0] for column in cursor.description]
            rows.extend(dict(zip(columns, row, strict=True)) for row in cursor)
    except (sqlite3.Error, ValueError, OverflowError) as error:  # damage even breaks its messages
        if is_of_the_disk(error):
            raise EvidenceError(f"cannot read the ledger {path}: {error}; {REFUSED}") from error
        faults.append(f"cannot be read beyond entry {len(rows)}: {error}")
    return LedgerScan(tuple(rows), tuple(faults))
