"""Whatever is done to a chain of entries is found, and no damage crashes the check."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellula.core.canonical import canonical_json
from cellula.evidence.chain import head_faults, sign_head, verify_entries
from cellula.evidence.entry import GENESIS, Entry, entry_from_row, make_entry
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.ledger_file import scan_ledger
from cellula.evidence.statement import sign_statement

N = 6


def chain(key: SigningKey, n: int = N, word: str = "x") -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, n + 1):
        previous = entries[-1].hash if entries else GENESIS
        time = f"2025-01-01T00:00:0{seq}.000000+00:00"
        about = ("run", f"claim {seq}")
        entries.append(make_entry((seq, previous), time, about, {word: seq / 2}, key))
    return entries


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("other"))


def lines(entries: list[Entry]) -> list[bytes]:
    return [entry.line for entry in entries]


def test_a_whole_chain_as_lines_and_as_rows(key: SigningKey) -> None:
    entries = chain(key)
    assert verify_entries(lines(entries), public_hex=key.public_hex) == []
    assert verify_entries([entry.row() for entry in entries]) == []
    assert entry_from_row(entries[0].row()) == entries[0]


def test_every_flipped_bit_of_an_export_is_found(key: SigningKey, tmp_path: Path) -> None:
    data = b"".join(line + b"\n" for line in lines(chain(key, 2)))
    head = sign_head(chain(key, 2)[-1], chain(key, 2)[0], key)
    path = tmp_path / "export.jsonl"
    for position in range(len(data)):
        for bit in (0, 2, 5, 7):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            scan = scan_ledger(path)
            assert [*scan.faults, *verify_entries(scan.rows, head=head)], (position, bit)


@pytest.mark.parametrize("cut", range(1, N + 1))
def test_an_entry_cut_out_is_found_at_its_place(key: SigningKey, cut: int) -> None:
    entries = chain(key)
    head = sign_head(entries[-1], entries[0], key)
    left = lines([entry for entry in entries if entry.seq != cut])
    assert verify_entries(left, head=head)[0].startswith(f"broken at {cut}: ")


@pytest.mark.parametrize("keep", range(N))
def test_a_cut_end_is_found_against_the_head_only(key: SigningKey, keep: int) -> None:
    entries = chain(key)
    head = canonical_json(sign_head(entries[-1], entries[0], key))
    assert verify_entries(lines(entries[:keep])) == []
    (problem,) = verify_entries(lines(entries[:keep]), head=head)
    assert problem == (
        f"broken at {keep + 1}: the head says {N} entries, found {keep}: the end was cut"
    )


def test_a_moved_or_doubled_entry_is_found(key: SigningKey) -> None:
    one, two, three, *_ = lines(chain(key))
    assert verify_entries([one, three, two])[0].startswith("broken at 2: ")
    assert verify_entries([one, one, two])[0].startswith("broken at 2: ")


def test_a_number_left_out_is_found_though_the_hashes_chain(key: SigningKey) -> None:
    first = chain(key, 1)[0]
    skipped = make_entry((3, first.hash), first.time, ("run", "x"), {}, key)
    assert verify_entries(lines([first, skipped])) == [
        "broken at 2: found entry 3, expected 2: entries were cut, moved or inserted"
    ]


def test_a_last_line_without_its_end_is_found(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"\n".join(lines(chain(key, 2))))
    scan = scan_ledger(path)
    assert verify_entries(scan.rows) == []
    assert scan.faults == ("the last line has no end: the export was cut",)


def test_a_forged_row_is_found(key: SigningKey, other: SigningKey) -> None:
    entries = chain(key)
    row = entries[2].row()
    assert "hashes to" in verify_entries([{**row, "seq": 1, "previous": GENESIS}])[0]
    again = make_entry((3, entries[1].hash), row["time"], ("run", "forged"), {}, other)
    forged = [*entries[:2], again, *entries[3:]]
    assert verify_entries(lines(forged)) == [
        "broken at 4: its previous hash is not the hash of the entry before it"
    ]
    found = verify_entries(lines(forged), public_hex=key.public_hex)
    assert found[0].startswith("broken at 3: it is signed by another key")


def test_a_chain_made_anew_is_found_by_key_or_head(key: SigningKey, other: SigningKey) -> None:
    entries, anew = chain(key), chain(other, word="y")
    head = sign_head(entries[-1], entries[0], key)
    assert verify_entries(lines(anew)) == []
    assert len(verify_entries(lines(anew), public_hex=key.public_hex)) == N
    found = verify_entries(lines(anew), head=head)
    assert found == [
        "broken at 6: it is not the entry that the head was signed for",
        "broken at 1: the head is that of a ledger with another first entry",
    ]


def test_a_head_that_cannot_be_trusted(key: SigningKey, other: SigningKey) -> None:
    entries = chain(key)
    head = sign_head(entries[-1], entries[0], key)
    forged = {**head, "statement": {**head["statement"], "seq": 2}}
    assert "cannot be trusted" in verify_entries(lines(entries), head=forged)[0]
    assert "cannot be trusted" in head_faults(b"rubbish")[0]
    assert "another key" in head_faults(sign_head(None, None, other), key.public_hex)[0]
    for statement in ({}, {"what": "ledger_head"}, {"what": "ledger_head", "seq": "1"}):
        assert "something else" in head_faults(sign_statement(statement, key))[0]


MALFORMED = [
    b"",
    b"{}",
    b"null",
    b"\xff\xfe",
    b'{"payload":{}}',
    {},
    {"seq": None},
    {"payload": None},
    {"payload": b"\xff"},
    {"payload": "[]"},
    {"payload": '{"a": 1}'},
    {"seq": 1.0},
    {"seq": True},
    {"time": 5},
    {"kind": None},
    {"more": 1},
    {"hash": b"\xff"},
    {"signature": "zz"},
    {"public_key": ""},
]


@pytest.mark.parametrize("damage", MALFORMED)
def test_a_malformed_row_is_a_problem_and_no_crash(key: SigningKey, damage) -> None:
    entries = chain(key, 3)
    bad = damage if isinstance(damage, bytes) or not damage else {**entries[1].row(), **damage}
    found = verify_entries([entries[0].row(), bad, entries[2].row()])
    assert found
    assert all(line.startswith("broken at 2: ") for line in found)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.binary() | st.dictionaries(st.text(), st.none() | st.text() | st.floats())))
def test_rubbish_never_crashes(rows: list) -> None:
    assert len(verify_entries(rows)) >= len(rows)
