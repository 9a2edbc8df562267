"""Growth on two nutrients whose greatest uptakes follow a law that flux balance does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from flux_example import reaction

from cellula.core.dataset import Dataset
from cellula.core.flux import FluxBalance, FluxObjective, Gene
from cellula.core.network import Compartment, Network, Species
from cellula.core.value_type import ValueType
from cellula.io.formats import write

UPTAKES = {"glucose": "EX_g", "acetate": "EX_a"}


def two_nutrients() -> Network:
    """G gives 4 of energy E, A gives 1; biomass takes 2 E; maintenance burns 1 E at least."""
    reactions = (
        reaction("EX_g", {"G": -1}),
        reaction("EX_a", {"A": -1}),
        reaction("glycolysis", {"G": -1, "E": 4}),
        reaction("oxidation", {"A": -1, "E": 1}),
        reaction("maintenance", {"E": -1}),
        reaction("biomass", {"E": -2}),
    )
    bounds = {
        "EX_g": (0.0, 1000.0),
        "EX_a": (0.0, 1000.0),
        "glycolysis": (0.0, 1000.0),
        "oxidation": (0.0, 1000.0),
        "maintenance": (1.0, 1000.0),
        "biomass": (0.0, 1000.0),
    }
    flux = FluxBalance(
        bounds,
        (FluxObjective("growth", {"biomass": 1.0}),),
        "growth",
        (Gene("gly", "gly"), Gene("ox", "ox")),
        {"glycolysis": "gly", "oxidation": "ox"},
    )
    species = tuple(Species(id, "cell") for id in "GAE")
    return Network("two_nutrients", (Compartment("cell"),), species, (), reactions, flux=flux)


def taken_up(glucose: np.ndarray, acetate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What cells take up: saturating, and glucose keeps acetate out."""
    fast = 8.0 * glucose / (1.0 + glucose)
    return fast, 6.0 * acetate / (2.0 + acetate) / (1.0 + glucose)


def growth(n: int = 48, seed: int = 0, noise: float = 0.0) -> Dataset:
    """Growth and uptake of glucose in n media, and without glycolysis in every fourth of them."""
    rng = np.random.default_rng(seed)
    media = np.exp(rng.normal(0.0, 1.0, (n, 2))) * (rng.random((n, 2)) < 0.8)
    is_out = np.arange(n) % 4 == 3
    fast, slow = taken_up(*media.T)
    fast = np.where(is_out, 0.0, fast)
    energy = np.maximum(4 * fast + slow - 1.0, 0.0)
    values = np.column_stack([energy / 2, -fast]) * (1 + noise * rng.normal(size=(n, 2)))
    labels = [f"medium{i:02d}" for i in range(n)]
    obs = pd.DataFrame(
        {
            "context": pd.Categorical(labels),
            "perturbation": pd.Categorical(np.where(is_out, "gly", "wild_type")),
            "is_control": ~is_out,
        },
        index=[f"well{i}" for i in range(n)],
    )
    data = AnnData(values, obs=obs, var=pd.DataFrame(index=["growth", "glucose_flux"]))
    table = pd.DataFrame(media, labels, list(UPTAKES))
    return Dataset(data, ValueType.QUANTITY, context_features=table)


def front_options(folder: Path, **changed: Any) -> dict[str, Any]:
    """Options of the front for these data; the file is written into the folder."""
    path = folder / "two_nutrients.sbml"
    if not path.exists():
        write(two_nutrients(), path)
    given: dict[str, Any] = {
        "network": path,
        "uptakes": UPTAKES,
        "readouts": {"growth": "biomass", "glucose_flux": "EX_g"},
    }
    return given | changed
