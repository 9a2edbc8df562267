"""A fitted model that is a table: effect of the treatment + offset of the context + interaction.

Most simple models differ in how they find the table and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.model import Attribution, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import Treatments, label_positions

__all__ = ["ExplainedTable", "FittedTable", "ResponseTable"]


@dataclass(frozen=True, slots=True)
class ResponseTable:
    """Effects of treatments in contexts.

    effect: (rows, readouts), a row for every answer of ``treatments.positions``. contexts:
    labels that have an offset or an interaction. offset: (contexts + 1, readouts), the last
    for any other context, or None. interaction, spread: (contexts + 1, rows, readouts), or
    None; spread is the standard deviation of the prediction. is_known: (contexts + 1,)
    whether a context lies in the domain; is_seen: (rows,) whether a treatment does.
    """

    treatments: Treatments
    contexts: tuple[str, ...]
    effect: NDArray[np.float64]
    is_known: NDArray[np.bool_]
    is_seen: NDArray[np.bool_]
    offset: NDArray[np.float64] | None = None
    interaction: NDArray[np.float64] | None = None
    spread: NDArray[np.float64] | None = None

    def effects(self, queries: QueryTable) -> Effects:
        """The effect that every query asks for: (queries, readouts), in units of the values."""
        row = self.treatments.positions(queries)
        place = label_positions(queries.context, self.contexts)
        mean = self.effect[row]
        if self.offset is not None:
            mean += self.offset[place]
        if self.interaction is not None:
            mean += self.interaction[place, row]
        spread = None if self.spread is None else self.spread[place, row]
        return Effects(mean, self.is_known[place] & self.is_seen[row], spread)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        arrays: dict[str, NDArray[Any]] = {
            "effect": self.effect,
            "is_known": self.is_known,
            "is_seen": self.is_seen,
        }
        for name in ("offset", "interaction", "spread"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        return joined(self.treatments.state(), State(arrays, {"contexts": list(self.contexts)}))

    @classmethod
    def restore(cls, state: State) -> ResponseTable:
        """The table of a state."""
        return cls(
            Treatments.restore(state.arrays, state.meta),
            tuple(state.meta["contexts"]),
            state.arrays["effect"],
            state.arrays["is_known"],
            state.arrays["is_seen"],
            state.arrays.get("offset"),
            state.arrays.get("interaction"),
            state.arrays.get("spread"),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedTable:
    """A response table that answers."""

    table: ResponseTable
    answer: Answer

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.table.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        return joined(self.table.state(), self.answer.state())

    @classmethod
    def restore(cls, state: State) -> FittedTable:
        """The fitted table of a state."""
        return cls(ResponseTable.restore(state), Answer.restore(state.arrays, state.meta))


@final
@dataclass(frozen=True, slots=True)
class ExplainedTable:
    """A response table that answers, and knows which features its answers rest on."""

    fitted: FittedTable
    attribution: Attribution

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.fitted.predict(queries, control, run)

    def attribute(self) -> Attribution:
        """See :meth:`cellula.core.model.Explaining.attribute`."""
        return self.attribution

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        told = State(
            {"attribution": self.attribution.values},
            {
                "attribution_rows": list(self.attribution.rows),
                "attribution_features": list(self.attribution.features),
                "attribution_method": self.attribution.method,
            },
        )
        return joined(self.fitted.state(), told)

    @classmethod
    def restore(cls, state: State) -> ExplainedTable:
        """The explained table of a state."""
        attribution = Attribution(
            tuple(state.meta["attribution_rows"]),
            tuple(state.meta["attribution_features"]),
            state.arrays["attribution"],
            str(state.meta["attribution_method"]),
        )
        return cls(FittedTable.restore(state), attribution)
