"""Growth under drugs: counts in a folder, three kinds of models side by side, one dossier."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shell import Shell

from cellula.models.mechanistic.growth_rates import growth_change
from growth_example import DIVISION, DOSES, PLANTED

SCANS = np.arange(2.0, 80.0, 7.0)
STUDY = """
[study]
id = "toy-growth"
title = "A toy of growth"
owner = "lab@example.org"
question = "Do kinetics tell a dose that was never tried?"
seed = 3
[context_of_use]
role = "test"
regulatory = false
influence = "low"
consequence = "low"
needs_mechanism = true
[boundary]
species = ["human"]
perturbations = ["compound"]
level = "cellular"
[[data]]
path = "screen.thunor"
role = "profiles"
value_type = "log2"
license = "CC-BY-4.0"
dose_unit = "M"
exclude = ["dip_rate_per_h"]
perturbation_kind = "compound"
[data.columns]
perturbation = "drug"
control = "is_control"
context = "cell_line"
dose_molar = "dose_M"
batch = "plate"
[[model]]
id = "kinetics"
kind = "growth_kinetics"
options = { hours = { log2_fold_24h = 24, log2_fold_48h = 48, log2_fold_72h = 72 } }
[[model]]
id = "hybrid"
kind = "neural_ode"
[model.options]
hours = { log2_fold_24h = 24, log2_fold_48h = 48, log2_fold_72h = 72 }
step_h = 24
train = { epochs = 3 }
[[model]]
id = "trees"
kind = "gradient_boosting"
options = { trees = 5 }
[[model]]
id = "interpolation"
kind = "dose_interpolation"
[[claim]]
id = "unseen-dose"
kind = "unseen_dose"
hold_out = { folds = 2, seed = 1 }
unit = "context"
replicate_profiles = 1
[[claim.gate]]
metric = "rmse@1"
at_least = 0.2
ci_width_max = 2.0
why = "a fifth of the way to a replicate"
on_fail = "regularization"
"""


def lay_out(folder: Path) -> None:
    """Counts of two drugs in three lines, two wells each, and untreated ones, from kinetics."""
    rng = np.random.default_rng(0)
    wells: list[tuple[int, str, str, float]] = []
    counts: list[pd.DataFrame] = []
    for line, rate in DIVISION.items():
        for drug, dose in [("", 0.0)] * 12 + [(d, x) for d in PLANTED for x in DOSES] * 2:
            change = np.zeros(len(SCANS))
            if drug:
                log_dose, division = np.log10(dose) + 0 * SCANS, rate + 0 * SCANS
                change = growth_change(PLANTED[drug], log_dose, division, SCANS)
            level = 8.0 + rate * SCANS + change + 0.05 * rng.normal(size=len(SCANS))
            id = 1000 + len(wells)
            wells.append((id, line, drug, dose))
            counts.append(
                pd.DataFrame({"well_id": id, "timepoint_h": SCANS, "cell_count": 2.0**level})
            )
    table = pd.DataFrame(wells, columns=["well_id", "cell_line", "drug", "dose_M"])
    table["well_num"], table["plate"] = table["well_id"] - 1000, "p1"
    every = pd.concat(counts)
    is_control = every["well_id"].isin(table["well_id"][table["drug"] == ""])
    folder.mkdir()
    every[~is_control].to_csv(folder / "assays.csv", index=False)
    names = ["cell_line", "plate", "well_id", "well_num"]
    every[is_control].rename(columns={"cell_count": "value"}).merge(
        table[names], on="well_id"
    ).to_csv(folder / "controls.csv", index=False)
    table[table["drug"] != ""].to_csv(folder / "doses.csv", index=False)


@pytest.mark.requirement("A5", "mechanistic, learned and hybrid models of growth in one dossier")
def test_kinetics_win_where_they_are_the_truth(shell: Shell) -> None:
    lay_out(Path("screen.thunor"))
    Path("study.toml").write_text(STUDY)
    said = shell("run", "study.toml", "--register", exit_code=None)
    assert "toy-growth" in said
    (page,) = Path().rglob("dossier.html")
    text = page.read_text("utf-8")
    for model in ("kinetics", "hybrid", "trees", "interpolation", "replicate"):
        assert model in text
    assert "3 contexts: an interval needs at least 5" in said
    assert re.search(r"anchored_score · unseen-dose · rmse@1 (\.9|1\.)", said)
