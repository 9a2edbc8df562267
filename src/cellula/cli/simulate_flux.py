"""``cellula simulate`` of a network without kinetics: its fluxes by flux balance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellula.cli.simulate_request import SimulateRequest, require_free

if TYPE_CHECKING:
    import pandas as pd

    from cellula.core.flux import Fluxes
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network

__all__ = ["flux_solvers", "simulate_flux"]

#: The solver where none is named, and how many fluxes are told.
DEFAULT, SHOWN = "highs", 10
#: What the command line may say of a steady state.
OPTIONS = frozenset(
    {"engine", "options", "out", "plot", "format", "cache", "no_cache", "force", "as_json"}
)


def flux_solvers(network: Network | LogicNetwork, engine: str | None) -> tuple[str, ...] | None:
    """The flux solvers that the engine names, or the default one of a network that has bounds and
    no rate; None where simulators are meant. Raises StudyError where both kinds are named.
    """
    from cellula.cli.simulate_words import engine_names
    from cellula.core import registry
    from cellula.core.errors import StudyError
    from cellula.core.network import Network

    if engine is None:
        is_flux = isinstance(network, Network) and network.flux is not None
        has_rates = isinstance(network, Network) and any(r.rate for r in network.reactions)
        return (DEFAULT,) if is_flux and not has_rates else None
    names = engine_names(engine)
    known = registry.names("flux_solver")
    chosen = [name for name in names if name in known]
    if not chosen:
        return None
    if len(chosen) < len(names) or not isinstance(network, Network):
        raise StudyError(
            f"--engine {engine} asks for flux balance ({', '.join(chosen)}) of what is simulated "
            "over time; name solvers of one kind, and for flux balance a network of reactions"
        )
    return names


def simulate_flux(
    network: Network | LogicNetwork, names: tuple[str, ...], asked: SimulateRequest
) -> None:
    """Solve, compare, write and draw. Raises StudyError on an option that a steady state lacks,
    EngineError where there is none, DataError where a file may not be replaced.
    """
    from cellula.cli.terminal import print_json, say
    from cellula.core import registry
    from cellula.core.network import Network
    from cellula.report.flux_map import flux_map

    asked.only(OPTIONS, "flux balance finds a steady state, which has no time and no cells")
    picture = None if asked.plot is None else asked.plot / "flux_map.svg"
    for path in (asked.out, picture):
        if path is not None:
            require_free(path, asked.force)
    if not isinstance(network, Network):
        raise TypeError("a logic network has no fluxes")
    solvers = {
        name: registry.create("flux_solver", name, _options(asked, name == names[0]))
        for name in names
    }
    found = {name: solver.solve(network) for name, solver in solvers.items()}
    for name, one in found.items():
        _require_optimal(network, name, one)
    first = found[names[0]]
    drawn = "" if picture is None else flux_map(network, first, network.id)
    wrote = _written(network, first, asked, drawn)
    apart = {name: _apart(first, found[name]) for name in names[1:]}
    if asked.as_json:
        print_json(_record(asked, solvers, first, apart, wrote))
        return
    running = sorted(first.values.items(), key=lambda pair: -abs(pair[1]))
    n = sum(value != 0 for _, value in running)
    say(f"{names[0]}: objective {first.objective:.6g}, {n} of {len(running)} reactions run")
    for id, value in running[: min(SHOWN, n)]:
        say(f"  {id:<24} {value:.6g}")
    for name, (objective, id, values) in apart.items():
        say(f"{names[0]} and {name}: objectives differ by {objective:.1e}; the fluxes most")
        say(f"  in {id}: {values[0]:.6g} and {values[1]:.6g} (the best need not be unique)")
    for path in wrote:
        say(f"wrote    {path}")


def _require_optimal(network: Network, name: str, found: Fluxes) -> None:
    from cellula.core.errors import EngineError

    if found.status != "optimal":
        why = {
            "infeasible": "no steady state keeps all bounds",
            "unbounded": "the objective can grow without end; bound the uptake of what it takes",
        }[found.status]
        raise EngineError(f"flux balance of {network.id!r} by {name} is {found.status}: {why}")


def _options(asked: SimulateRequest, is_first: bool) -> dict[str, Any]:
    from cellula.cli.pairs import typed_pairs

    return dict(typed_pairs(asked.options, "--option")) if is_first else {}


def _apart(first: Fluxes, other: Fluxes) -> tuple[float, str, tuple[float, float]]:
    """The difference of objectives, and the reaction whose fluxes differ most."""
    id = max(first.values, key=lambda one: abs(first.values[one] - other.values[one]))
    values = first.values[id], other.values[id]
    return abs(first.objective - other.objective), id, values


def _table(network: Network, found: Fluxes) -> pd.DataFrame:
    import pandas as pd

    from cellula.models.mechanistic.flux_problem import flux_problem

    problem = flux_problem(network)
    flux = [found.values[id] for id in problem.ids]
    columns = {"reaction": problem.ids, "flux": flux}
    return pd.DataFrame(columns | {"lower": problem.lower, "upper": problem.upper})


def _written(network: Network, found: Fluxes, asked: SimulateRequest, drawn: str) -> list[Path]:
    from cellula.io.atomic import write_together
    from cellula.io.formats import write

    made: list[Path] = []
    if asked.out is not None:
        write(_table(network, found), asked.out)
        made.append(asked.out)
    if asked.plot is not None:
        made += write_together(asked.plot, {"flux_map.svg": drawn.encode()})
    return made


def _record(
    asked: SimulateRequest,
    solvers: dict[str, Any],
    found: Fluxes,
    apart: dict[str, tuple[float, str, tuple[float, float]]],
    wrote: list[Path],
) -> dict[str, Any]:
    """What was solved, with what: for a program."""
    from importlib.metadata import version

    from cellula.io.digest import hash_source

    return {
        "model": str(asked.model),
        "model_sha256": hash_source(asked.model),
        "engines": {
            name: {
                "options": one.options.model_dump(),
                "version": version(getattr(one, "package", "cellula")),
            }
            for name, one in solvers.items()
        },
        "objective": found.objective,
        "fluxes": {id: value for id, value in found.values.items() if value},
        "divergence": {
            name: {"objective": one[0], "reaction": one[1], "fluxes": list(one[2])}
            for name, one in apart.items()
        },
        "wrote": [str(path) for path in wrote],
    }
