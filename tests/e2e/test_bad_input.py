"""Bad input through the command line: a clear error, exit code 1, and nothing written."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from anndata import AnnData
from shell import Shell
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.canonical import hash_bytes

Toy = Callable[..., Path]


def listing() -> dict[str, str]:
    """Every file and folder here (home included), with the hash of its content."""
    return {
        path.as_posix(): hash_bytes(path.read_bytes()) if path.is_file() else ""
        for path in sorted(Path().rglob("*"))
    }


def refused(shell: Shell, *words: object) -> str:
    """What is said when a command is refused; it must have written nothing."""
    before = listing()
    output = shell(*map(str, words), exit_code=1)
    assert listing() == before, "something was written"
    assert "cellula: " in output
    assert "Traceback" not in output
    return output.partition("cellula: ")[2]


def refused_study(shell: Shell, study: Path) -> str:
    """What ``check``, ``register`` and ``run`` say alike of a study that cannot be used."""
    said = {
        refused(shell, "check", study),
        refused(shell, "register", study, "--workspace", "w"),
        refused(shell, "run", study, "--workspace", "w"),
    }
    assert len(said) == 1, said
    return said.pop()


def edited(study: Path, old: str, new: str) -> Path:
    """The study file with one passage replaced."""
    text = study.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    study.write_text(text.replace(old, new))
    return study


def change_cells(change: Callable[[AnnData], object]) -> None:
    """Read the cells, change them, write them back."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* names are not unique")
        cells = anndata.read_h5ad("cells.h5ad")
        change(cells)
        cells.write_h5ad("cells.h5ad")


# -- data -------------------------------------------------------------------------------------
def test_a_missing_column_is_named_with_its_neighbours(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, edited(toy(), 'context = "line"', 'context = "lime"'))
    assert "cells.h5ad has no column 'lime'" in said
    assert "did you mean line?" in said


def test_a_missing_feature_column_is_named(shell: Shell, toy: Toy) -> None:
    study = edited(toy(), 'columns = { perturbation = "gene" }', 'columns = { perturbation = "G" }')
    said = refused_study(shell, study)
    assert "features.csv has no column 'G'" in said
    assert "it has gene, f1, f2, f3" in said


def test_no_value_in_a_role_is_placed_in_its_row(shell: Shell, toy: Toy) -> None:
    study = toy()

    def blank(cells: AnnData) -> None:
        labels = cells.obs["line"].astype(object)
        labels.iloc[[7, 9]] = np.nan
        cells.obs["line"] = labels.astype("category")

    change_cells(blank)
    said = refused_study(shell, study)
    assert "cells.h5ad: column 'line' has no value in row cell7 (and 1 other rows)" in said
    assert "fill the values or keep only rows that have one" in said


def test_a_gene_that_occurs_twice_is_named(shell: Shell, toy: Toy) -> None:
    study = toy()

    def double(cells: AnnData) -> None:
        cells.var_names = ["R0", "R0", *cells.var_names[2:]]

    change_cells(double)
    said = refused_study(shell, study)
    assert "cells.h5ad: 1 readout name(s) occur more than once: R0" in said
    assert "make them unique or merge the readouts" in said


def test_counts_declared_log1p_are_recognised(shell: Shell, toy: Toy) -> None:
    study = toy()

    def raw(cells: AnnData) -> None:
        cells.X = cells.layers["counts"]

    change_cells(raw)
    said = refused_study(shell, study)
    assert "value type 'log1p' but the matrix holds integers" in said
    assert "declare value_type = 'counts' or normalise and take log1p first" in said


def test_log1p_declared_counts_is_placed(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, edited(toy(), 'value_type = "log1p"', 'value_type = "counts"'))
    assert "value type 'counts' but a value is not an integer in row 0 ('cell0')" in said
    assert "declare value_type = 'log1p'" in said


