"""Blobs are found by their hash and never by anything else."""

from pathlib import Path

import pytest

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError, StorageError, Tampered
from cellula.evidence.blobs import BlobStore


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_put_get_and_put_again(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    digest = store.put(b"data")
    assert digest == hash_bytes(b"data")
    assert store.put(b"data") == digest
    assert store.get(digest) == b"data"
    assert store.get(store.put(b"")) == b""
    assert store.has(digest)
    assert len(files(tmp_path)) == 2
    assert BlobStore(str(tmp_path / "blobs")).get(digest) == b"data"


def test_any_file_system_of_fsspec() -> None:
    store = BlobStore("memory://blob-test")
    digest = store.put(b"far away")
    assert store.get(digest) == b"far away"
    assert store.put(b"far away") == digest


def test_a_changed_blob_is_named_and_not_repaired(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest = store.put(b"data")
    (file,) = files(tmp_path)
    file.write_bytes(b"Data")
    for call in (lambda: store.get(digest), lambda: store.put(b"data")):
        with pytest.raises(Tampered, match=digest):
            call()
    assert file.read_bytes() == b"Data"


def test_a_missing_blob(tmp_path: Path) -> None:
    digest = hash_bytes(b"absent")
    assert not BlobStore(tmp_path).has(digest)
    with pytest.raises(EvidenceError, match=f"blob {digest} is not in"):
        BlobStore(tmp_path).get(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_what_is_no_hash(tmp_path: Path, digest: str) -> None:
    with pytest.raises(EvidenceError, match="no hash of a blob"):
        BlobStore(tmp_path).get(digest)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="no space left"):
        BlobStore(tmp_path).put(b"data")
    assert files(tmp_path) == []
