"""``cellula perturb``: from a fitted folder and control cells to tables, cells and a page."""

from __future__ import annotations

from pathlib import Path

import anndata
import pandas as pd
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
