"""Signed statements: a JSON object, the key that signed it, the signature.

A document is ``{"statement": {...}, "public_key": hex, "signature": hex}``; the signature is
over the canonical JSON of the statement. Registrations and heads of the ledger are such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.canonical import canonical_json
from cellula.core.errors import Tampered
from cellula.evidence.keys import SigningKey, verify_signature

__all__ = ["Signed", "read_object", "read_signed", "sign_statement"]

FIELDS = {"statement", "public_key", "signature"}


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement whose signature holds, and the public key that made it."""

    statement: Mapping[str, Any]
    public_key: str


def sign_statement(statement: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """The signed document of a statement; write it with :func:`canonical_json`."""
    data = canonical_json(statement)
    return {
        "statement": json.loads(data),
        "public_key": key.public_hex,
        "signature": key.sign(data),
    }


def read_signed(document: bytes | Mapping[str, Any]) -> Signed:
    """The statement of a signed document.

    Raises Tampered when the document has other fields than the three, or when the signature
    is not that of the statement by the key it names. Who owns the key it cannot tell.
    """
    found = read_object(document) if isinstance(document, bytes) else document
    if set(found) != FIELDS:
        raise Tampered(f"has the fields {sorted(found)}; expected {sorted(FIELDS)}")
    statement, public = found["statement"], found["public_key"]
    signature = found["signature"]
    if not isinstance(statement, Mapping):
        raise Tampered("its statement is no JSON object")
    if not isinstance(public, str) or not isinstance(signature, str):
        raise Tampered("its public key or signature is no text")
    try:
        data = canonical_json(statement)
    except (ValueError, RecursionError) as error:
        raise Tampered(f"its statement has no canonical form ({error})") from error
    if not verify_signature(public, data, signature):
        raise Tampered("its signature is not that of its statement by the key it names")
    return Signed(statement, public)


def read_object(data: bytes, *, is_canonical: bool = False) -> dict[str, Any]:
    """A JSON object from bytes that may be damaged.

    is_canonical: refuse every spelling but the canonical one. Raises Tampered otherwise.
    """
    try:
        found = json.loads(data)
        if is_canonical and canonical_json(found) != data:
            raise Tampered("is not canonical JSON: some byte of it was changed")
    except (ValueError, RecursionError) as error:
        raise Tampered(f"is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise Tampered(f"holds a JSON {type(found).__name__}; expected an object")
    return found
