"""A signed statement holds as it was signed and in no other way."""

import json
from pathlib import Path

import pytest

from cellula.core.canonical import canonical_json
from cellula.core.errors import Tampered
from cellula.evidence.keys import signing_key
from cellula.evidence.statement import read_object, read_signed, sign_statement


def test_round_trip(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    document = sign_statement({"b": 1, "a": ("x",)}, key)
    assert document["statement"] == {"a": ["x"], "b": 1}
    signed = read_signed(canonical_json(document))
    assert signed.statement == document["statement"]
    assert signed.public_key == key.public_hex


def test_a_change_is_found(tmp_path: Path) -> None:
    document = sign_statement({"threshold": 0.5}, signing_key(tmp_path / "1"))
    other = sign_statement({"threshold": 0.4}, signing_key(tmp_path / "2"))
    for field in document:
        with pytest.raises(Tampered, match="signature is not that"):
            read_signed({**document, field: other[field]})
    for changed in (
        {**document, "more": 1},
        {**document, "statement": []},
        {**document, "public_key": 1},
        {"statement": {}},
    ):
        with pytest.raises(Tampered):
            read_signed(changed)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"a": 1}', b'{"a":1,"a":1}', b'{"a":1e999}'],
)
def test_only_canonical_objects_are_read(data: bytes) -> None:
    with pytest.raises(Tampered):
        read_object(data, is_canonical=True)


def test_another_spelling_is_read_where_it_may_be() -> None:
    assert read_object(b'{"a": 1}') == {"a": 1}
    surrogate = json.dumps({"a": "\ud800"}).encode()
    assert read_object(surrogate)["a"] == "\ud800"
    with pytest.raises(Tampered):
        read_object(surrogate, is_canonical=True)
