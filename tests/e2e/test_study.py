"""A study through the command line: registered, run, decided, verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from shell import Shell

Toy = Callable[..., Path]


def registered(shell: Shell, study: Path, workspace: str = "w") -> None:
    shell("register", study, "--workspace", workspace)


@pytest.mark.requirement("L2", "L3", "E14", "O2")
def test_a_study_that_holds_passes_and_verifies(shell: Shell, toy: Toy) -> None:
    study = toy()
    shell("check", study)
    registered(shell, study)
    output = shell("run", study, "--workspace", "w")
    assert "✓ passed       anchored_score · unseen-gene" in output
    bundle = "w/studies/toy/toy.zip"
    key = shell.key_home / "config" / "cellula" / "key.pub"
    head, ledger = "w/studies/toy/toy.head.json", "w/studies/toy/toy.ledger.jsonl"
    said = shell("verify", bundle, "--key", key, "--head", head, "--ledger", ledger)
    assert "verdicts follow from the evidence" in said
    page = Path("w/studies/toy/dossier.html").read_text()
    assert "never compliant" not in page
    assert "unseen-gene" in page


@pytest.mark.requirement("L4", "L12")
def test_a_gate_that_fails_is_an_answer(shell: Shell, toy: Toy) -> None:
    study = toy(at_least=0.99)
    registered(shell, study)
    output = shell("run", study, "--workspace", "w", exit_code=2)
    assert "✗ failed" in output
    assert "go back to: regularization" in output


@pytest.mark.requirement("L3")
def test_four_units_are_underpowered_with_the_number_needed(shell: Shell, toy: Toy) -> None:
    study = toy(unit="donor", donor=', donor = "who"')
    registered(shell, study)
    output = shell("run", study, "--workspace", "w", exit_code=5)
    assert "4 donors: an interval needs at least 5" in output


@pytest.mark.requirement("L12", "O2")
def test_two_fresh_workspaces_give_the_same_bytes(shell: Shell, toy: Toy) -> None:
    study = toy()
    for workspace in ("one", "two"):
        registered(shell, study, workspace)
        shell("run", study, "--workspace", workspace)
    first, second = (Path(w, "studies/toy/toy.zip").read_bytes() for w in ("one", "two"))
    assert first == second


def test_threads_do_not_change_a_byte(shell: Shell, toy: Toy) -> None:
    study = toy()
    for workspace, threads in (("one", "1"), ("two", "2")):
        registered(shell, study, workspace)
        shell("run", study, "--workspace", workspace, "--threads", threads)
    first, second = (Path(w, "studies/toy/toy.zip").read_bytes() for w in ("one", "two"))
    assert first == second


@pytest.mark.requirement("L1")
def test_a_leaked_split_fits_nothing_and_opens_no_label(shell: Shell, toy: Toy) -> None:
    import anndata

    study = toy()
    cells = anndata.read_h5ad("cells.h5ad")
    # The same cell under two perturbations: whatever is held out, training has its values.
    rows = [list(cells.obs["gene"]).index(f"G{i}") for i in range(24)]
    cells.X[rows] = cells.X[rows[0]]
    cells.write_h5ad("cells.h5ad")
    registered(shell, study)
    output = shell("run", study, "--workspace", "w", exit_code=2)
    assert "duplicate_profiles" in output
    ledger = Path("w/studies/toy/toy.ledger.jsonl").read_text()
    assert '"labels_opened"' not in ledger
    assert '"fitted"' not in ledger


@pytest.mark.requirement("R6", "L5")
def test_labels_are_not_had_before_registration(shell: Shell, toy: Toy) -> None:
    output = shell("run", toy(), "--workspace", "w", exit_code=1)
    assert "is not registered" in output
    assert not Path("w/studies").exists()


def test_a_study_changed_after_registration_is_refused(shell: Shell, toy: Toy) -> None:
    registered(shell, toy())
    output = shell("run", toy(at_least=0.1), "--workspace", "w", exit_code=1)
    assert "was changed after registration" in output
    output = shell("register", toy(at_least=0.1), "--workspace", "w", exit_code=1)
    assert "cellula amend toy.toml" in output


def test_data_changed_after_registration_are_refused(shell: Shell, toy: Toy) -> None:
    registered(shell, toy())
    output = shell("run", toy(effect=0.7), "--workspace", "w", exit_code=1)
    assert "cells.h5ad" in output


@pytest.mark.requirement("O2")
def test_every_changed_byte_is_found_and_named(shell: Shell, toy: Toy) -> None:
    study = toy()
    registered(shell, study)
    shell("run", study, "--workspace", "w")
    import zipfile

    with zipfile.ZipFile("w/studies/toy/toy.zip") as archive:
        archive.extractall("unpacked")
    files = sorted(path for path in Path("unpacked").rglob("*") if path.is_file())
    assert len(files) > 15
    shell("verify", "unpacked")
    for path in files:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        path.write_bytes(bytes(bad))
        output = shell("verify", "unpacked", exit_code=3)
        assert path.relative_to("unpacked").as_posix() in output
        path.write_bytes(good)


def test_a_verdict_that_does_not_follow_is_found_even_when_signed(shell: Shell, toy: Toy) -> None:
    from cellula.evidence.bundle import MANIFEST, SIGNATURE, read_bundle, write_bundle
    from cellula.evidence.keys import signing_key

    study = toy(at_least=0.99)
    registered(shell, study)
    shell("run", study, "--workspace", "w", exit_code=2)
    files = read_bundle(Path("w/studies/toy/toy.zip"))
    verdicts = json.loads(files["verdicts.json"])
    for verdict in verdicts:
        verdict |= {"outcome": "passed", "feedback": None}
    files["verdicts.json"] = json.dumps(verdicts).encode()
    kept = {name: data for name, data in files.items() if name not in {MANIFEST, SIGNATURE}}
    write_bundle(Path("forged.zip"), kept, signing_key())
    output = shell("verify", "forged.zip", exit_code=3)
    assert "does not follow from the evidence" in output


@pytest.mark.requirement("R5", "E8")
def test_the_numbers_are_those_recomputed_from_the_bundle(shell: Shell, toy: Toy) -> None:
    study = toy()
    registered(shell, study)
    shell("run", study, "--workspace", "w")
    import zipfile

    with zipfile.ZipFile("w/studies/toy/toy.zip") as archive:
        archive.extractall("unpacked")
    root = Path("unpacked")
    truth = pd.read_parquet(root / "truth/unseen-gene.parquet")
    answer = pd.read_parquet(root / "predictions/unseen-gene/linear.parquet")
    both = truth.merge(answer, on=["fold", "perturbation", "context", "unit", "readout"])
    delta = both.assign(x=both["observed"] - both["reference"], y=both["mean"] - both["reference"])
    by_gene = [
        part["x"].corr(part["y"]) for _, part in delta.groupby("perturbation", observed=True)
    ]
    recomputed = sum(by_gene) / len(by_gene)
    table = json.loads((root / "evidence/scores-unseen-gene.json").read_text())["payload"]["rows"]
    (row,) = [r for r in table if (r["model"], r["metric"]) == ("linear", "pearson_delta@1")]
    assert row["value"] == pytest.approx(recomputed, abs=1e-9)
