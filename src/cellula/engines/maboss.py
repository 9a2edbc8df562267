"""MaBoSS [stoll2012]_: Boolean networks in continuous time, many runs of every cell."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, final

import cmaboss
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Apply, Expression, Number, Symbol, rewritten, substituted
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory, logic_network

__all__ = ["MaBoSS", "MaBoSSOptions"]

#: As package registries call it.
PACKAGE = "cmaboss"
SIGNS = {"and": " & ", "or": " | ", "xor": " ^ "}


class MaBoSSOptions(Options):
    """Options of :class:`MaBoSS`."""

    samples: int = Field(default=1000, ge=1)
    """Runs of every cell, of which the shares are told."""
    windows: int = Field(default=10, ge=1)
    """Windows between two times; the smaller a window, the closer to its beginning."""


@final
class MaBoSS:
    """MaBoSS [stoll2012]_ in this process, on one thread, for Boolean networks.

    What is told of a cell is the share of its runs in which a component is on, averaged over the
    window that begins at each time. Times are equally spaced. A dose at the start sets and holds
    a component; a later one, and levels above 1, are refused: the simulator ``logic`` takes them.
    """

    name: ClassVar[str] = "maboss"
    package: ClassVar[str] = PACKAGE
    is_stochastic: ClassVar[bool] = True
    options_type: ClassVar[type[Options]] = MaBoSSOptions
    references: ClassVar[tuple[str, ...]] = ("stoll2012",)

    def __init__(self, options: MaBoSSOptions) -> None:
        self.options = options
        self.version = version(PACKAGE)

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The shares of every cell at ``times``: (cells, times, components), from 0 to 1.

        cells: 0 or 1 at the start, or the share of runs that start at 1. Raises DataError on
        what MaBoSS does not take, EngineError where it refuses the network.
        """
        logic = logic_network(network, self.name)
        tick = _tick(times) / self.options.windows
        held = _held(logic, doses, float(times[0]))
        _check_start(logic, cells)
        names = {id: f"n{place}" for place, id in enumerate(logic.ids)}
        text = _network_text(logic, names, held)
        courses: list[NDArray[np.float64]] = []
        for place in run.progress.track(range(len(cells)), "cells"):
            number = cells.first + place
            own = dict(zip(cells.ids, map(float, cells.values[place]), strict=True)) | held
            seed = int(run.child("cell", number).rng.integers(1, 2**31))
            settings = self._settings(_start_text(logic, names, own), (tick, times, seed))
            courses.append(self._course(text, settings, len(times), number))
        empty = np.empty((0, len(times), len(logic.ids)))
        return Trajectory(logic.ids, times.copy(), np.stack(courses) if courses else empty)

    def _settings(self, start: str, how: tuple[float, NDArray[np.float64], int]) -> str:
        tick, times, seed = how
        span = float(times[-1] - times[0]) + 1.5 * tick
        return (
            f"{start}sample_count = {self.options.samples}; time_tick = {tick!r}; "
            f"max_time = {span!r}; discrete_time = 0; use_physrandgen = 0; "
            f"seed_pseudorandom = {seed}; thread_count = 1;\n"
        )

    def _course(
        self, network: str, settings: str, n_times: int, number: int
    ) -> NDArray[np.float64]:
        try:
            made: Any = cmaboss.MaBoSSSim(network_str=network, config_str=settings)
            shares, _, order, _ = made.run().get_nodes_probtraj()
        except cmaboss.BNException as error:
            raise EngineError(f"MaBoSS {self.version} refuses cell {number}: {error}") from error
        columns = [order.index(f"n{place}") for place in range(len(order))]
        chosen = np.asarray(shares)[:: self.options.windows][:n_times, columns]
        if len(chosen) != n_times:
            raise EngineError(
                f"MaBoSS {self.version} tells {len(chosen)} of {n_times} times of cell {number}"
            )
        return np.asarray(chosen, np.float64)


