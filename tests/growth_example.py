"""Courses of growth with a planted answer: two drugs in three lines at eight doses."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.models.mechanistic.growth_rates import growth_change

DAYS = np.array([24.0, 48.0, 72.0])
HOURS = {"log2_fold_24h": 24.0, "log2_fold_48h": 48.0, "log2_fold_72h": 72.0}
RATE = "dip_rate_per_h"
#: Doublings per hour of untreated cells.
DIVISION = {"slow": 0.015, "middle": 0.03, "fast": 0.05}
DOSES = 10.0 ** np.linspace(-9.5, -6.0, 8)
#: In the order of growth_rates.PARAMETERS.
PLANTED = {
    "static": np.array([0.9, -8.0, 0.3, -12.0, -6.0, 0.0, -2.0]),
    "toxic": np.array([0.5, -7.5, 0.0, np.log(0.02), -7.0, 0.5, -3.0]),
}


def growth(
    noise: float = 0.0, seed: int = 0, wells: int = 2, bend: float = 0.0, *, has_rate: bool = False
) -> Dataset:
    """The planted courses, log2 of growth.

    bend: doublings that cells under a high dose regain, with the cube of the time: no kinetics of
    ours has it.
    """
    rng = np.random.default_rng(seed)
    hours = np.append(DAYS, np.inf) if has_rate else DAYS
    values: list[NDArray[np.float64]] = []
    rows: list[tuple[str, str, float, bool, str]] = []
    for line, rate in DIVISION.items():
        base = np.where(np.isinf(hours), rate, rate * hours)
        for well in range(6):
            values.append(base)
            rows.append(("control", line, 0.0, True, f"p{well % 2}"))
        for drug, parameters in PLANTED.items():
            for dose in DOSES:
                log_dose = np.full(len(hours), np.log10(dose))
                change = growth_change(parameters, log_dose, np.full(len(hours), rate), hours)
                time = np.where(np.isinf(hours), 0.0, hours / 72.0)
                change = change + bend * time**3 / (1 + (3e-8 / dose))
                for well in range(wells):
                    values.append(base + change)
                    rows.append((drug, line, float(dose), False, f"p{well % 2}"))
    names = ["perturbation", "context", "dose_molar", "is_control", "batch"]
    obs = pd.DataFrame(rows, columns=names, index=[f"w{i}" for i in range(len(rows))])
    for name in ("perturbation", "context", "batch"):
        obs[name] = pd.Categorical(obs[name])
    readouts = [*HOURS, RATE] if has_rate else list(HOURS)
    table = np.array(values) + noise * rng.normal(size=(len(values), len(hours)))
    data = AnnData(table, obs, pd.DataFrame(index=pd.Index(readouts)))
    return Dataset(data, ValueType.LOG2)


def held_out(data: Dataset, dose: float) -> tuple[Dataset, Dataset]:
    """Without one dose, and that dose."""
    is_held = np.isclose(data.obs["dose_molar"].to_numpy(), dose, atol=0)
    return data.take(~is_held), data.take(is_held)
