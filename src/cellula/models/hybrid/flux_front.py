"""Flux balance behind a network, which says what can be taken up; the rest is mass balance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.network import Network
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.answer import joined
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.reference import Reference
from cellula.models.hybrid.flux_conditions import FluxConditions, Stops, stops_of
from cellula.models.hybrid.flux_layer import FluxLayer, flux_layer
from cellula.models.hybrid.flux_training import Fitting, Observed, front_bounds, observed
from cellula.models.hybrid.uptake_front import FluxFrontOptions, UptakeFront, Uptakes, uptakes_of
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import Training, fit_then_refit
from cellula.models.learned.blocks.weights import load_weights, weights_of
from cellula.models.mechanistic.flux_problem import (
    FluxProblem,
    flux_problem,
    require_optimal,
    solved,
)
from cellula.models.mechanistic.network_file import NetworkFile

__all__ = ["FittedFluxFront", "FluxFront"]

Floats: TypeAlias = NDArray[np.float64]
#: So many queries are answered at once.
BATCH = 1024


@final
@dataclass(frozen=True, slots=True)
class FluxFront:
    """Assumes that cells are at a steady state which makes an objective best, within uptakes that
    a network tells from the condition.

    The flux v of every reaction maximises w v over S v = 0 within bounds [orth2010]_, and is the
    one of least norm among the best [friedlander2007]_; the greatest uptakes are told by a network
    of concentrations in the medium and other features [faure2023]_, which begins at the bounds of
    plain flux balance and is trained through the program. Deleted genes stop reactions by their
    rules. folder: what relative paths of files start from.
    """

    options: FluxFrontOptions
    folder: Path = Path()

    name: ClassVar[str] = "flux_front"
    options_type: ClassVar[type[Options]] = FluxFrontOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), needs_features=True)
    references: ClassVar[tuple[str, ...]] = ("faure2023", "orth2010", "friedlander2007")

    def within(self, folder: Path) -> Self:
        """See :class:`cellula.core.model.Located`."""
        return FluxFront(self.options, folder)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedFluxFront:
        """Choose epochs on ``valid``, then fit on both.

        Raises DataError on a file that is not there or is another, a readout that is not declared,
        a reaction that the network lacks, a table of features without a concentration, and where
        doses or times differ.
        """
        options = self.options
        missing = [name for name in train.readouts if name not in options.readouts]
        if missing:
            raise DataError(
                f"{len(missing)} readout(s) of the data are not declared: "
                f"{', '.join(missing[:5])}; give options.readouts of each (declared: "
                f"{', '.join(options.readouts)})"
            )
        parts = [train] if valid is None else [train, valid]
        both, seen = observed(parts), observed([train])
        held = None if valid is None else observed([valid])
        path = self.folder / options.network
        file = NetworkFile.of(path, options.network_format, options.network_sha256)
        frame = _Frame.of(options, file)
        frame.check()
        reference = Reference.of(parts)
        untreated = () if reference is None else reference.labels
        uptakes = tuple(options.uptakes)
        told = FluxConditions.of(train, both.queries, uptakes, frame.stops, untreated)
        places = frame.places([options.readouts[name] for name in train.readouts])
        with torch_scope(run, self.name) as scope:
            fit = _Fit(options, frame, told, places, scope)
            front = fit.found(seen, held, both, run)
        domain = FeatureDomain.of(told.encode(both.queries).inputs)
        return FittedFluxFront(
            options, file, frame, told, front, domain, train.readouts, train.value_type
        )

    def restore(self, state: State) -> FittedFluxFront:
        """See :meth:`cellula.core.model.Model.restore`; does not need the file."""
        arrays, meta = state.arrays, state.meta
        file = NetworkFile(meta["network"], meta["format"], arrays["network"].tobytes())
        frame = _Frame.of(self.options, file)
        told = FluxConditions.restore(arrays, meta, frame.stops)
        front = UptakeFront(len(told.names), frame.uptakes, self.options)
        load_weights(front, arrays)
        front.eval()
        domain = FeatureDomain.restore(arrays, meta)
        readouts, kind = tuple(meta["readouts"]), ValueType(meta["value_type"])
        return FittedFluxFront(self.options, file, frame, told, front, domain, readouts, kind)


@final
@dataclass(frozen=True, slots=True)
class FittedFluxFront:
    """file, frame: the network; conditions: how questions become numbers; front: its weights."""

    options: FluxFrontOptions
    file: NetworkFile
    frame: _Frame
    conditions: FluxConditions
    front: UptakeFront
    domain: FeatureDomain
    readouts: tuple[str, ...]
    value_type: ValueType

    @property
    def reactions(self) -> tuple[str, ...]:
        """The reactions of :meth:`fluxes`, in its order."""
        return self.frame.problem.ids

    def fluxes(self, queries: QueryTable, run: RunContext) -> Floats:
        """The flux of every reaction (queries, reactions), in the network's unit of flux.

        S v = 0 and the bounds hold to 1e-9; where no fluxes keep the bounds (what is there does
        not pay for maintenance), a flux that is forced falls short of its bound and the objective
        is 0. Raises NotConverged where that cannot be reached.
        """
        told = self.conditions.encode(queries)
        with torch_scope(run, "flux_front"), torch.no_grad():
            bounds = front_bounds(self.front, self.frame.uptakes, told, slice(None))
            return self.frame.layer.exact(*(side.contiguous().numpy() for side in bounds))

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`.

        Out of domain: a context without features, a perturbation that has none and is no gene or
        reaction of the network, and a condition unlike those of training.
        """
        places = list(self.frame.places([self.options.readouts[name] for name in self.readouts]))
        lowest = 0.0 if self.value_type.is_non_negative else -np.inf
        for batch in queries.batches(BATCH):
            told = self.conditions.encode(batch)
            mean = np.maximum(self.fluxes(batch, run)[:, places], lowest)
            in_domain = told.is_known & self.domain.contains(told.inputs)
            yield Prediction(batch, self.readouts, self.value_type, mean, in_domain)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`: the network's file is part of it."""
        arrays: dict[str, NDArray[Any]] = {
            **weights_of(self.front),
            "network": np.frombuffer(self.file.content, np.uint8),
        }
        meta = {
            "network": self.file.name,
            "format": self.file.format,
            "network_sha256": self.file.sha256,
            "readouts": list(self.readouts),
            "value_type": self.value_type.value,
        }
        return joined(State(arrays, meta), self.conditions.state(), self.domain.state())


@final
@dataclass(frozen=True, slots=True)
class _Frame:
    """What the network's file tells: the program, the layer that solves it, genes, uptakes."""

    problem: FluxProblem
    layer: FluxLayer
    stops: Stops
    uptakes: Uptakes

    @classmethod
    def of(cls, options: FluxFrontOptions, file: NetworkFile) -> _Frame:
        network = file.network
        if not isinstance(network, Network):
            raise DataError(
                f"{file.name} holds a logic network, which has no fluxes; expected SBML with the "
                "package fbc"
            )
        problem = flux_problem(network)
        uptakes = uptakes_of(problem, options)
        return cls(problem, flux_layer(problem), stops_of(network), uptakes)

    def check(self) -> None:
        """Raise EngineError where no steady state keeps the bounds though every nutrient is there,
        or the objective has no bound.
        """
        uptakes = self.uptakes
        everything = torch.from_numpy(uptakes.capacity[None, :])
        none = torch.zeros(1, len(self.problem.ids), dtype=torch.bool)
        lower, upper = (side[0].numpy() for side in uptakes.bounds(everything, none))
        whole = replace(self.problem, lower=lower, upper=upper)
        require_optimal(whole, solved(whole))

    def places(self, reactions: list[str]) -> tuple[int, ...]:
        """Where reactions stand. Raises DataError on one that the network lacks."""
        for id in reactions:
            if id not in self.problem.ids:
                raise DataError(
                    f"a readout names {id!r}, which is no reaction of network {self.problem.id!r}"
                )
        return tuple(self.problem.ids.index(id) for id in reactions)


@final
@dataclass(frozen=True, slots=True)
class _Fit:
    """What both fits of one call share."""

    options: FluxFrontOptions
    frame: _Frame
    told: FluxConditions
    places: tuple[int, ...]
    scope: TorchScope

    def found(
        self, seen: Observed, held: Observed | None, both: Observed, run: RunContext
    ) -> UptakeFront:
        """The front, tuned on what is held out and fitted to all."""
        spread = both.values.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        fitting = Fitting(self.frame.uptakes, self.frame.layer, self.places, spread)
        seed = self.scope.seed % 2**62

        def training(own: Observed, other: Observed | None) -> Training[torch.Tensor]:
            front = UptakeFront(len(self.told.names), self.frame.uptakes, self.options)
            apart = None if other is None else (self.told.encode(other.queries), other.values)
            order = (self.options.train.batch, seed)
            return fitting.training(front, self.told.encode(own.queries), own.values, order, apart)

        tune = None if held is None else lambda: training(seen, held)
        last, _ = fit_then_refit(
            tune, lambda: training(both, None), self.options.train, self.scope, run
        )
        front = last.module
        if not isinstance(front, UptakeFront):
            raise TypeError(f"a front was fitted and {type(front).__name__} came back")
        return front
