"""A PEtab problem of one decay under several amounts, and what would be measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay

__all__ = ["AMOUNTS", "TIMES", "TRUE_RATE", "measured", "problem"]

#: A decays into B; y is B, and a is log10(A + 1).
TIMES, AMOUNTS, TRUE_RATE = (0.5, 1.0, 2.0, 4.0), {"low": 2.0, "middle": 5.0, "high": 9.0}, 0.9
YAML = """format_version: 1
parameter_file: parameters.tsv
problems:
- condition_files: [conditions.tsv]
  measurement_files: [measurements.tsv]
  observable_files: [observables.tsv]
  sbml_files: [model.xml]
"""
PARAMETERS = """parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate
k\tlog10\t0.01\t10\t0.5\t1
"""
OBSERVABLES = """observableId\tobservableFormula\tnoiseFormula\tobservableTransformation
y\tobservableParameter1_y * B\tnoiseParameter1_y\tlin
a\tA + 1\t0.05\tlog10
"""
ROW = (
    "observableId\tsimulationConditionId\tmeasurement\ttime\tobservableParameters\tnoiseParameters"
)


def problem(
    folder: Path, more: str = "", amounts: Mapping[str, float] = AMOUNTS, noise: float = 0.0
) -> Path:
    """The problem in a folder, measured; more: rows of measurements; noise: of y and a."""
    folder.mkdir(parents=True, exist_ok=True)
    told = measured(tuple(amounts), amounts)
    drawn = noise * np.random.default_rng(0).standard_normal(told.dense().shape)
    rows = []
    keys = zip(told.obs["perturbation"], told.obs["context"], told.dense() + drawn, strict=True)
    for name, time, (y, a) in keys:
        rows += [f"y\t{name}\t{y:.12g}\t{time}\t1\t0.1", f"a\t{name}\t{10.0**a:.12g}\t{time}\t\t"]
    lines = [f"{name}\t{amount}" for name, amount in amounts.items()]
    files = {
        "problem.yaml": YAML,
        "model.xml": sbml_text(decay()),
        "parameters.tsv": PARAMETERS,
        "observables.tsv": OBSERVABLES,
        "conditions.tsv": "\n".join(["conditionId\tA", *lines]) + "\n",
        "measurements.tsv": "\n".join([ROW, *rows]) + "\n" + more,
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "problem.yaml"


def measured(names: tuple[str, ...], amounts: Mapping[str, float] = AMOUNTS) -> Dataset:
    """Exact values of y and log10 of a: profiles of every name at every time."""
    rows = [(name, time) for name in names for time in TIMES]
    start = np.array([amounts[name] for name, _ in rows])
    left = start * np.array([math.exp(-TRUE_RATE * time) for _, time in rows])
    obs = pd.DataFrame(
        [(name, f"{time:g}") for name, time in rows],
        columns=["perturbation", "context"],
        index=[f"p{i}" for i in range(len(rows))],
    )
    values = np.column_stack([start - left, np.log10(left + 1)])
    data = AnnData(values, obs, pd.DataFrame(index=pd.Index(["y", "a"])))
    return Dataset(data, ValueType.QUANTITY)