def test_a_value_that_is_not_finite_is_placed(shell: Shell, toy: Toy) -> None:
    study = toy()

    def spoil(cells: AnnData) -> None:
        cells.X[3, 5] = np.nan

    change_cells(spoil)
    said = refused_study(shell, study)
    assert "not finite in row 3 ('cell3'), column 'R5'; drop or impute it" in said


def test_controls_that_are_not_there_are_asked_for(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, edited(toy(), 'control = "control"', 'control = "contrl"'))
    assert "control = 'contrl' is neither a true/false column nor a label" in said
    assert "labels near it: control" in said


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_h5ad_is_damaged(shell: Shell, toy: Toy, share: float) -> None:
    study = toy()
    whole = Path("cells.h5ad").read_bytes()
    Path("cells.h5ad").write_bytes(whole[: int(share * len(whole))])
    said = refused_study(shell, study)
    assert "cells.h5ad" in said
    assert "is damaged, cut short or not an h5ad file" in said
    assert "fetch or copy the file again" in said


def test_another_file_than_the_study_expects_is_refused(shell: Shell, toy: Toy) -> None:
    study = toy()
    found = hash_bytes(Path("cells.h5ad").read_bytes())
    wanted = "0" * 64
    edited(study, 'path = "cells.h5ad"', f'path = "cells.h5ad"\nsha256 = "{wanted}"')
    said = refused_study(shell, study)
    assert f"cells.h5ad has SHA-256 {found}, the study expects {wanted}" in said
    assert "get the right one or, if the change is meant, write the new hash" in said
    edited(study, wanted, found)
    shell("check", study)


def test_a_file_that_is_not_there_is_named(shell: Shell, toy: Toy) -> None:
    study = toy()
    Path("features.csv").unlink()
    said = refused_study(shell, study)
    assert "features.csv: no such file" in said
    assert "check path" in said


