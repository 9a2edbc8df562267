"""Conditions of growth as numbers: what is in the medium, and which reactions cannot run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.flux import GeneRule
from cellula.core.model import State
from cellula.core.network import Network
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.mechanistic.flux_knock_outs import is_able

__all__ = ["Conditions", "FluxConditions", "Stops", "stops_of"]

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Conditions:
    """inputs: (questions, features) standardised; is_present: (questions, uptakes) whether the
    medium holds it; is_stopped: (questions, reactions) without the gene product that it needs;
    is_known: (questions,) whether every label has a meaning.
    """

    inputs: Floats
    is_present: NDArray[np.bool_]
    is_stopped: NDArray[np.bool_]
    is_known: NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True)
class Stops:
    """Which reactions cannot run without some genes, or are themselves taken out.

    ids: of reactions; genes: id or label -> id; rules: reaction -> what it needs.
    """

    ids: tuple[str, ...]
    genes: Mapping[str, str]
    rules: Mapping[str, str | GeneRule]

    def knows(self, label: str) -> bool:
        """Whether a label is a gene or a reaction of the network."""
        return label in self.genes or label in self.ids

    def stopped(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """(reactions,) which cannot run without these genes and reactions."""
        missing = {self.genes[one] for one in labels if one in self.genes}
        found = np.isin(self.ids, [one for one in labels if one in self.ids])
        if missing:
            for at, id in enumerate(self.ids):
                found[at] |= id in self.rules and not is_able(self.rules[id], missing)
        return found


@final
@dataclass(frozen=True, slots=True)
class FluxConditions:
    """How questions become numbers, fitted on a training set.

    names: features of contexts and perturbations, in one order; contexts, perturbations: label ->
    (features,), 0 where its table lacks a feature. untreated: labels of controls. uptakes: places
    of the concentrations among the features; unit: (features,) by which a concentration is divided
    before ln(1 + x), 0 for what is none; centre, spread: of training.
    """

    names: tuple[str, ...]
    contexts: Mapping[str, Floats]
    perturbations: Mapping[str, Floats]
    untreated: tuple[str, ...]
    uptakes: tuple[int, ...]
    unit: Floats
    centre: Floats
    spread: Floats
    stops: Stops

    @classmethod
    def of(
        cls,
        train: Dataset,
        asked: QueryTable,
        uptakes: Sequence[str],
        stops: Stops,
        untreated: Sequence[str],
    ) -> FluxConditions:
        """From the feature tables of a dataset; asked: the questions of training.

        Raises DataError where the tables lack the concentration of an uptake, or it is negative.
        """
        tables = (train.context_features, train.perturbation_features)
        given = [table for table in tables if table is not None]
        names = tuple(dict.fromkeys(str(name) for table in given for name in table.columns))
        missing = [name for name in uptakes if name not in names]
        if missing:
            raise DataError(
                f"no table of features has the column {missing[0]!r}, the concentration of an "
                f"uptake ({len(missing)} such columns); the data have "
                f"{', '.join(names[:8]) or 'no features'}: give context_features or "
                "perturbation_features"
            )
        contexts, perturbations = (_rows(table, names) for table in tables)
        places = tuple(names.index(name) for name in uptakes)
        zeros, ones = np.zeros(len(names)), np.ones(len(names))
        blank = cls(
            names, contexts, perturbations, tuple(untreated), places, zeros, zeros, ones, stops
        )
        return blank._fitted(asked)

    def encode(self, queries: QueryTable) -> Conditions:
        """Questions as numbers; the features of a context without any are those of the mean."""
        raw, is_known = self._raw(queries)
        labels = [components(str(label)) for label in queries.perturbation.categories]
        stopped = [self.stops.stopped(one) for one in labels]
        held = np.array(stopped, bool).reshape(len(labels), len(self.stops.ids))
        return Conditions(
            (self._scaled(raw) - self.centre) / self.spread,
            raw[:, list(self.uptakes)] > 0.0,
            held[queries.perturbation.codes],
            is_known,
        )

    def state(self) -> State:
        """Arrays and JSON from which :meth:`restore` makes this again."""
        arrays = {
            "context_values": _stacked(self.contexts, len(self.names)),
            "perturbation_values": _stacked(self.perturbations, len(self.names)),
            "unit": self.unit,
            "centre": self.centre,
            "spread": self.spread,
        }
        meta = {
            "feature_names": list(self.names),
            "context_labels": list(self.contexts),
            "perturbation_labels": list(self.perturbations),
            "untreated": list(self.untreated),
            "uptake_places": list(self.uptakes),
        }
        return State(arrays, meta)

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], stops: Stops
    ) -> FluxConditions:
        """The conditions of a state."""
        return cls(
            tuple(meta["feature_names"]),
            dict(zip(meta["context_labels"], arrays["context_values"], strict=True)),
            dict(zip(meta["perturbation_labels"], arrays["perturbation_values"], strict=True)),
            tuple(meta["untreated"]),
            tuple(meta["uptake_places"]),
            arrays["unit"],
            arrays["centre"],
            arrays["spread"],
            stops,
        )

    def _fitted(self, asked: QueryTable) -> FluxConditions:
        raw, _ = self._raw(asked)
        unit = np.zeros(len(self.names))
        for place in self.uptakes:
            if (raw[:, place] < 0).any():
                raise DataError(
                    f"the concentration {self.names[place]!r} is negative in "
                    f"{int((raw[:, place] < 0).sum())} question(s); 0 says that it is absent"
                )
            there = raw[raw[:, place] > 0, place]
            unit[place] = np.median(there) if len(there) else 1.0
        scaled = replace(self, unit=unit)._scaled(raw)
        spread = scaled.std(axis=0)
        does_vary = spread > 1e-12 * (1.0 + np.abs(scaled).max(axis=0, initial=0.0))
        wide = np.where(does_vary, spread, np.inf)
        return replace(self, unit=unit, centre=scaled.mean(axis=0), spread=wide)

    def _scaled(self, raw: Floats) -> Floats:
        """Concentrations as ln(1 + c / unit), the rest as it is."""
        is_amount = self.unit > 0
        share = np.maximum(raw, 0.0) / np.where(is_amount, self.unit, 1.0)
        return np.where(is_amount, np.log1p(share), raw)

    def _raw(self, queries: QueryTable) -> tuple[Floats, NDArray[np.bool_]]:
        """Features of questions, those of context and perturbation added, and whether both are
        known.
        """
        contexts = [self._of_context(str(one)) for one in queries.context.categories]
        treated = [self._of_perturbation(str(one)) for one in queries.perturbation.categories]
        n = len(self.names)
        left = np.array([values for values, _ in contexts], np.float64).reshape(-1, n)
        right = np.array([values for values, _ in treated], np.float64).reshape(-1, n)
        known = (np.array([is_there for _, is_there in side], bool) for side in (contexts, treated))
        codes = queries.context.codes, queries.perturbation.codes
        is_context, is_perturbation = known
        return left[codes[0]] + right[codes[1]], is_context[codes[0]] & is_perturbation[codes[1]]

    def _of_context(self, label: str) -> tuple[Floats, bool]:
        if not self.contexts:
            return np.zeros(len(self.names)), True
        found = self.contexts.get(label)
        if found is None:
            return np.mean(list(self.contexts.values()), axis=0), False
        return found, True

    def _of_perturbation(self, label: str) -> tuple[Floats, bool]:
        total = np.zeros(len(self.names))
        if label in self.untreated:
            return total, True
        parts = components(label)
        for part in parts:
            total = total + self.perturbations.get(part, 0.0)
        is_known = all(part in self.perturbations or self.stops.knows(part) for part in parts)
        return total, is_known


def stops_of(network: Network) -> Stops:
    """The reactions of a network and the genes that they need."""
    flux = network.flux
    genes = {} if flux is None else {one.label: one.id for one in flux.genes if one.label}
    genes |= {} if flux is None else {one.id: one.id for one in flux.genes}
    rules = {} if flux is None else dict(flux.rules)
    return Stops(tuple(one.id for one in network.reactions), genes, rules)


def _rows(table: pd.DataFrame | None, names: Sequence[str]) -> Mapping[str, Floats]:
    if table is None:
        return {}
    wide = table.reindex(columns=list(names), fill_value=0.0).to_numpy(np.float64)
    return dict(zip(map(str, table.index), wide, strict=True))


def _stacked(rows: Mapping[str, Floats], n: int) -> Floats:
    return np.array(list(rows.values()), np.float64).reshape(len(rows), n)
