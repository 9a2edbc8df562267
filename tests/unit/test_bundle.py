"""A bundle is one sequence of bytes, readable as a zip and as a folder."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from cellula.core.canonical import hash_bytes
from cellula.core.errors import DataError, EvidenceError, Tampered
from cellula.evidence.bundle import read_bundle, scan_bundle, sign_files, write_bundle
from cellula.evidence.keys import signing_key, verify_signature

FILES = {"study.json": b"{}", "splits/a.parquet": b"split", "report/index.html": b"<html>"}


def test_the_same_files_and_key_give_the_same_bytes(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    one, two = tmp_path / "1.zip", tmp_path / "2.zip"
    digest = write_bundle(one, FILES, key)
    assert write_bundle(two, dict(reversed(FILES.items())), key) == digest
    assert one.read_bytes() == two.read_bytes()
    assert hash_bytes(one.read_bytes()) == digest


def test_manifest_and_signature_as_documented(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    files = sign_files(FILES, key)
    assert json.loads(files["manifest.json"]) == {n: hash_bytes(d) for n, d in FILES.items()}
    signature = json.loads(files["manifest.sig.json"])
    assert set(signature) == {"public_key", "signature"}
    assert signature["public_key"] == key.public_hex
    assert verify_signature(key.public_hex, files["manifest.json"], signature["signature"])


def test_zip_and_folder_read_the_same(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    write_bundle(tmp_path / "b.zip", FILES, key)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extractall(tmp_path / "folder")
    assert read_bundle(tmp_path / "b.zip") == sign_files(FILES, key)
    assert read_bundle(tmp_path / "folder") == sign_files(FILES, key)


def test_a_file_of_ours_is_not_taken(tmp_path: Path) -> None:
    for name in ("manifest.json", "manifest.sig.json"):
        with pytest.raises(DataError, match="written by the bundle itself"):
            write_bundle(tmp_path / "b.zip", {name: b""}, signing_key(tmp_path))
    with pytest.raises(DataError, match="cannot be the name"):
        write_bundle(tmp_path / "b.zip", {"../x": b""}, signing_key(tmp_path))
    assert not (tmp_path / "b.zip").exists()


def test_damage_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    write_bundle(path, FILES, signing_key(tmp_path))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"<html>", b"<hTml>"))
    with pytest.raises(Tampered, match=r"report/index\.html: cannot be read"):
        read_bundle(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(Tampered, match=r"b\.zip"):
        read_bundle(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(Tampered, match="no readable zip"):
        read_bundle(path)
    with pytest.raises(EvidenceError, match="cannot read the bundle"):
        read_bundle(tmp_path / "absent.zip")


def test_a_zip_made_by_another_program_is_told(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in sign_files(FILES, signing_key(tmp_path)).items():
            archive.writestr(name, data)
    (tmp_path / "b.zip").write_bytes(buffer.getvalue())
    scan = scan_bundle(tmp_path / "b.zip")
    assert set(scan.files) == {*FILES, "manifest.json", "manifest.sig.json"}
    assert "is not what the bundle of these files has" in scan.problems[0].what


@pytest.mark.skipif(os.name != "posix", reason="links and pipes need POSIX")
def test_a_folder_holds_files_only(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"x")
    (folder / "link").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe")
    scan = scan_bundle(folder)
    assert scan.files == {"sub/file": b"x"}
    assert [problem.file for problem in scan.problems] == ["link", "pipe"]
