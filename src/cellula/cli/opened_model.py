"""A model as ``cellula simulate`` opens it: from the cache of models where it was before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
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
    model: Path, format: str | None, engines: str | None, cache: Path | None
) -> tuple[Network | LogicNetwork, Prepared | None]:
    """The network of a file, with its equations where our solver is asked for.

    cache: None for none. Raises DataError on a file that holds no mechanistic model.
    """
    from cellula.core.errors import DataError
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.io.formats import read
    from cellula.models.mechanistic.model_cache import ModelCache

    is_ours = engines is None or "ode" in engines.split(",")
    made: Prepared | None = None
    if cache is None or not is_ours:
        found = read(model, format)
    else:
        found, made = ModelCache(cache).read(model, format)
    if not isinstance(found, Network | LogicNetwork):
        raise DataError(
            f"{model.name} holds {type(found).__name__}, no mechanistic model; expected SBML, "
            "CellML, .net, .bngl or .bnet"
        )
    return found, made


def with_equations(simulators: dict[str, Any], made: Prepared | None) -> dict[str, Any]:
    """The engines; ours need not prepare the network again."""
    if made is not None and "ode" in simulators:
        simulators["ode"] = simulators["ode"].with_equations(made)
    return simulators
