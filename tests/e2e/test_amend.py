"""Amending a study through the command line: versions, attempts, and what verification finds."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from shell import Shell

from cellula.core.canonical import canonical_json
from cellula.evidence.bundle import read_bundle, write_bundle
from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.statement import sign_statement

pytestmark = pytest.mark.requirement("L5")

Toy = Callable[..., Path]
SOME = '["G0", "G1", "G2"]'
OTHERS = '["G3", "G4", "G5"]'
RESULTS = Path("w/studies/toy")


def launched(shell: Shell, path: Path) -> None:
    shell("register", str(path), "--workspace", "w")
    shell("run", str(path), "--workspace", "w", exit_code=None)


def amended(shell: Shell, path: Path, old: str, new: str, reason: str) -> str:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return shell("amend", str(path), "--reason", reason, "--workspace", "w")


def verified(shell: Shell, name: str, exit_code: int = 0, bundle: str = "") -> str:
    return shell(
        "verify",
        bundle or str(RESULTS / f"{name}.zip"),
        *("--ledger", str(RESULTS / f"{name}.ledger.jsonl")),
        *("--head", str(RESULTS / f"{name}.head.json")),
        exit_code=exit_code,
    )


def told(bundle: Path) -> dict[str, Any]:
    """The attempts at the claim, and the level of its gate's interval."""
    files = read_bundle(bundle)
    statement = json.loads(files["registration.json"])["statement"]
    score = json.loads(files["evidence/anchored_score-unseen-gene.json"])["payload"]
    return {**statement["attempts"]["unseen-gene"], "level": score["level"]}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folder of :func:`two` is kept once it was made."""
    return tmp_path_factory.mktemp("kept") / "two"


@pytest.fixture
def two(shell: Shell, toy: Toy, kept: Path) -> Path:
    """A study whose second version looks at the same held-out profiles as the first."""
    path = toy(n_genes=9, hold_out=SOME)
    if kept.is_dir():
        shutil.copytree(kept, shell.folder, dirs_exist_ok=True)
        return path
    launched(shell, path)
    amended(shell, path, 'kind = "bilinear_ridge"', 'kind = "knn"', "the linear model was weak")
    launched(shell, path)
    shutil.copytree(shell.folder, kept)
    return path


def test_the_same_profiles_again_spend_half_of_the_error(shell: Shell, two: Path) -> None:
    first, second = told(RESULTS / "toy.zip"), told(RESULTS / "toy-v2.zip")
    assert (first["level"], first["earlier_attempts"], first["is_fresh"]) == (0.95, [], True)
    version = tomllib.loads(two.read_text())
    assert second["level"] == 0.975
    assert second["earlier_attempts"] == [version["amendment"]["amends"]]
    assert not second["is_fresh"]
    assert "1 earlier attempt(s)" in verified(shell, "toy-v2")
    verified(shell, "toy")
    page = (RESULTS / "dossier-v2.html").read_text()
    assert "Curve over versions" in page
    assert "the linear model was weak" in page
    assert "Curve over versions" not in (RESULTS / "dossier.html").read_text()
    before = (RESULTS / "toy-v2.zip").read_bytes()
    launched(shell, two)
    assert (RESULTS / "toy-v2.zip").read_bytes() == before, "a second run is no new attempt"


def test_other_profiles_keep_the_full_level(shell: Shell, two: Path) -> None:
    output = amended(shell, two, SOME, OTHERS, "fresh genes")
    assert "fresh hold-out" in output
    assert "claim.unseen-gene.hold_out" in output
    launched(shell, two)
    found = told(RESULTS / "toy-v3.zip")
    assert (found["level"], found["earlier_attempts"], found["is_fresh"]) == (0.95, [], True)
    assert len(found["openings"]) == 2
    assert "0 earlier attempt(s)" in verified(shell, "toy-v3")
    page = (RESULTS / "dossier-v3.html").read_text()
    assert "fresh genes" in page
    assert "spent, α/2" in page


def forged(change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> str:
    """The second version with another registration, signed with the owner's key."""
    files = dict(read_bundle(RESULTS / "toy-v2.zip"))
    statement = json.loads(files["registration.json"])["statement"]
    change(statement, files)
    files["registration.json"] = canonical_json(sign_statement(statement, signing_key()))
    others = {name: data for name, data in files.items() if not name.startswith("manifest")}
    write_bundle(Path("forged.zip"), others, signing_key())
    return "forged.zip"


