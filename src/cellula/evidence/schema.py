"""The table of the ledger and the triggers that make it append-only.

The table is plain SQLAlchemy Core and suits PostgreSQL too; the triggers are SQLite's. They
stop mistakes and honest programs; whoever edits the file by hand is found by the hash chain.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

__all__ = ["LEDGER", "TRIGGERS"]

LEDGER: Final = Table(
    "ledger",
    MetaData(),
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("time", String(32), nullable=False),
    Column("kind", String(64), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
    Column("public_key", String(64), nullable=False),
)

#: Trigger -> the statement that makes it. An insert must continue the chain, so it cannot
#: replace an entry either.
TRIGGERS: Final = {
    "ledger_no_update": "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN "
    "SELECT RAISE(ABORT, 'the ledger is append-only: no entry may be changed'); END",
    "ledger_no_delete": "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN "
    "SELECT RAISE(ABORT, 'the ledger is append-only: no entry may be deleted'); END",
    "ledger_only_append": "CREATE TRIGGER ledger_only_append BEFORE INSERT ON ledger "
    "WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM ledger) BEGIN "
    "SELECT RAISE(ABORT, 'the ledger is append-only: an entry must follow the last'); END",
}
