"""``cellula perturb``: from a fitted folder and control cells to tables, cells and a page."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from shell import Shell

from cellula.testing.examples import single_cells

ROLES = "perturbation=perturbation,control=is_control,context=context"


def test_one_call_writes_all_and_refuses_to_overwrite(shell: Shell) -> None:
    data = single_cells()
    data.data.write_h5ad("cells.h5ad")
    Path("sets.gmt").write_text("low\t\tgene0\tgene1\tgene2\nhigh\t\tgene3\tgene4\n")
    shell("fit", "--data", "cells.h5ad", "--roles", ROLES, "--model", "mean_response",
          "--out", "fitted")  # fmt: skip
    words = ("perturb", "--fitted", "fitted", "--control", "cells.h5ad", "--gene-sets", "sets.gmt")
    asked = (*words, "--perturbation", "G0+G1", "--out", "done")
    assert "2 contexts" in shell(*asked, exit_code=1)
    told = shell(*asked, "--context", "type1")
    assert "exploratory (T0)" in told
    names = {item.name for item in Path("done").iterdir()}
    assert names == {"genes.csv", "gene_sets.csv", "predicted.h5ad", "report.html"}
    assert list(pd.read_csv("done/gene_sets.csv")["set"].sort_values()) == ["high", "low"]
    assert anndata.read_h5ad("done/predicted.h5ad").n_obs > 1
    first = Path("done/report.html").read_bytes()
    assert "--force" in shell(*asked, "--context", "type1", exit_code=1)
    shell(*asked, "--context", "type1", "--force")
    assert Path("done/report.html").read_bytes() == first
    assert "no cell" in shell(*asked, "--context", "liver", "--force", exit_code=1)


@pytest.mark.requirement("E10", "E11")
def test_intervals_that_fit_calibrates_are_those_of_predict_and_perturb(shell: Shell) -> None:
    """Split by pairs, for the example has 14; the model's own spread is not what is told."""
    single_cells().data.write_h5ad("cells.h5ad")
    fit = ("fit", "--data", "cells.h5ad", "--roles", ROLES, "--model", "mean_response")
    told = shell(*fit, "--out", "f", "--intervals", "adaptive_conformal", "--interval-option",
                 "level=0.8", "--intervals-for", "unseen_pair", "--unit", "perturbation",
                 "--decline", "0.3")  # fmt: skip
    assert "adaptive_conformal on 7 perturbations" in told
    card = json.loads(Path("f/model.json").read_text())["intervals"]
    assert card["abstain"] == {"by": "estimated", "share": 0.3}
    Path("q.csv").write_text("perturbation,context\nG0,type0\n")
    shell("predict", "--fitted", "f", "--queries", "q.csv", "--out", "p.csv", "--means")
    rows = pd.read_csv("p.csv")
    assert (rows["lower"] < rows["mean"]).all()
    assert (rows["mean"] < rows["upper"]).all()
    words = ("perturb", "--fitted", "f", "--perturbation", "G0", "--context", "type0")
    shell(*words, "--control", "cells.h5ad", "--out", "done")
    genes = pd.read_csv("done/genes.csv").set_index("gene")
    width = (genes["upper"] - genes["lower"]).sort_index()
    wanted = (rows["upper"] - rows["lower"]).set_axis(rows["readout"]).sort_index()
    assert np.allclose(width, wanted)


def test_intervals_that_cannot_be_are_refused(shell: Shell) -> None:
    single_cells().data.write_h5ad("cells.h5ad")
    fit = ("fit", "--data", "cells.h5ad", "--roles", ROLES, "--model", "mean_response")
    few = shell(*fit, "--out", "few", "--intervals", "split_conformal")
    assert "an interval of 90% needs 9" in few
    wrong = {
        ("--intervals", "split_komformal"): "did you mean split_conformal",
        ("--intervals", "abstention"): "makes no intervals",
        ("--decline", "0.2"): "need --intervals METHOD",
        ("--intervals", "cv_plus", "--intervals-for", "moon"): "'moon' is no claim kind",
        ("--intervals", "cv_plus", "--unit", "cell"): "'cell' is no unit of replication",
    }
    for words, reason in wrong.items():
        assert reason in shell(*fit, "--out", "f", *words, exit_code=1)
        assert not Path("f").exists()