def _tick(times: NDArray[np.float64]) -> float:
    """The distance of two times. Raises DataError where it is not the same everywhere."""
    gaps = np.diff(times) if times.ndim == 1 else np.array([])
    if not len(gaps) or not np.isfinite(times).all() or gaps[0] <= 0:
        raise DataError(f"times are {times!r}; expected two or more, ascending")
    if not np.allclose(gaps, gaps[0], rtol=1e-6, atol=0):
        raise DataError(
            f"times are {gaps.min():g} to {gaps.max():g} apart; MaBoSS needs them equally spaced"
        )
    return float(gaps[0])


def _held(network: LogicNetwork, doses: Schedule, start: float) -> dict[str, float]:
    """Component -> the level that a dose at the start holds it at."""
    for dose in doses.doses:
        if dose.id not in network.ids:
            raise DataError(f"a dose sets {dose.id!r}, which logic network {network.id!r} lacks")
        if dose.how != "set" or dose.value not in (0, 1) or dose.time != start:
            raise DataError(
                f"the dose of {dose.id!r} ({dose.how} {dose.value:g} at {dose.time:g}) is "
                f"none that MaBoSS takes: set 0 or 1 at the start, {start:g}; take simulator "
                "'logic'"
            )
    return {dose.id: dose.value for dose in doses.doses}


def _check_start(network: LogicNetwork, cells: ParameterTable) -> None:
    for one in network.components:
        if one.max_level > 1:
            raise DataError(
                f"component {one.id!r} has levels up to {one.max_level}; MaBoSS knows 0 and 1; "
                "take simulator 'logic'"
            )
    for id in cells.ids:
        if id not in network.ids:
            raise DataError(f"a cell sets {id!r}, which logic network {network.id!r} lacks")
    if not np.all((cells.values >= 0) & (cells.values <= 1)):
        raise DataError("cells start at levels that are not from 0 to 1")


def _network_text(
    network: LogicNetwork, names: Mapping[str, str], held: Mapping[str, float]
) -> str:
    lines: list[str] = []
    for one in network.components:
        up, down = (0.0, 0.0) if one.id in held else network.rates.get(one.id, (1.0, 1.0))
        target = Symbol(one.id) if one.target is None else one.target
        rule = substituted(target, {id: Symbol(name) for id, name in names.items()})
        lines.append(
            f"Node {names[one.id]} {{ logic = {_rule_text(rule, one.id)}; rate_up = @logic ? "
            f"{up!r} : 0.0; rate_down = @logic ? 0.0 : {down!r}; }}\n"
        )
    return "".join(lines)


def _rule_text(rule: Expression, id: str) -> str:
    """A rule in MaBoSS's words. Raises DataError on what it has none for."""

    def told(node: Expression) -> Expression:
        match node:
            case Number(value):
                return Symbol("1" if value else "0")
            case Apply("not", (Symbol(text),)):
                return Symbol(f"(! {text})")
            case Apply("and" | "or" | "xor" as function, parts) if parts:
                joined = SIGNS[function].join(p.id for p in parts if isinstance(p, Symbol))
                return Symbol(f"({joined})")
            case Symbol():
                return node
        what = node.function if isinstance(node, Apply) else node
        raise DataError(
            f"the rule of {id!r} has {what!r}; MaBoSS takes 'and', 'or', 'xor' and 'not'; take "
            "simulator 'logic'"
        )

    found = rewritten(rule, told)
    return found.id if isinstance(found, Symbol) else str(found)


def _start_text(network: LogicNetwork, names: Mapping[str, str], own: Mapping[str, float]) -> str:
    """The levels at the start: given, the network's, or either with the same chance."""
    lines: list[str] = []
    for one in network.components:
        share = own.get(one.id, 0.5 if one.initial is None else float(one.initial))
        lines.append(f"[{names[one.id]}].istate = {1 - share!r} [0], {share!r} [1];\n")
    return "".join(lines)
