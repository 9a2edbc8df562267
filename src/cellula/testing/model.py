"""The rules of :class:`~cellula.core.model.Model`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Fitted, Model, Options
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.testing.examples import examples
from cellula.testing.rule import NotConformant, Rules, refuses

__all__ = ["ModelConformance"]

#: Two batches may sum in another order; anything above this is a dependence on the batch.
RTOL, ATOL = 1e-9, 1e-12
SEED = 7


@final
@dataclass(frozen=True, slots=True)
class ModelConformance:
    """Every rule that a model keeps, on example datasets of several shapes.

    plugin: the class. options: by name, where its defaults do not do. data: datasets by name;
    the default is one of every shape. A model may refuse a shape with a DataError, but must
    accept one at least.
    """

    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Dataset] = field(default_factory=examples)

    def check(self, run: RunContext) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        accepted = 0
        for name, data in self.data.items():
            probe = data.take(np.ones(data.n_profiles, bool))  # a copy: a fit may change it
            if refuses(lambda probe=probe: self._fit(probe, _runs(run)())):
                continue
            accepted += 1
            self.check_fit(name, data, run)
            self.check_answers(name, data, run)
            self.check_state(name, data, run)
            self.check_threads(name, data, run)
            self.check_missing(name, data, run)
            self.check_strangers(name, data, run)
            self.check_cells(name, data, run)
        shapes = ", ".join(self.data)
        self._rules().require(accepted > 0, f"it accepts one of the shapes {shapes} at least")

    # -- the rules -----------------------------------------------------------------------------
    def check_declaration(self) -> None:
        """Name, options, capabilities and references are declared."""
        rules, model = self._rules(), self._model()
        rules.check_declaration(self.plugin, Model, model)
        rules.check_references(self.plugin)
        rules.check_options(self.plugin.options_type, model.options)
        found = self.plugin.capabilities
        rules.require(isinstance(found, Capabilities), "capabilities is a Capabilities", found)
        rules.require(bool(found.claims), "it has an answer to one kind of claim at least")

    def check_fit(self, name: str, data: Dataset, run: RunContext) -> None:
        """Fitting changes nothing it was given, and the same seed gives the same bits."""
        rules, run_of = self._rules(name), _runs(run)
        train, valid = _halves(data)
        with rules.leaves(train=train, valid=valid):
            first = self._model().fit(train, valid, run_of())
        second = self._model().fit(train, valid, run_of())
        rules.require(isinstance(first, Fitted), "fit returns a Fitted", type(first).__name__)
        left, right = rules.carry(first.state()), rules.carry(second.state())
        rules.require(set(left.arrays) == set(right.arrays), "the same seed, the same state")
        for key, array in left.arrays.items():
            rules.check_same(f"the same seed, the same {key!r}", array, right.arrays[key])
        rules.require(left.meta == right.meta, "the same seed, the same state meta")

    def check_answers(self, name: str, data: Dataset, run: RunContext) -> None:
        """Every query is answered in its order, whatever the batches and their order."""
        rules, run_of = self._rules(name), _runs(run)
        fitted, queries, control = self._fit(data, run_of()), data.queries(), data.controls
        with rules.leaves(control=control):
            whole = _answer(rules, fitted, queries, control, run_of())
        rules.require(whole.readouts == data.readouts, "it predicts the readouts of the training")
        rules.require(whole.value_type is data.value_type, "it predicts the value type it saw")
        halves = [
            _answer(rules, fitted, queries.take(part), control, run_of())
            for part in (slice(0, len(queries) // 2), slice(len(queries) // 2, len(queries)))
        ]
        rules.require(
            np.allclose(np.vstack([half.mean for half in halves]), whole.mean, RTOL, ATOL),
            "an answer does not depend on the other queries of its batch",
        )
        order = np.random.default_rng(SEED).permutation(len(queries))
        shuffled = _answer(rules, fitted, queries.take(order), control, run_of())
        rules.require(
            np.allclose(shuffled.mean, whole.mean[order], RTOL, ATOL)
            and np.array_equal(shuffled.in_domain, whole.in_domain[order]),
            "an answer does not depend on the order of the queries",
        )

    def check_state(self, name: str, data: Dataset, run: RunContext) -> None:
        """A model restored from stored arrays and JSON gives equal predictions."""
        rules, run_of = self._rules(name), _runs(run)
        fitted = self._fit(data, run_of())
        restored = self._model().restore(rules.carry(fitted.state()))
        queries, control = data.queries(), data.controls
        one = _answer(rules, fitted, queries, control, run_of())
        two = _answer(rules, restored, queries, control, run_of())
        rules.check_same("a restored model gives equal means", one.mean, two.mean)
        rules.check_same("a restored model gives equal flags", one.in_domain, two.in_domain)
        rules.require((one.lower is None) == (two.lower is None), "restored, it keeps intervals")
        if one.lower is not None:
            rules.check_same("a restored model gives equal intervals", one.lower, two.lower)

    def check_threads(self, name: str, data: Dataset, run: RunContext) -> None:
        """Threads may change the time, never a bit of the result."""
        rules, run_of = self._rules(name), _runs(run)
        queries, control = data.queries(), data.controls
        means = []
        for threads in (1, 2):
            many = replace(run_of(), threads=threads)
            fitted = self._fit(data, many)
            means.append(_answer(rules, fitted, queries, control, many).mean)
        rules.check_same("threads do not change a result", means[0], means[1])

    def check_missing(self, name: str, data: Dataset, run: RunContext) -> None:
        """A missing table or control that it cannot do without is a DataError."""
        rules, run_of, needs = self._rules(name), _runs(run), self.plugin.capabilities
        bare = {
            "context": replace(data, context_features=None),
            "perturbation": replace(data, perturbation_features=None),
        }
        for label, without in bare.items():
            if getattr(needs, f"needs_{label}_features"):
                with rules.must_raise(DataError, f"missing {label} features are a DataError"):
                    self._fit(without, run_of())
        if needs.needs_features:
            neither = replace(data, context_features=None, perturbation_features=None)
            with rules.must_raise(DataError, "missing features of both kinds are a DataError"):
                self._fit(neither, run_of())
        if needs.needs_structures:
            with rules.must_raise(DataError, "missing structures are a DataError"):
                self._fit(replace(data, structures={}), run_of())
        if needs.needs_control and not data.value_type.is_absolute and data.controls is not None:
            bare_cells = data.treated
            with rules.must_raise(DataError, "without any control it raises DataError"):
                fitted = self._fit(bare_cells, run_of())
                list(fitted.predict(bare_cells.queries(), None, run_of()))

    def check_strangers(self, name: str, data: Dataset, run: RunContext) -> None:
        """A question with nothing known in it gets a number and is flagged out of domain.

        A model may instead refuse it with a DataError that names the label.
        """
        rules, run_of = self._rules(name), _runs(run)
        fitted, known = self._fit(data, run_of()), data.queries().take(slice(0, 1))
        stranger = replace(
            known,
            perturbation=type(known.perturbation)(["never_seen_perturbation"]),
            context=type(known.context)(["never_seen_context"]),
        )
        batches: list[Prediction] = []

        def ask() -> None:
            batches.extend(fitted.predict(stranger, data.controls, run_of()))

        refusal = refuses(ask)
        if refusal:
            rules.require("never_seen" in refusal, "a refusal names the label", refusal)
            return
        rules.require(
            len(batches) == 1 and not batches[0].in_domain.any(),
            "a question with nothing known in it is out of domain",
        )

    def check_cells(self, name: str, data: Dataset, run: RunContext) -> None:
        """Where log1p cells are given as controls, every query gets a population of real spread."""
        is_population = data.value_type is ValueType.LOG1P and data.controls is not None
        if not self.plugin.capabilities.predicts_cells or not is_population:
            return
        rules, run_of = self._rules(name), _runs(run)
        fitted, queries = self._fit(data, run_of()), data.treated.queries().take(slice(0, 4))
        for batch in fitted.predict(queries, data.controls, run_of()):
            rules.require(batch.cells is not None, "it predicts cells where controls are given")
            if batch.cells is None:
                return
            for row in range(len(batch.queries)):
                cells = batch.cells.of(row)
                rules.require(
                    len(cells) > 1, "every query gets a population", f"{len(cells)} cells"
                )
                rules.require(bool(cells.std(axis=0).max() > 0), "a population is no point mass")

    # -- what they share -----------------------------------------------------------------------
    def _rules(self, example: str = "") -> Rules:
        subject = f"model {getattr(self.plugin, 'name', self.plugin)!r}"
        return Rules(f"{subject} on {example}" if example else subject)

    def _model(self) -> Any:
        options_type: type[Options] = self.plugin.options_type
        return self.plugin(options_type(**self.options))

    def _fit(self, data: Dataset, run: RunContext) -> Any:
        return self._model().fit(data, None, run)


def _runs(run: RunContext) -> Any:
    """A maker of equal run contexts: each starts the same random stream."""
    return lambda: run_context(SEED, run.scratch, threads=run.threads, device=run.device)


def _halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """Three quarters to train, one to validate; the controls are in both."""
    valid = np.arange(data.n_profiles) % 4 == 0
    return data.take(~valid | data.is_control), data.take(valid | data.is_control)


def _answer(
    rules: Rules, fitted: Any, queries: QueryTable, control: Dataset | None, run: RunContext
) -> Prediction:
    """All batches as one prediction; each must answer the next queries, in order."""
    batches: Iterator[Prediction] = fitted.predict(queries, control, run)
    rules.require(not isinstance(batches, list), "predict yields batches, it builds no list")
    done, parts = 0, []
    for batch in batches:
        rules.require(isinstance(batch, Prediction), "predict yields Predictions", type(batch))
        rules.require(len(batch.queries) > 0, "no batch is empty")
        expected = queries.take(slice(done, done + len(batch.queries)))
        rules.require(
            batch.queries.frame().astype(str).equals(expected.frame().astype(str)),
            f"the batch from query {done} answers the queries in their order",
        )
        rules.require(batch.in_domain.dtype == bool, "in_domain is boolean", batch.in_domain.dtype)
        done += len(batch.queries)
        parts.append(batch)
    if done != len(queries):
        raise NotConformant(
            f"{rules.subject}: every query is answered; found {done} of {len(queries)}"
        )
    return _joined(queries, parts)


def _joined(queries: QueryTable, parts: list[Prediction]) -> Prediction:
    first = parts[0]
    has_interval = all(part.lower is not None for part in parts)

    def stack(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Prediction(
        queries,
        first.readouts,
        first.value_type,
        stack("mean"),
        stack("in_domain"),
        stack("lower") if has_interval else None,
        stack("upper") if has_interval else None,
    )
