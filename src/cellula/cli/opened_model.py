"""A model as ``cellula simulate`` opens it: from the cache of models where it was before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cellula.cli.simulate_request import SimulateRequest
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.physics import PhysicsProblem
    from cellula.models.mechanistic.prepared import Prepared

__all__ = ["Cache", "NoCache", "cache_folder", "opened_model", "with_equations"]

Cache = Annotated[
    Path | None, typer.Option("--cache", help="Where prepared models are kept (default: yours).")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Read and prepare the model anew.")]


def cache_folder(given: Path | None) -> Path:
    """Where models are kept."""
    from cellula.models.mechanistic.model_cache import default_folder

    return given or default_folder()


def opened_model(
    asked: SimulateRequest,
) -> tuple[Network | LogicNetwork | PhysicsProblem, Prepared | None]:
    """The model of a file, with its equations where our solver is asked for.

    Raises DataError on a file that holds no mechanistic model.
    """
    from cellula.core.errors import DataError
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.physics import PhysicsProblem
    from cellula.io.formats import read
    from cellula.models.mechanistic.model_cache import ModelCache

    is_ours = asked.engine is None or "ode" in asked.engine.split(",")
    made: Prepared | None = None
    if asked.no_cache or not is_ours:
        found = read(asked.model, asked.format)
    else:
        found, made = ModelCache(cache_folder(asked.cache)).read(asked.model, asked.format)
    if not isinstance(found, Network | LogicNetwork | PhysicsProblem):
        raise DataError(
            f"{asked.model.name} holds {type(found).__name__}, no mechanistic model; expected "
            "SBML, CellML, .net, .bngl, .bnet or .physics.toml"
        )
    return found, made


def with_equations(simulators: dict[str, Any], made: Prepared | None) -> dict[str, Any]:
    """The engines; ours need not prepare the network again."""
    if made is not None and "ode" in simulators:
        simulators["ode"] = simulators["ode"].with_equations(made)
    return simulators
