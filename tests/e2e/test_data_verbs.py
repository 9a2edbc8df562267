"""``cellula data``: convert, describe and integrate through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from shell import Shell

from cellula.core.dataset import Dataset
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.io.differences import differences
from cellula.io.formats import read
from cellula.validation.integration import integrate

Toy = Callable[..., Path]


def hashes() -> dict[str, bytes]:
    """Every file here with its content, but for the home that libraries keep their caches in."""
    found = (path for path in sorted(Path().rglob("*")) if path.is_file())
    return {str(path): path.read_bytes() for path in found if path.parts[0] != "home"}


# -- convert -----------------------------------------------------------------------------------
@pytest.mark.requirement("S2")
def test_a_file_becomes_a_folder_and_a_file_again(shell: Shell, toy: Toy) -> None:
    toy(n_genes=3)
    shell("data", "convert", "cells.h5ad", "cells.zarr")
    told = json.loads(shell("data", "convert", "cells.zarr", "again.h5ad", "--json"))
    assert told["conversion"]["lost"] == []
    assert differences(read(Path("cells.h5ad")), read(Path("again.h5ad"))) == ()
    assert "170 profiles x 40 readouts" in shell("data", "convert", "again.h5ad", "b.zarr.zip")


def test_a_loss_is_named_and_asked_for(shell: Shell, toy: Toy) -> None:
    toy(n_genes=3)
    before = hashes()
    said = shell("data", "convert", "cells.h5ad", "cells.gct", exit_code=1)
    assert "cannot hold layers counts" in said
    assert "--drop" in said
    assert hashes() == before
    said = shell("data", "convert", "cells.h5ad", "cells.gct", "--drop")
    assert "left out layers counts" in said
    before = hashes()
    assert "--force" in shell("data", "convert", "cells.gct", "cells.h5ad", exit_code=1)
    assert hashes() == before
    shell("data", "convert", "cells.gct", "cells.h5ad", "--force")


def test_a_format_may_be_named(shell: Shell) -> None:
    Path("effect.csv").write_text(",TP53 (7157),KRAS (3845)\nACH-000001,1.5,2\nACH-000002,1,0.25\n")
    shell("data", "convert", "effect.csv", "effect.gct", "--format", "depmap")
    assert read(Path("effect.gct")).shape == (2, 2)  # type: ignore[union-attr]
    assert "no writer" in shell("data", "convert", "effect.gct", "effect.xyz", exit_code=1)
    shell("data", "convert", "effect.gct", "matrix.xyz", "--to", "h5ad")
    assert read(Path("matrix.xyz"), "h5ad").shape == (2, 2)  # type: ignore[union-attr]
    assert "no writer is called 'h5'" in shell(
        "data", "convert", "effect.gct", "m.xyz", "--to", "h5", exit_code=1
    )


@pytest.mark.data
@pytest.mark.requirement("D1", "D11")
@pytest.mark.parametrize(
    ("name", "suffixes"),
    [
        ("singlecell/osmfish_mouse_cortex_33genes.h5ad", [".zarr", ".csv"]),
        ("bulk/LJP009_A375_24H_level4.h5ad", [".gctx"]),
    ],
)
def test_real_files_are_converted(
    shell: Shell, data_dir: Path, name: str, suffixes: list[str]
) -> None:
    source: Any = read(data_dir / name)
    expected = source.X.toarray() if hasattr(source.X, "toarray") else source.X
    for suffix in suffixes:
        shell("data", "convert", str(data_dir / name), f"t{suffix}", "--drop")
        again: Any = read(Path(f"t{suffix}"))
        if isinstance(again, AnnData):
            values = again.X.toarray() if hasattr(again.X, "toarray") else again.X
        else:
            values = again[list(source.var_names)].to_numpy()
        np.testing.assert_array_equal(values, expected)


# -- describe ----------------------------------------------------------------------------------
def test_guesses_say_that_they_are_guesses(shell: Shell, toy: Toy) -> None:
    toy(n_genes=3)
    found = json.loads(shell("data", "describe", "cells.h5ad", "--json"))
    assert found["value_type"].startswith("log1p? ")
    assert found["layers"] == ["counts: counts? whole numbers, none negative"]
    said = shell("data", "describe", "cells.h5ad")
    assert "value_type     log1p? " in said
    shell("data", "convert", "cells.h5ad", "cells.csv", "--drop")
    assert "roles" in shell("data", "describe", "cells.csv")


@pytest.mark.requirement("E19")
def test_training_beside_deployment(shell: Shell, toy: Toy) -> None:
    toy(n_genes=3)
    same = json.loads(shell("data", "describe", "cells.h5ad", "--beside", "cells.h5ad", "--json"))
    assert "alike" in same["auroc"]
    assert len(same["most_different"]) == 10
    assert "most_different" in shell("data", "describe", "cells.h5ad", "--beside", "cells.h5ad")
    shell("data", "convert", "cells.h5ad", "cells.csv", "--drop")
    said = shell("data", "describe", "cells.h5ad", "--beside", "cells.csv", exit_code=1)
    assert "cells.csv is no matrix of profiles" in said


STUDY = """
[study]
id = "fish"
title = "t"
owner = "lab@example.org"
question = "q?"
seed = 1

