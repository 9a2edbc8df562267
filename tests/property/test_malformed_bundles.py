"""Malformed evidence: 500 cases through ``verify`` and ``predict``, and nothing half-written."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from malformed_cases import attempt, cases

from cellula.core.canonical import hash_bytes
from cellula.evidence.bundle import MANIFEST, SIGNATURE, sign_files
from cellula.evidence.keys import signing_key
from cellula.evidence.statement import sign_statement
from cellula.io.archive import archive_bytes, read_archive
from cellula.testing.examples import single_cells
from cellula.testing.malformed import damaged_bytes, damaged_text, damaged_tree

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from study_example import made, study

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound bundle, its ledger, its head and its key."""
    place = tmp_path_factory.mktemp("evidence")
    (place / "b.zip").write_bytes(archive_bytes(made(place / "work", study())))
    workspace = place / "work" / "w"
    from cellula.validation.workspace import open_workspace

    opened = open_workspace(workspace, place / "key")
    opened.ledger.export(place / "l.jsonl")
    opened.ledger.export_head(place / "h.json")
    (place / "l.sqlite").write_bytes(opened.ledger.path.read_bytes())
    (place / "k.pub").write_text(opened.key.public_hex)
    work = place / "tried"
    work.mkdir()
    for name in ("b.zip", "l.jsonl", "l.sqlite", "h.json", "k.pub"):
        (work / name).write_bytes((place / name).read_bytes())
    return work


def verified(folder: Path, name: str, content: bytes) -> int:
    """The exit code of ``verify`` with one file changed."""
    whole = (folder / name).read_bytes()
    ledger = "l.sqlite" if name == "l.sqlite" else "l.jsonl"
    try:
        (folder / name).write_bytes(content)
        code = attempt(
            folder,
            [
                "verify",
                folder / "b.zip",
                "--ledger",
                folder / ledger,
                "--head",
                folder / "h.json",
                "--key",
                folder / "k.pub",
            ],
        )
    finally:
        (folder / name).write_bytes(whole)
    assert code in {0, 1, 3}
    assert code != 0 or content == whole or name in {"k.pub", "l.sqlite"}, "a change was not seen"
    return code


def test_sound_evidence_is_intact(folder: Path) -> None:
    assert verified(folder, "b.zip", (folder / "b.zip").read_bytes()) == 0


@pytest.mark.requirement("O2")
@cases(125)
@given(choice=st.data(), name=st.sampled_from(["b.zip", "l.jsonl", "l.sqlite", "h.json", "k.pub"]))
def test_125_files_of_damaged_bytes_are_never_intact(
    folder: Path, choice: st.DataObject, name: str
) -> None:
    verified(folder, name, choice.draw(damaged_bytes((folder / name).read_bytes())))


@cases(75)
@given(choice=st.data())
def test_75_damaged_entries_of_a_ledger_are_never_intact(
    folder: Path, choice: st.DataObject
) -> None:
    lines = (folder / "l.jsonl").read_bytes().splitlines()
    place = choice.draw(st.integers(0, len(lines) - 1))
    changed = choice.draw(damaged_tree(json.loads(lines[place])))
    lines[place] = json.dumps(changed, default=str).encode()
    verified(folder, "l.jsonl", b"\n".join(lines) + b"\n")


@cases(100)
@given(choice=st.data())
def test_100_bundles_signed_over_odd_contents_are_told_in_words(
    folder: Path, choice: st.DataObject
) -> None:
    """Signed anew by their own key, so that every byte is as it was signed."""
    files = read_archive((folder / "b.zip").read_bytes())
    for name in (MANIFEST, SIGNATURE):
        del files[name]
    key = signing_key(folder.parent / "key")
    names = sorted(name for name in files if name.endswith(".json"))
    for name in choice.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        content = json.loads(files[name])
        if isinstance(content, dict) and content:
            tree = choice.draw(damaged_tree(content))
            files[name] = json.dumps(tree, default=str).encode()
        else:
            odd = (b"{}", b"[]", b"null", b"[1]", b'{"a":1}', DEEP, b"\xff", b"1" * 5000)
            files[name] = choice.draw(st.sampled_from(odd))
    splits = {name: hash_bytes(data) for name, data in files.items() if name.startswith("splits/")}
    statement = {"study_hash": hash_bytes(files["study.json"]), "splits": splits}
    files["registration.json"] = json.dumps(sign_statement(statement, key)).encode()
    path = folder / "signed.zip"
    path.write_bytes(archive_bytes(sign_files(files, key)))
    try:
        assert attempt(folder, ["verify", path]) in {0, 1, 3}
    finally:
        path.unlink()


