"""Bad input to learned models through the command line: an error or a flag, never silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shell import Shell

from cellula.core import registry
from cellula.testing.examples import single_cells

ROLES = "perturbation=perturbation,control=is_control,context=context"
#: One that answers by means and two that move cells; every model is asked in the unit tests.
LEARNED = ("mlp_response", "nb_vae", "flow_matching")


def files() -> None:
    """Cells, features of their genes, and populations that are none."""
    data = single_cells()
    data.data.write_h5ad("cells.h5ad")
    assert data.perturbation_features is not None
    data.perturbation_features.rename_axis("perturbation").reset_index().to_csv(
        "genes.csv", index=False
    )
    is_control = data.is_control
    first = np.asarray(data.obs["context"].astype(str)) == "type0"
    of_type0 = np.flatnonzero(is_control & first)
    data.data[of_type0].copy().write_h5ad("type0.h5ad")
    data.data[of_type0[:5]].copy().write_h5ad("five.h5ad")
    data.data[~is_control].copy().write_h5ad("treated.h5ad")
    data.data[is_control].copy().write_h5ad("controls.h5ad")
    few = np.r_[of_type0[:4], np.flatnonzero(~is_control)[:4]]
    data.data[few].copy().write_h5ad("few.h5ad")


def fitting(name: str, data: str = "cells.h5ad", out: str = "fitted") -> tuple[str, ...]:
    fields = registry.load("model", name).options_type.model_fields
    epochs = {"train": "train.epochs=2", "n_members": "options.train.epochs=2"}
    quick = [word for field, word in epochs.items() if field in fields][:1]
    words = ["fit", "--data", data, "--roles", ROLES, "--model", name, "--out", out]
    words += ["--perturbation-features", "genes.csv"]
    return (*words, *(part for word in quick for part in ("--option", word)))


def flags(shell: Shell, rows: str, *words: str) -> list[bool] | str:
    """Whether each question is in domain, or what the command said when it refused."""
    Path("asked.csv").write_text(rows)
    asked = ("predict", "--fitted", "fitted", "--queries", "asked.csv", "--means", "--force")
    said = shell(*asked, "--out", "told.csv", *words, exit_code=None)
    if "cellula: " in said:
        return said
    told = pd.read_csv("told.csv")
    assert np.isfinite(told["mean"]).all()
    return list(told.groupby(["perturbation", "context"], sort=False)["in_domain"].all())


@pytest.mark.requirement("K11", "L5")
@pytest.mark.parametrize("name", LEARNED)
def test_predict_and_perturb_flag_or_refuse(name: str, shell: Shell) -> None:
    files()
    shell(*fitting(name))
    head, control = "perturbation,context\n", ("--control", "controls.h5ad")
    assert flags(shell, head + "G0,type0\n", *control) == [True]
    for label in ("NOSUCHGENE", "G0+NOSUCHGENE"):
        told = flags(shell, f"{head}{label},type0\n", *control)
        assert told == [False] or "NOSUCHGENE" in told
    told = flags(shell, f"{head}G0,liver\n", *control)
    assert told == [False] or "liver" in told
    unit_less = flags(shell, "perturbation,context,dose\nG0,type0,3\n", *control)
    assert "--dose-unit" in unit_less
    dosed = flags(shell, "perturbation,context,dose_molar\nG0,type0,3\n", *control)
    assert dosed == [False] or "dose" in dosed
    treated = ("--control", "treated.h5ad")
    assert "there is no control" in flags(shell, head + "G0,type0\n", *treated)
    perturb = ("perturb", "--fitted", "fitted", "--perturbation", "G0", "--force", "--json")
    said = shell(*perturb, "--control", "five.h5ad", "--out", "p", exit_code=None)
    assert "cellula: " in said or "fewer than 10" in " ".join(json.loads(said)["cautions"])


@pytest.mark.requirement("K11", "L5")
@pytest.mark.parametrize("name", LEARNED)
def test_fit_refuses_what_teaches_nothing(name: str, shell: Shell) -> None:
    files()
    said = shell(*fitting(name, "controls.h5ad", "one"), exit_code=None)
    assert "cellula: " in said
    assert "control" in said
    said = shell(*fitting(name, "few.h5ad", "two"), exit_code=None)
    assert "cellula: " in said
    assert any(letter.isdigit() for letter in said.partition("cellula: ")[2])
    assert not Path("one").exists()
    assert not Path("two").exists()
