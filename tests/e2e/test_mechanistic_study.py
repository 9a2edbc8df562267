"""A mechanistic model competes in a study, its files in the folder of the data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from shell import Shell

from cellula.io.formats import write
from mechanistic_example import IC50, planted, signal

STUDY = """
[study]
id = "toy"
title = "A toy"
owner = "lab@example.org"
question = "Does the network beat the mean?"
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
level = "intracellular"
[[data]]
path = "profiles.csv"
role = "profiles"
value_type = "quantity"
license = "CC-BY-4.0"
readouts = ["P_nm"]
dose_unit = "M"
time_unit = "s"

[data.columns]
perturbation = "perturbation"
control = "is_control"
context = "context"
dose_molar = "dose_molar"
time_s = "time_s"
batch = "well"
[[model]]
id = "pathway"
kind = "mechanistic_model"
[model.options]
network = "signal.sbml"
targets = "targets.csv"
readouts = { P_nm = { id = "P" } }
contexts = { low = { R = 1.0 }, high = { R = 2.0 } }
cells = { n = 20, spread = { k = 0.05 } }
[[claim]]
id = "unseen-dose"
kind = "unseen_dose"
hold_out = { fraction = 0.3, seed = 1 }
unit = "batch"
[[claim.gate]]
metric = "rmse@1"
at_least = 0.3
ci_width_max = 1.0
why = "half way to a replicate"
on_fail = "regularization"
"""


def lay_out() -> None:
    """Data, network and table in one folder, the study in another."""
    parts = []
    for seed in range(12):
        data = planted(seed, noise=0.05)
        table = data.obs.astype({"perturbation": str, "context": str})
        parts.append(table.assign(P_nm=data.dense()[:, 0], well=f"w{seed}"))
    Path("data").mkdir()
    Path("study").mkdir()
    pd.concat(parts).to_csv("data/profiles.csv", index=False)
    write(signal(), Path("data/signal.sbml"))
    rows = [f"{name},k,inhibit,{ic50},1e-6" for name, ic50 in IC50.items()]
    head = "perturbation,id,how,ic50_molar,highest_dose_molar"
    Path("data/targets.csv").write_text("\n".join([head, *rows, ""]))
    Path("study/study.toml").write_text(STUDY)


@pytest.mark.requirement("A5", "a network predicts unseen doses in a study, judged by its gates")
def test_a_network_wins_a_claim_of_unseen_doses(shell: Shell) -> None:
    lay_out()
    said = shell("run", "study/study.toml", "--data", "data", "--register")
    assert "tier T1 reached" in said
    assert "anchored_score · unseen-dose · rmse@1 .9" in said


#: The same model, with the highest dose tuned inside training: a model that is made of it.
TUNED = STUDY.replace(
    'kind = "mechanistic_model"\n[model.options]\n',
    'kind = "tuned"\n[model.options]\nmodel = "mechanistic_model"\n[model.options.options]\n',
)


@pytest.mark.parametrize("text", [STUDY, TUNED])
def test_a_file_of_a_model_is_registered_as_the_data_are(shell: Shell, text: str) -> None:
    assert "tuned" in TUNED
    lay_out()
    Path("study/study.toml").write_text(text)
    shell("register", "study/study.toml", "--data", "data")
    table = Path("data/targets.csv")
    table.write_text(table.read_text().replace(",1e-6", ",2e-6"))
    said = shell("run", "study/study.toml", "--data", "data", exit_code=1)
    assert "targets.csv: not the file that was registered" in said
    table.unlink()
    said = shell("check", "study/study.toml", "--data", "data", exit_code=1)
    assert "'pathway' names data/targets.csv, and there is no such file" in said
