"""The signing key: made once, closed to others, checked."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError
from cellula.evidence import keys
from cellula.evidence.keys import (
    SigningKey,
    fingerprint,
    load_public,
    signing_key,
    verify_signature,
)

#: RFC 8032, section 7.1, test 2.
SECRET = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_published_vector() -> None:
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET)))
    assert key.public_hex == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert verify_signature(PUBLIC, b"\x72", SIGNATURE)
    assert not verify_signature(PUBLIC, b"\x73", SIGNATURE)


def test_made_on_first_use_and_kept(tmp_path: Path) -> None:
    first = signing_key(tmp_path / "keys")
    assert signing_key(tmp_path / "keys").public_hex == first.public_hex
    assert load_public(tmp_path / "keys" / "key.pub") == first.public_hex
    assert sorted(os.listdir(tmp_path / "keys")) == ["key.pem", "key.pub"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "keys" / "key.pem").stat().st_mode) == 0o600


def test_made_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "user_config_dir", lambda name: str(tmp_path / name))
    signing_key()
    assert (tmp_path / "cellula" / "key.pem").exists()


def test_many_at_once_use_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: signing_key(tmp_path).public_hex, range(32)))
    assert len(set(made)) == 1
    assert sorted(os.listdir(tmp_path)) == ["key.pem", "key.pub"]


def test_the_private_part_is_not_shown(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    assert repr(key) == "SigningKey()"
    assert not hasattr(key, "private_hex")


@pytest.mark.skipif(os.name != "posix", reason="permission bits need POSIX")
def test_a_key_that_others_read_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path)
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(EvidenceError, match="chmod 600"):
        signing_key(tmp_path)


def test_a_damaged_or_foreign_key_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path)
    other = X25519PrivateKey.generate()
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"rubbish", pem):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(EvidenceError, match="no unencrypted Ed25519 private key"):
            signing_key(tmp_path)


def test_a_public_file_of_another_key_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path / "one")
    signing_key(tmp_path / "two")
    (tmp_path / "one" / "key.pub").replace(tmp_path / "two" / "key.pub")
    with pytest.raises(EvidenceError, match="not the public part"):
        signing_key(tmp_path / "two")


def test_public_key_as_pem_or_hex(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET)).public_key()
    path = tmp_path / "public"
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert load_public(path) == PUBLIC
    path.write_text(PUBLIC + "\n")
    assert load_public(path) == PUBLIC
    for wrong in ("", PUBLIC[:-1], PUBLIC.upper(), "-----BEGIN PUBLIC KEY-----"):
        path.write_text(wrong)
        with pytest.raises(EvidenceError, match="no Ed25519 public key"):
            load_public(path)
    with pytest.raises(EvidenceError, match="cannot read the public key"):
        load_public(tmp_path / "absent")


def test_fingerprint_is_of_the_raw_key() -> None:
    assert fingerprint(PUBLIC) == hash_bytes(bytes.fromhex(PUBLIC))[:16]
    with pytest.raises(EvidenceError, match="no public key"):
        fingerprint(PUBLIC.upper())


def test_every_other_spelling_of_a_signature_fails() -> None:
    for position in range(len(SIGNATURE)):
        for bit in range(8):
            flipped = bytearray(SIGNATURE.encode())
            flipped[position] ^= 1 << bit
            assert not verify_signature(PUBLIC, b"\x72", flipped.decode("latin-1"))
    for public in ("", PUBLIC.upper(), PUBLIC + "00", "zz" * 32, "ff" * 32):
        assert not verify_signature(public, b"\x72", SIGNATURE)


def test_derived_secrets_depend_on_key_and_purpose(tmp_path: Path) -> None:
    one, two = signing_key(tmp_path / "1"), signing_key(tmp_path / "2")
    secrets = {one.derive(b"a", 32), one.derive(b"b", 32), two.derive(b"a", 32)}
    assert len(secrets) == 3
    assert signing_key(tmp_path / "1").derive(b"a", 32) in secrets
    assert len(one.derive(b"a", 64)) == 64