NAMES = ("a", "../a", "/a", "a\\b", "", ".", "a/../b", "\x1b[31m", "é", "x" * 300, "study.json")


@cases(75)
@given(choice=st.data())
def test_75_zips_of_odd_members_are_never_intact(folder: Path, choice: st.DataObject) -> None:
    whole = io.BytesIO((folder / "b.zip").read_bytes())
    for _ in range(choice.draw(st.integers(1, 3))):
        member = zipfile.ZipInfo(choice.draw(st.sampled_from(NAMES)) or "empty")
        member.external_attr = choice.draw(st.sampled_from([0o120777, 0o100644, 0o040755])) << 16
        member.compress_type = choice.draw(st.sampled_from([0, 8, 12, 14]))
        member.extra = choice.draw(st.sampled_from([b"", b"\x01\x00\x04\x00abcd", b"\xff"]))
        with warnings.catch_warnings(), zipfile.ZipFile(whole, "a") as archive:
            warnings.simplefilter("ignore")  # of doubled names
            archive.writestr(member, choice.draw(st.sampled_from([b"", b"/etc/passwd", DEEP])))
    assert verified(folder, "b.zip", whole.getvalue()) == 3


@pytest.mark.skipif(os.name != "posix", reason="names of other bytes than UTF-8 are of POSIX")
def test_a_folder_of_names_that_no_text_can_hold_is_told_in_words(folder: Path) -> None:
    place = folder.parent / "unpacked"
    for name, content in read_archive((folder / "b.zip").read_bytes()).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    Path(os.fsdecode(bytes(place) + b"/\xff\x1b[31m")).write_bytes(b"")
    (place / "link").symlink_to("study.json")
    assert attempt(place, ["verify", place]) == 3


# -- what is written --------------------------------------------------------------------------
@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cells, a fitted model and questions."""
    place = tmp_path_factory.mktemp("fitted")
    single_cells(n_cells=6).data.write_h5ad(place / "cells.h5ad")
    roles = "perturbation=perturbation,control=is_control,context=context"
    words = ["fit", "--data", place / "cells.h5ad", "--roles", roles, "--model", "mean_response"]
    assert attempt(place, [*words, "--out", place / "model"]) == 0
    table = pd.DataFrame({"perturbation": ["G0", "G1"], "context": ["type0", "type1"]})
    table.to_csv(place / "asked.csv", index=False)
    return place


def contents(folder: Path) -> Mapping[str, bytes]:
    names = ("model/model.json", "model/state.npz", "asked.csv", "cells.h5ad")
    return {name: (folder / name).read_bytes() for name in names}


@cases(125)
@given(choice=st.data(), is_rehashed=st.booleans())
def test_125_damaged_models_and_questions_write_nothing(
    fitted: Path, choice: st.DataObject, is_rehashed: bool
) -> None:
    whole = contents(fitted)
    name = choice.draw(st.sampled_from(sorted(whole)))
    changed = dict(whole)
    if name == "asked.csv":
        changed[name] = choice.draw(damaged_text(whole[name]))
    elif name == "model/model.json":
        tree = choice.draw(damaged_tree(json.loads(whole[name])))
        changed[name] = json.dumps(tree, default=str).encode()
    elif name == "model/state.npz" and is_rehashed:
        files = read_archive(whole[name])
        part = choice.draw(st.sampled_from(sorted(files)))
        files[part] = choice.draw(damaged_bytes(files[part]))
        changed[name] = archive_bytes(files)
        card = json.loads(whole["model/model.json"])
        card["state_sha256"] = hash_bytes(changed[name])
        changed["model/model.json"] = json.dumps(card).encode()
    else:
        changed[name] = choice.draw(damaged_bytes(whole[name]))
    words = ["predict", "--fitted", fitted / "model", "--queries", fitted / "asked.csv"]
    if name == "cells.h5ad" or choice.draw(st.booleans()):
        words += ["--control", fitted / "cells.h5ad"]
    out = fitted / choice.draw(st.sampled_from(["out.csv", "out.h5ad", "out.parquet"]))
    try:
        for path, content in changed.items():
            (fitted / path).write_bytes(content)
        attempt(fitted, [*words, "--out", out])
    finally:
        for path, content in whole.items():
            (fitted / path).write_bytes(content)
        out.unlink(missing_ok=True)