def test_a_label_without_features_is_named(shell: Shell, toy: Toy) -> None:
    study = toy()
    lines = Path("features.csv").read_text().splitlines()
    Path("features.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert "G23" in refused_study(shell, study)


def test_a_source_that_was_not_fetched_names_the_command(shell: Shell, toy: Toy) -> None:
    study = edited(toy(), 'path = "features.csv"', 'catalogue = "gdsc"\npath = "DRUG_DECODE.csv"')
    for verb in (("check",), ("register", "--workspace", "w"), ("run", "--workspace", "w")):
        said = refused(shell, verb[0], study, *verb[1:], "--cache", "empty")
        assert "gdsc is not in the cache; get it with: cellula data get gdsc" in said
    edited(study, 'path = "DRUG_DECODE.csv"', 'path = "DRUGS.csv"')
    assert "gdsc has no file 'DRUGS.csv'; it has DRUG_DECODE.csv" in refused_study(shell, study)


# -- study file -------------------------------------------------------------------------------
@pytest.mark.requirement("L5")
def test_every_mistake_of_a_study_is_listed_with_its_path(shell: Shell, toy: Toy) -> None:
    study = toy(at_least='"much"', width=-1)
    edited(study, 'owner = "lab@example.org"\n', 'onwer = "lab@example.org"\n')
    edited(study, 'kind = "unseen_perturbation"', 'kind = "unseen_planet"')
    edited(study, 'license = "CC-BY-4.0"', 'licence = "CC-BY-4.0"')
    said = refused_study(shell, study)
    head, *lines = said.strip().splitlines()
    assert head == "toy.toml has 6 mistake(s):"
    assert [line.strip().split(": ")[0] for line in lines] == [
        "claim.0.gate.0.at_least",
        "claim.0.gate.0.ci_width_max",
        "claim.0.kind",
        "data.0.licence",
        "study.onwer",
        "study.owner",
    ]
    assert "  study.onwer: unknown key" in lines
    assert "  study.owner: missing" in lines
    assert "  data.0.licence: unknown key" in lines


@pytest.mark.parametrize(
    ("hold_out", "mistakes"),
    [
        ('"all"', ['expected "each", a list of names, { fraction, seed } or { folds, seed }']),
        ("{ fraction = 6 }", ["hold_out.fraction: Input should be less than 1", "seed: missing"]),
        ("{ folds = 6, sed = 1 }", ["hold_out.sed: unknown key", "hold_out.seed: missing"]),
        ("[]", ["at least 1"]),
    ],
)
def test_a_wrong_hold_out_is_told_in_its_own_form(
    shell: Shell, toy: Toy, hold_out: str, mistakes: list[str]
) -> None:
    said = refused_study(shell, toy(hold_out=hold_out))
    assert f"has {len(mistakes)} mistake(s)" in said
    assert all(mistake in said for mistake in mistakes)
    assert said.count("claim.0.hold_out") == len(mistakes)


def test_a_study_file_that_is_no_toml_names_the_line(shell: Shell, toy: Toy) -> None:
    study = toy()
    study.write_text(study.read_text() + "\n[[claim.gate]\n")
    said = refused_study(shell, study)
    assert "toy.toml cannot be read" in said
    assert "line" in said


def test_a_study_file_of_another_kind_says_which_are_read(shell: Shell, toy: Toy) -> None:
    other = toy().rename("toy.json")
    assert "ends in '.json'; a study file ends in .toml or .yaml" in refused_study(shell, other)
    Path("list.yaml").write_text("- study\n")
    assert "holds list; expected tables" in refused_study(shell, Path("list.yaml"))
    assert "`cellula init` writes one" in refused_study(shell, Path("none.toml"))


def test_unknown_plugins_and_options_are_listed_at_once(shell: Shell, toy: Toy) -> None:
    study = toy()
    edited(
        study,
        'kind = "bilinear_ridge"\n',
        'kind = "bilinear_ridge"\noptions = { rank = 0, depth = 3 }\n\n'
        '[[model]]\nid = "other"\nkind = "bilinear_rige"\n',
    )
    edited(study, 'metric = "pearson_delta@1"', 'metric = "pearson_delta@9"')
    said = refused_study(shell, study)
    assert "model.0.options: rank: Input should be greater than or equal to 1 (found 0)" in said
    assert "model.0.options: depth: Extra inputs are not permitted (found 3)" in said
    assert "model.1.kind: no model is called 'bilinear_rige'; did you mean bilinear_ridge" in said
    assert "claim.0.gate.0.metric: the study asks for pearson_delta@9" in said
    assert "pearson_delta@1 is registered" in said


def test_an_unknown_metric_names_its_neighbours(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, toy(metric="pearson_delt@1"))
    assert "claim.0.gate.0.metric: no metric is called 'pearson_delt'" in said
    assert "did you mean pearson_delta" in said


def test_a_claim_that_names_a_model_without_an_answer_is_refused(shell: Shell, toy: Toy) -> None:
    study = toy()
    edited(
        study,
        '[[claim]]\nid = "unseen-gene"\n',
        '[[model]]\nid = "pairs"\nkind = "pair_completion"\n\n'
        '[[claim]]\nid = "unseen-gene"\nmodels = ["linear", "pairs"]\n',
    )
    said = refused_study(shell, study)
    assert "claim 'unseen-gene' names 'pairs', but it has no answer" in said
    assert "unseen_perturbation" in said


def test_hold_outs_that_are_not_there_are_named(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, toy(hold_out='["G3", "G99", "G100"]'))
    assert "hold_out names G99, G100, which is no perturbation of the data" in said
    assert "there are: G0, G1" in said


def test_more_folds_than_labels_are_refused(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, toy(hold_out="{ folds = 99, seed = 1 }"))
    assert "99 folds of 24 perturbations: ask for fewer folds" in said


def test_a_unit_that_the_data_do_not_have_is_refused(shell: Shell, toy: Toy) -> None:
    said = refused_study(shell, toy(unit="donor"))
    assert "the data have no role 'donor'" in said
    assert "name its column in the study: columns = { donor = ... }" in said


# -- order of the life of a study -------------------------------------------------------------
@pytest.mark.requirement("R6", "L5")
def test_labels_are_not_had_before_registration(shell: Shell, toy: Toy) -> None:
    said = refused(shell, "run", toy(), "--workspace", "w")
    assert "is not registered" in said
    assert "register the study first (cellula register FILE)" in said


def test_a_dossier_needs_a_run(shell: Shell, toy: Toy) -> None:
    said = refused(shell, "dossier", toy(), "--workspace", "w")
    assert "toy has no bundle" in said
    assert "run it first: cellula run" in said


def test_only_a_bundle_can_be_verified(shell: Shell, toy: Toy) -> None:
    toy()
    refused(shell, "verify", "none.zip")


def test_the_process_ends_with_one_message_and_code_1(shell: Shell, toy: Toy) -> None:
    study = edited(toy(), 'role = "test"', 'roll = "test"')
    before = listing()
    done = subprocess.run(
        [sys.executable, "-c", "from cellula.cli import main; main()", "register", study],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("cellula: toy.toml has 2 mistake(s):\n")
    assert "Traceback" not in done.stderr
    assert listing() == before


# -- init -------------------------------------------------------------------------------------
ANSWERS = {
    "role": "prioritise targets",
    "regulatory": "n",
    "influence": "enormous",  # none of the choices: asked again
    "influence again": "medium",
    "consequence": "low",
    "needs_mechanism": "n",
    "purpose": "methods",
    "commercial": "n",
    "country": "Germany",  # no code: asked again
    "country again": "DE",
    "question": 'Is "G1" like G2?',
    "title": "A toy",
    "id": "",
    "owner": "lab@example.org",
    "species": "human",
    "perturbation": "activation",
    "path": "cells.h5ad",
    "license": "my own",  # no SPDX: asked again
    "license again": "CC-BY-4.0",
    "value_type": "log1p",
    "kind": "unseen_perturbation",
    "perturbation column": "gene",
    "control": "control",
    "context": "line",
}


def interview(answers: dict[str, Any]) -> str:
    typed = "".join(f"{answer}\n" for answer in answers.values())
    result = CliRunner().invoke(app, ["init", "mine.toml"], input=typed)
    assert result.exit_code == 0, result.output
    return result.output


def test_init_writes_a_file_that_check_accepts(shell: Shell, toy: Toy) -> None:
    toy()
    said = interview(ANSWERS)
    assert said.index("Role of the answer") < said.index("The question")
    assert "'enormous' is none of them" in said
    assert "next: cellula check mine.toml" in said
    study = tomllib.loads(Path("mine.toml").read_text())
    assert study["study"]["id"] == "mine"
    assert study["study"]["question"] == 'Is "G1" like G2?'
    assert study["context_of_use"]["influence"] == "medium"
    assert study["governance"]["use"] == {
        "purpose": "methods",
        "is_commercial": False,
        "country": "DE",
    }
    assert study["data"][0]["license"] == "CC-BY-4.0"
    assert "5 fold(s)" in shell("check", "mine.toml")
    Path("cells.h5ad").unlink()
    assert "cells.h5ad: no such file" in refused_study(shell, Path("mine.toml"))


def test_init_never_overwrites_and_asks_nothing_then(shell: Shell) -> None:
    Path("mine.toml").write_text("mine")
    said = refused(shell, "init", "mine.toml")
    assert "mine.toml is there already; give another name" in said
    assert Path("mine.toml").read_text() == "mine"


def test_init_that_is_broken_off_writes_nothing(shell: Shell) -> None:
    before = listing()
    result = CliRunner().invoke(app, ["init", "mine.toml"], input="a role\ny\n")
    assert result.exit_code == 1
    assert listing() == before
