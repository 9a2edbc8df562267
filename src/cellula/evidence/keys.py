"""The Ed25519 key that signs: made on first use, kept in the user's configuration folder.

Signatures after RFC 8032, key derivation after RFC 5869 (HKDF with SHA-256). The private part
never leaves :class:`SigningKey`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from platformdirs import user_config_dir

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError
from cellula.io.atomic import create_atomically, told, write_atomically

__all__ = [
    "PRIVATE_FILE",
    "PUBLIC_FILE",
    "SigningKey",
    "fingerprint",
    "load_public",
    "signing_key",
    "verify_signature",
]

PRIVATE_FILE = "key.pem"
PUBLIC_FILE = "key.pub"
PUBLIC_HEX = re.compile(r"[0-9a-f]{64}")
SIGNATURE_HEX = re.compile(r"[0-9a-f]{128}")
#: Bits that let others read or change the private key.
SHARED = 0o077


@final
@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key and what may be done with it."""

    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public_hex(self) -> str:
        """The public key: 32 bytes as 64 hexadecimal digits."""
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return raw.hex()

    @property
    def fingerprint(self) -> str:
        """The short name of the key (see :func:`fingerprint`)."""
        return fingerprint(self.public_hex)

    def sign(self, data: bytes) -> str:
        """The signature of ``data``: 64 bytes as 128 hexadecimal digits, always the same."""
        return self._private.sign(data).hex()

    def derive(self, purpose: bytes, length: int) -> bytes:
        """A secret of ``length`` bytes for one purpose: HKDF(private key, info=purpose).

        Different purposes give independent secrets; none of them reveals the key.
        """
        secret = self._private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return HKDF(SHA256(), length, salt=b"cellula", info=purpose).derive(secret)


def signing_key(folder: Path | None = None) -> SigningKey:
    """The key of this user, made on first use.

    folder: where ``key.pem`` (mode 0600) and ``key.pub`` (hexadecimal) lie; None is the
    user's configuration folder. Of several processes that start at once, one makes the key
    and all use it. Raises EvidenceError when the file is no key, when others may read it, or
    when the public file beside it belongs to another key; StorageError when it cannot be written.
    """
    place = Path(user_config_dir("cellula")) if folder is None else folder
    private = place / PRIVATE_FILE
    if not private.exists():
        with told(private):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        create_atomically(private, pem, mode=0o600)
    key = _load_private(private)
    _settle_public(place / PUBLIC_FILE, key)
    return key


def fingerprint(public_hex: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a public key's 32 bytes."""
    if not PUBLIC_HEX.fullmatch(public_hex):
        raise EvidenceError(
            f"{public_hex[:80]!r} is no public key; expected 64 hexadecimal digits in lower case"
        )
    return hash_bytes(bytes.fromhex(public_hex))[:16]


def load_public(path: Path) -> str:
    """A public key from a file, hexadecimal or PEM, as 64 hexadecimal digits.

    Raises EvidenceError, naming the file, when it cannot be read or is no Ed25519 key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(
            f"cannot read the public key {path}: {error.strerror or error}"
        ) from error
    text = data.decode("ascii", errors="replace").strip()
    if PUBLIC_HEX.fullmatch(text):
        return text
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError(
            f"{path} is no Ed25519 public key; expected the 64 hexadecimal digits of a "
            f"{PUBLIC_FILE} file, or PEM"
        )
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def verify_signature(public_hex: str, data: bytes, signature: str) -> bool:
    """Whether ``signature`` is that of ``data`` by this key; False on anything malformed.

    Only the one lower-case spelling of key and signature is accepted, so that no changed
    byte passes.
    """
    if not PUBLIC_HEX.fullmatch(public_hex) or not SIGNATURE_HEX.fullmatch(signature):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex))
        key.verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _load_private(path: Path) -> SigningKey:
    try:
        if os.name == "posix" and path.stat().st_mode & SHARED:
            raise EvidenceError(
                f"{path} can be read or changed by other users, who could sign in your name; "
                f"close it with: chmod 600 {path}"
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise EvidenceError(f"cannot read the key {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EvidenceError(_no_key(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceError(_no_key(path))
    return SigningKey(key)


def _no_key(path: Path) -> str:
    return (
        f"{path} is no unencrypted Ed25519 private key; restore it from a copy, or move it away "
        "to have a new one made (which cannot open labels sealed with the old one)"
    )


def _settle_public(path: Path, key: SigningKey) -> None:
    """Write the public file where it is missing; refuse one that belongs to another key."""
    if not path.exists():
        write_atomically(path, f"{key.public_hex}\n".encode(), mode=0o644)
    elif load_public(path) != key.public_hex:
        raise EvidenceError(
            f"{path} is not the public part of {path.with_name(PRIVATE_FILE)}; whoever checks "
            "your signatures with it would refuse them: delete it to have it written again"
        )