def test_attempts_that_were_edited_are_found(shell: Shell, two: Path) -> None:
    def hide(statement: dict[str, Any], files: dict[str, bytes]) -> None:
        mine = statement["attempts"]["unseen-gene"]
        mine |= {"earlier_attempts": [], "is_fresh": True, "levels": [0.95]}

    output = shell("verify", forged(hide), exit_code=3)
    assert "counts 0 earlier attempt(s) at 'unseen-gene'; its splits show 1" in output

    def hide_all(statement: dict[str, Any], files: dict[str, bytes]) -> None:
        hide(statement, files)
        statement["attempts"]["unseen-gene"]["openings"] = []
        for path in [path for path in files if path.startswith("splits/earlier/")]:
            del files[path], statement["splits"][path]

    output = shell("verify", forged(hide_all), exit_code=3)
    assert "its interval is at the level 0.975; registered" in output

    def relabel(statement: dict[str, Any], files: dict[str, bytes]) -> None:
        hide_all(statement, files)
        for path in [p for p in files if p.startswith(("evidence/anchored", "verdicts"))]:
            files[path] = files[path].replace(b'"level":0.975', b'"level":0.95')

    output = verified(shell, "toy-v2", 3, forged(relabel))
    assert "holds another registration of this study than the bundle" in output


def test_an_opening_cut_from_the_ledger_is_found(shell: Shell, two: Path) -> None:
    path = RESULTS / "toy-v2.ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [json.loads(line) for line in lines]
    first = next(n for n, entry in enumerate(whole) if entry["kind"] == "labels_opened")
    path.write_bytes(b"".join(lines[:first] + lines[first + 1 :]))
    assert "TAMPERED" in verified(shell, "toy-v2", 3)

    again = Ledger(Path("again.sqlite"), signing_key())
    for place, entry in enumerate(whole):
        if place != first:
            again.append(entry["kind"], entry["subject"], entry["payload"])
    again.export(path)
    again.export_head(RESULTS / "toy-v2.head.json")
    output = verified(shell, "toy-v2", 3)
    assert re.search("has no entry that the labels of unseen-gene were opened by version", output)


def refusals(path: Path) -> Mapping[str, tuple[str, ...]]:
    return {
        "says the same as version 1": ("amend", str(path), "--reason", "why", "--workspace", "w"),
        "nothing to amend; register": ("amend", str(path), "--reason", "why", "--workspace", "x"),
    }


def test_amending_says_what_is_missing(shell: Shell, toy: Toy) -> None:
    path = toy(n_genes=9, hold_out=SOME)
    shell("register", str(path), "--workspace", "w")
    other = path.read_text().replace('id = "toy"', 'id = "other"')
    Path("other.toml").write_text(other)
    shell("register", "other.toml", "--workspace", "x")
    for message, words in refusals(path).items():
        assert message in shell(*words, exit_code=1)
    text = path.read_text().replace("at_least = 0.3", "at_least = 0.4  # more")
    path.write_text(text)
    assert "has a reason; say why" in shell("amend", str(path), "--workspace", "w", exit_code=1)
    assert path.read_text() == text

    raised = text.replace("seed = 3", "seed = 3\nversion = 2")
    path.write_text(raised)
    assert "amends nothing; expected version 2" in shell(
        "register", str(path), "--workspace", "w", exit_code=1
    )
    path.write_text(text)
    found = json.loads(shell("amend", str(path), "--reason", "why", "--workspace", "w", "--json"))
    assert found["changes"] == [
        {"path": "claim.unseen-gene.gate.0.at_least", "before": 0.3, "after": 0.4}
    ]
    assert "# more" in path.read_text()
    written = path.read_bytes()
    assert not json.loads(shell("amend", str(path), "--workspace", "w", "--json"))["is_edited"]
    assert path.read_bytes() == written
    assert "already" in shell(
        "amend", str(path), "--reason", "another", "--workspace", "w", exit_code=1
    )
    shell("register", str(path), "--workspace", "w")
    path.write_text(text.replace("at_least = 0.4  # more", "at_least = 0.3"))
    assert "before version 2 was registered" in shell(
        "run", str(path), "--workspace", "w", exit_code=1
    )
