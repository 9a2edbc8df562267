"""Small datasets of every shape that a plug-in meets; each has a signal that a model can find.

All are deterministic in ``seed`` and take well under a second together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

__all__ = ["action_potentials", "examples", "ic50_table", "single_cells", "time_courses"]

SPLICE = "+"
STRUCTURES = {
    "dofetilide": "CN(CCOc1ccc(NS(C)(=O)=O)cc1)CCc1ccc(NS(C)(=O)=O)cc1",
    "verapamil": "COc1ccc(CCN(C)CCCC(C#N)(C(C)C)c2ccc(OC)c(OC)c2)cc1OC",
}


def examples() -> Mapping[str, Dataset]:
    """Every example by name."""
    return {
        "ic50_table": ic50_table(),
        "single_cells": single_cells(),
        "time_courses": time_courses(),
        "action_potentials": action_potentials(),
    }


def ic50_table(seed: int = 0, n_contexts: int = 24, n_perturbations: int = 10) -> Dataset:
    """A table of ln IC50 without controls: one readout, one row a pair of line and drug.

    Drug and line effects, one interaction that a binary feature of the line explains, and
    noise; a tenth of the pairs is missing. Context and perturbation features are given.
    """
    rng = np.random.default_rng(seed)
    lines = [f"line{i:03d}" for i in range(n_contexts)]
    drugs = [f"drug{i:03d}" for i in range(n_perturbations)]
    mutated = rng.random((n_contexts, 8)) < 0.4
    targets = rng.normal(size=(n_perturbations, 4))
    effect = 2 * rng.normal(size=n_perturbations) + rng.normal(size=(n_contexts, 1))
    effect = effect - 1.5 * mutated[:, :1] * (targets[:, 0] > 0)
    table = effect + 0.3 * rng.normal(size=effect.shape)
    line, drug = np.nonzero(rng.random(table.shape) < 0.9)
    return _dataset(
        table[line, drug][:, None],
        ["ln_ic50"],
        {"perturbation": np.take(drugs, drug), "context": np.take(lines, line)},
        ValueType.LN_IC50,
        _table(lines, mutated.astype(float), "mutated"),
        _table(drugs, targets, "target"),
    )


def single_cells(seed: int = 0, n_cells: int = 12, n_readouts: int = 8) -> Dataset:
    """Populations of cells with controls: log1p values, their counts in a layer.

    Two contexts, four donors, two batches, five single perturbations and two combinations of
    them; every gene has a perturbation feature of three numbers.
    """
    rng = np.random.default_rng(seed)
    singles = [f"G{i}" for i in range(5)]
    labels = ["control", *singles, "G0+G1", "G1+G2"]
    features = rng.normal(size=(len(singles), 3))
    loadings = 0.6 * rng.normal(size=(3, n_readouts))
    base = rng.uniform(1.0, 3.0, size=(2, n_readouts))
    rows: dict[str, list[Any]] = {"perturbation": [], "context": [], "donor": [], "batch": []}
    rates: list[NDArray[np.float64]] = []
    for label in labels:
        parts = [singles.index(part) for part in label.split(SPLICE) if part != "control"]
        shift = features[parts].sum(axis=0) @ loadings if parts else np.zeros(n_readouts)
        for cell in range(2 * n_cells):
            context = cell % 2
            donor = (cell // 2) % 4
            for name, value in zip(
                rows, (label, f"type{context}", f"donor{donor}", f"batch{donor % 2}"), strict=True
            ):
                rows[name].append(value)
            rates.append(np.exp(base[context] + shift + 0.1 * rng.normal(size=n_readouts)))
    counts = rng.poisson(np.array(rates)).astype(np.float32)
    total = counts.sum(axis=1, keepdims=True)
    data = _dataset(
        np.log1p(counts / np.maximum(total, 1) * 100.0),
        [f"gene{i}" for i in range(n_readouts)],
        {name: np.array(values) for name, values in rows.items()},
        ValueType.LOG1P,
        _table(["type0", "type1"], base, "baseline"),
        _table(singles, features, "go"),
        is_control=np.array(rows["perturbation"]) == "control",
    )
    data.data.layers["counts"] = counts
    return data


def time_courses(seed: int = 0, n_individuals: int = 6) -> Dataset:
    """Concentrations of two species over time, in individuals, at three doses.

    A decays into B at a rate that each individual has its own of; the dose is the initial A.
    """
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.5e-3, 2e-3, n_individuals)
    doses, times = np.array([1e-6, 2e-6, 5e-6]), np.array([0.0, 600.0, 1800.0, 3600.0])
    who, dose, time = (
        part.ravel() for part in np.meshgrid(np.arange(n_individuals), doses, times, indexing="ij")
    )
    left = dose * np.exp(-rate[who] * time)
    values = np.column_stack([left, dose - left])
    names = [f"patient{i}" for i in range(n_individuals)]
    return _dataset(
        values,
        ["A", "B"],
        {
            "perturbation": np.repeat("A_bolus", len(who)),
            "context": np.array([("young", "old")[i % 2] for i in who]),
            "individual": np.take(names, who),
            "dose_molar": dose,
            "time_s": time,
        },
        ValueType.CONCENTRATION,
    )


def action_potentials(seed: int = 0, n_cells: int = 8) -> Dataset:
    """Features of action potentials of cells at rising doses of two compounds, with controls.

    Both compounds have their structures.

    The unit of a readout stands in its name: resting and peak voltage in mV, duration in s.
    """
    rng = np.random.default_rng(seed)
    doses = np.array([0.0, 1e-8, 1e-7, 1e-6])
    compound, dose, cell = (
        part.ravel() for part in np.meshgrid(np.arange(2), doses, np.arange(n_cells), indexing="ij")
    )
    block = dose / (dose + np.array([3e-8, 5e-7])[compound])
    noise = rng.normal(size=(len(cell), 3))
    values = np.column_stack(
        [
            -85.0 + 3.0 * block + 0.5 * noise[:, 0],
            35.0 - 8.0 * block + noise[:, 1],
            0.28 * (1.0 + 0.9 * block) + 0.01 * noise[:, 2],
        ]
    )
    is_control = dose == 0
    return _dataset(
        values,
        ["rest_mv", "peak_mv", "apd90_s"],
        {
            "perturbation": np.where(
                is_control, "vehicle", np.take(["dofetilide", "verapamil"], compound)
            ),
            "context": np.repeat("ventricular", len(cell)),
            "dose_molar": dose,
            "replicate": np.array([f"plate{i % 2}" for i in cell]),
        },
        ValueType.QUANTITY,
        is_control=is_control,
        structures=STRUCTURES,
    )


def _table(rows: list[str], values: NDArray[np.float64], name: str) -> pd.DataFrame:
    return pd.DataFrame(values, rows, [f"{name}{i}" for i in range(values.shape[1])])


def _dataset(
    values: NDArray[np.float64],
    readouts: list[str],
    roles: Mapping[str, NDArray[Any]],
    value_type: ValueType,
    context_features: pd.DataFrame | None = None,
    perturbation_features: pd.DataFrame | None = None,
    *,
    is_control: NDArray[np.bool_] | None = None,
    structures: Mapping[str, str] | None = None,
) -> Dataset:
    index = [f"p{i}" for i in range(len(values))]
    obs = pd.DataFrame(dict(roles), index)
    for name in obs.columns:
        if not pd.api.types.is_numeric_dtype(obs[name]):
            obs[name] = pd.Categorical(obs[name])
    if is_control is not None:
        obs["is_control"] = is_control
    data = AnnData(np.asarray(values, np.float64), obs, pd.DataFrame(index=readouts))
    return Dataset(
        data, value_type, context_features, perturbation_features, structures=structures or {}
    )
