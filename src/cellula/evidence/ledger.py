"""The ledger: an append-only, chained and signed record in one SQLite file.

One writer at a time and readers that never wait (write-ahead log, every commit flushed to the
disk). Any number of processes may append; each waits for its turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import SQLITE_FULL
from typing import Any, TypeAlias, final

from sqlalchemy import URL, Connection, Select, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from cellula.core.canonical import canonical_json
from cellula.core.errors import EvidenceError, Tampered
from cellula.evidence.chain import sign_head, verify_entries
from cellula.evidence.entry import FIELDS, GENESIS, Entry, entry_from_row, make_entry
from cellula.evidence.keys import SigningKey
from cellula.evidence.ledger_file import create_ledger, is_of_the_disk, scan_ledger
from cellula.evidence.schema import LEDGER
from cellula.io.atomic import storage_error, write_atomically

__all__ = ["Clock", "Ledger", "utc_now"]

#: What time it is, with a time zone.
Clock: TypeAlias = Callable[[], datetime]

KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")


def utc_now() -> datetime:
    """The time of the machine, in UTC."""
    return datetime.now(UTC)


@final
class Ledger:
    """The record of all that happened; made when it is first opened.

    key: signs what is appended. clock: tells the time of an entry. wait_s: how long to wait
    for another writer. No connection stays open between calls.
    """

    def __init__(
        self, path: Path, key: SigningKey, *, clock: Clock = utc_now, wait_s: float = 60.0
    ) -> None:
        self.path = path
        self._key = key
        self._clock = clock
        create_ledger(path)
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # BEGIN IMMEDIATE is said below, where one writes
            connect_args={"timeout": wait_s},
        )
        event.listen(self._engine, "connect", _flush_every_commit)

    def append(self, kind: str, subject: str, payload: Mapping[str, Any]) -> Entry:
        """Add one entry and give it back; it is on the disk when this returns.

        kind: lower case with underscores. payload: JSON values. Raises EvidenceError on another
        kind, a clock without time zone or a writer that never ends; Tampered when the last entry
        was changed; StorageError when the disk refuses: then nothing was added.
        """
        return self._append(kind, subject, payload, None)

    def append_once(
        self,
        kind: str,
        subject: str,
        payload: Mapping[str, Any],
        is_same: Callable[[Entry], bool],
    ) -> Entry:
        """Add one entry unless there is the same; give the one that stands in the ledger.

        is_same: whether an entry of this kind and subject makes a new one needless. Looking and
        adding are one step: of several processes one adds, the others get its entry. Raises as
        :meth:`append`.
        """
        return self._append(kind, subject, payload, is_same)

    def _append(
        self,
        kind: str,
        subject: str,
        payload: Mapping[str, Any],
        is_same: Callable[[Entry], bool] | None,
    ) -> Entry:
        if not KIND.fullmatch(kind):
            raise EvidenceError(
                f"{kind!r} is no kind of entry; expected lower case with underscores, "
                "such as 'labels_opened'"
            )
        with self._connection() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if is_same is not None:
                query = _selected(kind, subject)
                known = next(filter(is_same, self._read(connection, query)), None)
                if known is not None:
                    return known
            last = self._last(connection)
            position = (last.seq + 1, last.hash) if last else (1, GENESIS)
            entry = make_entry(position, self._time(), (kind, subject), payload, self._key)
            connection.execute(insert(LEDGER).values(entry.row()))
            connection.exec_driver_sql("COMMIT")
        return entry

    def entries(self, kind: str | None = None, subject: str | None = None) -> tuple[Entry, ...]:
        """The entries in their order, all or those of a kind and subject.

        Raises Tampered when one of them is not what was written. That none is missing is
        checked by :meth:`verify`.
        """
        with self._connection() as connection:
            return tuple(self._read(connection, _selected(kind, subject)))

    def head(self) -> dict[str, Any]:
        """The signed head: against it, entries cut from the end are found later.

        Its statement holds ``ledger`` (hash of the first entry), ``seq`` and ``hash`` (of the
        last). Keep it where the ledger's owner cannot change it.
        """
        with self._connection() as connection:
            # The first before the last: an entry that comes in between belongs to both or none.
            first = self._one(connection, select(LEDGER).where(LEDGER.c.seq == 1))
            last = self._last(connection) if first else None
        return sign_head(last, first, self._key)

    def export(self, path: Path) -> int:
        """Write all entries as JSON lines and give their number."""
        entries = self.entries()
        write_atomically(path, b"".join(entry.line + b"\n" for entry in entries))
        return len(entries)

    def export_head(self, path: Path) -> dict[str, Any]:
        """Write the signed head as JSON and give it."""
        head = self.head()
        write_atomically(path, canonical_json(head))
        return head

    def export_both(self, entries: Path, head: Path) -> None:
        """Write all entries as JSON lines and the signed head of exactly these.

        The entries first: a process killed in between leaves an older head, which they contain.
        """
        found = self.entries()
        first, last = (found[0], found[-1]) if found else (None, None)
        signed = sign_head(last, first, self._key)
        write_atomically(entries, b"".join(entry.line + b"\n" for entry in found))
        write_atomically(head, canonical_json(signed))

    def verify(
        self, *, head: bytes | Mapping[str, Any] | None = None, public_hex: str | None = None
    ) -> list[str]:
        """Every problem of the file and its chain (see :func:`verify_entries`)."""
        scan = scan_ledger(self.path)
        return [*scan.faults, *verify_entries(scan.rows, head=head, public_hex=public_hex)]

    def _time(self) -> str:
        now = self._clock()
        if now.tzinfo is None:
            raise EvidenceError(f"the clock says {now} without a time zone; give one in UTC")
        return now.astimezone(UTC).isoformat(timespec="microseconds")

    def _last(self, connection: Connection) -> Entry | None:
        return self._one(connection, select(LEDGER).order_by(LEDGER.c.seq.desc()).limit(1))

    def _one(self, connection: Connection, query: Select[Any]) -> Entry | None:
        return next(self._read(connection, query), None)

    def _read(self, connection: Connection, query: Select[Any]) -> Iterator[Entry]:
        for row in connection.execute(query).mappings().all():
            try:
                entry = entry_from_row({name: row[name] for name in FIELDS})
                faults = entry.faults()
            except Tampered as error:
                faults = [str(error)]
            if faults:
                raise Tampered(
                    f"ledger {self.path} is broken at entry {row['seq']}: {faults[0]}; nothing "
                    "more is appended or read: restore the file from a copy"
                )
            yield entry

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection for one piece of work; what it began and did not commit is undone."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DBAPIError, UnicodeDecodeError) as error:  # damage even breaks SQLite's messages
            reason = error.orig if isinstance(error, DBAPIError) else error
            if is_of_the_disk(reason):
                is_full = getattr(reason, "sqlite_errorcode", 0) == SQLITE_FULL
                doubt = "" if is_full else "; the disk is broken, or has no room to flush"
                told = OSError(f"{reason}{doubt}")
                raise storage_error(self.path, "entries", told) from error
            raise EvidenceError(
                f"the ledger {self.path} cannot be used: {reason}; end the process that "
                "holds it, or restore it from a copy if it is damaged"
            ) from error


def _selected(kind: str | None, subject: str | None) -> Select[Any]:
    """All entries in their order, or those of a kind and subject."""
    query = select(LEDGER).order_by(LEDGER.c.seq)
    if kind is not None:
        query = query.where(LEDGER.c.kind == kind)
    return query if subject is None else query.where(LEDGER.c.subject == subject)


def _flush_every_commit(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = FULL").close()
