"""Fetching public data: whole or not at all, the pinned file or none."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from cellula.core import pip, registry
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.data.catalogue import download as downloading
from cellula.data.catalogue import source as catalogue
from cellula.data.catalogue.source import Source, cached, describe, fetch


def _absent(name: str) -> str:
    raise PackageNotFoundError(name)


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            bundle.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


CONTENT = archive({"toy-1.0/data/a.csv": b"x\n1\n", "toy-1.0/secret.py": b"raise SystemExit"})


def toy(**fields: Any) -> Source:
    given: dict[str, Any] = {
        "name": "toy",
        "title": "Toy",
        "what": "a toy",
        "license": "CC0-1.0",
        "citation": "nobody",
        "package": "toy",
        "version": "1.0",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "form": "sdist",
        "files": {"table.csv": "toy-1.0/data/a.csv"},
    }
    return Source(**(given | fields))


def carrier(content: bytes = CONTENT) -> Callable[[Source, Path], Path]:
    def download(source: Source, folder: Path) -> Path:
        path = folder / "toy-1.0.tar.gz"
        path.write_bytes(content)
        return path

    return download


def test_fetched_once_and_only_the_wanted_files(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert cached(toy(), cache) is None
    folder = fetch(toy(), cache, download=carrier())
    assert sorted(item.name for item in folder.iterdir()) == ["files.json", "table.csv"]
    assert (folder / "table.csv").read_bytes() == b"x\n1\n"
    assert cached(toy(), cache) == folder

    def never(source: Source, folder: Path) -> Path:
        raise EngineError("offline")

    assert fetch(toy(), cache, download=never) == folder
    assert [item.name for item in cache.iterdir()] == ["toy-1.0"]


def test_a_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    folder = fetch(toy(), tmp_path, download=carrier())
    (folder / "table.csv").write_bytes(b"x\n2\n")
    assert cached(toy(), tmp_path) is None
    assert (fetch(toy(), tmp_path, download=carrier()) / "table.csv").read_bytes() == b"x\n1\n"
    (folder / "files.json").unlink()
    assert cached(toy(), tmp_path) is None


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        (CONTENT[:100], {}, "has SHA-256 .*expected"),
        (CONTENT, {"files": {"t.csv": "toy-1.0/absent.csv"}}, "lacks a file"),
        (CONTENT[:100], {"sha256": hashlib.sha256(CONTENT[:100]).hexdigest()}, "damaged"),
    ],
    ids=["hash", "member", "cut short"],
)
def test_a_wrong_download_leaves_nothing(
    tmp_path: Path, content: bytes, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        fetch(toy(**fields), tmp_path, download=carrier(content))
    assert list(tmp_path.iterdir()) == []


def test_another_process_was_faster(tmp_path: Path) -> None:
    def slow(source: Source, folder: Path) -> Path:
        fetch(source, tmp_path, download=carrier())
        return carrier()(source, folder)

    folder = fetch(toy(), tmp_path, download=slow)
    assert cached(toy(), tmp_path) == folder
    assert [item.name for item in tmp_path.iterdir()] == ["toy-1.0"]


def _pip_says(monkeypatch: pytest.MonkeyPatch, text: str, code: int = 1) -> list[list[str]]:
    asked: list[list[str]] = []

    def run(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        asked.append(list(command))
        return subprocess.CompletedProcess(command, code, "", text)

    monkeypatch.setattr(downloading.subprocess, "run", run)
    return asked


def test_offline_wrong_hash_and_no_pip_are_three_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _pip_says(monkeypatch, "ERROR: No matching distribution found for toy==1.0")
    with pytest.raises(EngineError, match=r"offline, or the index does not have it(.|\n)*No match"):
        fetch(toy(), tmp_path)
    assert {"--require-hashes", "--no-deps", "--no-binary=:all:"} <= set(asked[0])
    _pip_says(monkeypatch, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n Got abc")
    with pytest.raises(DataError, match=r"wrong SHA-256(.|\n)*Got abc"):
        fetch(toy(), tmp_path)
    _pip_says(monkeypatch, "", code=0)
    with pytest.raises(EngineError, match="pip fetched 0 files"):
        fetch(toy(), tmp_path)
    monkeypatch.setattr(pip, "version", _absent)
    with pytest.raises(EngineError, match="ensurepip"):
        fetch(toy(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_data_of_an_installed_package(tmp_path: Path) -> None:
    folder = fetch(catalogue.source("pbmc68k"), tmp_path)
    assert (folder / "pbmc68k_reduced.h5ad").stat().st_size > 100_000
    absent = replace(catalogue.source("ecoli_core"), package="no_such_package")
    with pytest.raises(MissingExtra, match=r"pip install 'cellula\[cobra\]'"):
        fetch(absent, tmp_path)
    moved = replace(catalogue.source("pbmc68k"), files={"x": "no/such/file"}, name="moved")
    with pytest.raises(DataError, match="has no file no/such/file"):
        fetch(moved, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", registry.names("source"))
def test_every_source_is_described(name: str) -> None:
    source = catalogue.source(name)
    told = describe(source)
    assert told["name"] == name
    assert all(told[key] for key in ("title", "what", "license", "citation", "files"))
    assert (len(source.sha256) == 64) == (source.form != "installed")


def test_gdsc_in_the_cache_is_the_published_table(data_dir: Path) -> None:
    source = catalogue.source("gdsc")
    folder = cached(source)
    if folder is None:
        pytest.skip("gdsc is not in the cache: get it with cellula data get gdsc")
    for name in source.files:
        assert (folder / name).read_bytes() == (data_dir / "drug" / "gdsc" / name).read_bytes()
