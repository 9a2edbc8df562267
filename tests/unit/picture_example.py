"""Two sides of a small screen whose changes are planted, for tests of what is looked at."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.value_type import ValueType
from cellula.evaluation.sides import Side, Sides, sides_of

N_GENES, N_CELLS = 40, 60
#: Perturbation -> how strongly it moves its five genes.
STRENGTH = {"weak": 0.0, "middle": 0.9, "strong": 1.8}


def cells(seed: int, *, controls: bool = True, flip: bool = False, scale: float = 1.0) -> AnnData:
    """Cells of every perturbation; ``flip`` moves the genes the other way."""
    noise = np.random.default_rng(seed)
    labels = ["control"] * (N_CELLS if controls else 0)
    labels += [name for name in STRENGTH for _ in range(N_CELLS)]
    values = noise.normal(3.0, 0.4, (len(labels), N_GENES))
    for row, name in enumerate(labels):
        start = 5 * list(STRENGTH).index(name) if name in STRENGTH else 0
        values[row, start : start + 5] += scale * STRENGTH.get(name, 0.0) * (-1 if flip else 1)
    obs = pd.DataFrame({"perturbation": labels, "context": "line"})
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"c{i}" for i in range(len(obs))]
    names = ["strong", *(f"g{i}" for i in range(1, N_GENES))]
    return AnnData(np.maximum(values, 0.0), obs=obs, var=pd.DataFrame(index=names))


def pair(predicted: AnnData, seed: int = 1) -> Sides:
    return both(cells(seed), predicted)


def both(real: AnnData, predicted: AnnData, kind: ValueType = ValueType.LOG1P) -> Sides:
    real, predicted = (Side(part.obs, part.X, tuple(part.var_names)) for part in (real, predicted))
    return sides_of(real, predicted, kind)
