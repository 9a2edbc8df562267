"""Every registered model keeps the rules of its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.run import RunContext
from cellula.testing import ModelConformance
from mechanistic_example import decay_options, petab_options, uptake_options

#: Models of growth courses, and what else they are told.
GROWTH: dict[str, dict[str, Any]] = {
    "growth_kinetics": {},
    "neural_ode": {"train": {"epochs": 2}, "width": 4},
}


def quick(name: str, folder: Path) -> dict[str, Any]:
    """Options under which a network trains for a moment; what it learns is not asked here.

    A mechanistic model is what its file says: it gets the file of a network of two species. One of
    growth is told when its readouts were taken.
    """
    if name == "mechanistic_model":
        return decay_options(folder)
    if name in GROWTH:
        return {"hours": {"rest_mv": 12, "peak_mv": 48}, "rates": ["apd90_s"], **GROWTH[name]}
    if name == "petab_model":
        return petab_options(folder)
    if name == "petab_residual":
        return {"mechanism": petab_options(folder)}
    if name == "flux_front":
        return uptake_options(folder)
    fields = registry.load("model", name).options_type.model_fields
    if "n_members" in fields:
        return {"n_members": 2, "options": quick(fields["model"].default, folder)}
    small: dict[str, Any] = {"train": {"epochs": 2}, "sets": 4, "steps": 2}
    return {key: value for key, value in small.items() if "train" in fields and key in fields}


@pytest.mark.requirement("K11")
@pytest.mark.parametrize("name", registry.names("model"))
def test_model(name: str, run: RunContext) -> None:
    try:
        plugin = registry.load("model", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    ModelConformance(plugin, quick(name, run.scratch)).check(run)
