"""The states or attractors of a logic network, drawn by ``cellula simulate --plot``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from cellula.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from cellula.cli.simulated import Pictures
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network

__all__ = ["with_states"]

#: More states than these are not drawn one by one.
MOST_STATES = 512


def with_states(
    pictures: Pictures | None, network: Network | LogicNetwork, simulator: Any, is_replaced: bool
) -> Pictures | None:
    """The same pictures with ``states.svg`` of a logic network, or, of a large one,
    ``attractors.svg``.

    Steps are those of the simulator: synchronous where its option ``update`` says so. Says why
    states are not drawn, and where attractors cannot be found. Raises DataError where the picture
    is there and may not be replaced.
    """
    from cellula.cli.simulate_request import require_free
    from cellula.core.errors import EngineError
    from cellula.core.logic import LogicNetwork
    from cellula.models.mechanistic.state_graph import n_states, state_graph

    if pictures is None or not isinstance(network, LogicNetwork):
        return pictures
    told = getattr(simulator.options, "update", "asynchronous")
    update: Literal["synchronous", "asynchronous"] = (
        "synchronous" if told == "synchronous" else "asynchronous"
    )
    is_small = n_states(network) <= MOST_STATES
    name = "states.svg" if is_small else "attractors.svg"
    require_free(pictures.folder / name, is_replaced)
    if is_small:
        from cellula.report.state_transitions import state_transitions

        drawn = state_transitions(state_graph(network, update, MOST_STATES), pictures.title)
        return replace(pictures, more={name: drawn})
    TerminalProgress().say(
        f"{network.id} has {n_states(network):,} states, too many to draw (at most "
        f"{MOST_STATES}): its attractors are drawn in their place"
    )
    try:
        return replace(pictures, more={name: _attractors(network, update, pictures.title)})
    except EngineError as error:
        TerminalProgress().say(f"no picture of attractors: {error}")
        return pictures


def _attractors(
    network: LogicNetwork, update: Literal["synchronous", "asynchronous"], title: str
) -> str:
    from cellula.models.mechanistic.attractors import attractors
    from cellula.report.attractor_grid import attractor_grid

    return attractor_grid(attractors(network, update), title)