[context_of_use]
role = "test"
regulatory = false
influence = "low"
consequence = "low"
needs_mechanism = false

[boundary]
species = ["mouse"]
level = "intracellular"

[[data]]
path = "singlecell/osmfish_mouse_cortex_33genes.h5ad"
role = "profiles"
value_type = "counts"
columns = { context = "Region" }

[[model]]
id = "m"
kind = "mean_response"

[[claim]]
id = "c"
kind = "unseen_context"
hold_out = { folds = 3, seed = 1 }
unit = "context"

[[claim.gate]]
metric = "pearson_delta@1"
at_least = 0.3
ci_width_max = 0.8
why = "w"
on_fail = "regularization"
"""


@pytest.mark.data
@pytest.mark.requirement("D1", "E6")
def test_a_study_holds_out_regions_of_a_section(shell: Shell, data_dir: Path) -> None:
    Path("fish.toml").write_text(STUDY)
    said = shell("check", "fish.toml", "--data", str(data_dir), exit_code=None)
    assert "6471 profiles held out in 3 fold(s), unit context (12)" in said
    assert "0 of 12 held-out units in training" in said


# -- integrate ---------------------------------------------------------------------------------
def two_plates(shift: float = 1.2) -> AnnData:
    """Two cell types on two plates that shift everything measured on them."""
    rng = np.random.default_rng(0)
    kind, plate = np.repeat([0, 1], 80), np.tile([0, 1], 80)
    centre = rng.normal(5, 1, (2, 30)) + 2 * np.eye(2)[:, [0] * 15 + [1] * 15]
    values = centre[kind] + shift * rng.random(30) * plate[:, None] + rng.normal(0, 0.5, (160, 30))
    obs = pd.DataFrame({"type": np.array(["T", "B"])[kind], "plate": np.array(["p1", "p2"])[plate]})
    obs.index = [f"c{i}" for i in range(160)]
    return AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(30)]))


def words(method: str, *more: str) -> tuple[str, ...]:
    start = ("data", "integrate", "--data", "t.h5ad", "--value-type", "log2", "--out", "o.h5ad")
    return (*start, "--roles", "batch=plate,context=type", "--method", method, *more)


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("method", ["combat", "harmony"])
def test_batches_are_mixed_and_the_biology_is_told(shell: Shell, method: str) -> None:
    two_plates().write_h5ad("t.h5ad")
    told = json.loads(shell(*words(method, "--seed", "1", "--json")))
    found = told["evidence"]
    assert found["before"]["mixing"] < 0.3 < 0.8 <= found["after"]["mixing"]
    assert found["is_mixed"] is True
    assert found["is_biology_kept"] is True
    assert set(found["after"]["biology"]["context"]) == {"silhouette", "ari"}
    first = anndata.read_h5ad("o.h5ad")
    assert {"batch", "context"} <= set(first.obs)
    said = shell(*words(method, "--seed", "1", "--threads", "2", "--force"))
    assert "exploratory" in said
    assert "mixing of batches" in said
    assert "biology kept" in said
    assert np.array_equal(first.X, anndata.read_h5ad("o.h5ad").X)


def test_what_a_program_computes_is_what_the_command_writes(shell: Shell, tmp_path: Path) -> None:
    data = two_plates()
    data.write_h5ad("t.h5ad")
    shell(*words("combat", "--option", 'covariates=["context"]'))
    data.obs = data.obs.rename(columns={"type": "context", "plate": "batch"})
    own, _ = integrate(
        Dataset(data, ValueType.LOG2),
        "combat",
        {"covariates": ["context"]},
        run_context(0, tmp_path),
    )
    np.testing.assert_array_equal(own.values, anndata.read_h5ad("o.h5ad").X)


@pytest.mark.requirement("D3")
def test_what_cannot_be_integrated_is_refused_and_nothing_is_written(shell: Shell) -> None:
    data = two_plates()
    data.obs["drug"] = ["DMSO" if plate == "p1" else "a" for plate in data.obs["plate"]]
    data.write_h5ad("t.h5ad")
    before = hashes()
    roles = "batch=plate,perturbation=drug,control=DMSO"
    for more, said in (
        (("--roles", roles), "confounded with perturbation"),
        (("--roles", "context=type"), "no role 'batch'"),
        (("--option", "k=3"), "options of transform 'combat' are wrong"),
        (("--out", "o.xyz"), "no writer"),
        (("--out", "t.h5ad"), "--force"),
        (("--method", "combt"), "did you mean combat"),
    ):
        assert said in shell(*words("combat", *more), exit_code=1)
        assert hashes() == before
