"""A PEtab problem with conditions held out: three kinds of models side by side, one dossier."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell import Shell

from petab_example import problem

pytest.importorskip("fides", reason="needs the extra fitting")

AMOUNTS = {f"c{n}": float(n) for n in range(2, 8)}
STUDY = """
[study]
id = "toy-petab"
title = "A toy of conditions"
owner = "lab@example.org"
question = "Does the model tell a condition that it was not fitted on?"
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
level = "molecular"
[[data]]
path = "problem.yaml"
format = "petab_profiles"
role = "profiles"
value_type = "quantity"
license = "CC0-1.0"
perturbation_kind = "compound"
columns = { perturbation = "condition", context = "at" }
exclude = ["a"]
[[data]]
path = "conditions.tsv"
format = "petab_conditions"
role = "perturbation_features"
license = "CC0-1.0"
columns = { perturbation = "condition" }
[[data]]
path = "measurements.tsv"
format = "petab_times"
role = "context_features"
license = "CC0-1.0"
columns = { context = "at" }
[[model]]
id = "mechanism"
kind = "petab_model"
options = { problem = "problem.yaml", starts = 1 }
[[model]]
id = "hybrid"
kind = "petab_residual"
options = { mechanism = { problem = "problem.yaml", starts = 1 } }
[[model]]
id = "process"
kind = "gp"
[[claim]]
id = "unseen-condition"
kind = "unseen_perturbation"
hold_out = { folds = 2, seed = 1 }
unit = "perturbation"
[[claim.gate]]
metric = "rmse@1"
at_least = 0.2
ci_width_max = 2.0
why = "a fifth of the way to a perfect answer"
on_fail = "structural_prior"
"""


@pytest.mark.requirement("K9", "A5")
def test_the_mechanism_wins_where_it_is_the_truth(shell: Shell) -> None:
    problem(Path("data"), amounts=AMOUNTS, noise=0.01)
    Path("study.toml").write_text(STUDY)
    said = shell("run", "study.toml", "--register", "--data", "data", exit_code=None)
    assert "toy-petab" in said
    (page,) = Path().rglob("dossier.html")
    text = page.read_text("utf-8")
    for model in ("mechanism", "hybrid", "process"):
        assert model in text
    assert re.search(r"anchored_score · unseen-condition · rmse@1 (\.9|1\.)", said), said
