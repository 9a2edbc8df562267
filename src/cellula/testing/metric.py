"""The rules of :class:`~cellula.core.metric.Metric`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.canonical import hash_array, hash_json
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.metric import Metric, MetricDefinition, Terms
from cellula.core.prediction import Population
from cellula.testing.comparisons import comparison, perfect, reorder, shuffle_cells, without_value
from cellula.testing.rule import Rules

__all__ = ["MetricConformance"]

RTOL, ATOL = 1e-9, 1e-9
#: The noise of a poor prediction, in units of the signal.
POOR = 3.0


@final
@dataclass(frozen=True, slots=True)
class MetricConformance:
    """Every rule that a metric keeps, on small comparisons with cells, intervals and units.

    plugin: the class. A metric that declares ``is_per_group`` gives some groups exactly the terms
    that they have among all; one whose terms depend on other groups (a rank, a mean over all) does
    not declare it, and its strata, where it has several, still stand alone.
    """

    plugin: Any

    def check(self) -> None:
        """Check every rule; NotConformant names the first that is broken."""
        self.check_declaration()
        self.check_pure()
        self.check_scale()
        self.check_ideal()
        self.check_worse()
        self.check_additive()
        self.check_order()
        self.check_missing_value()
        self.check_missing_parts()

    def check_declaration(self) -> None:
        """The definition says everything that its number needs to be computed elsewhere."""
        rules, metric = self._rules(), self.plugin()
        rules.check_declaration(self.plugin, Metric, metric)
        found = metric.definition
        rules.require(isinstance(found, MetricDefinition), "definition is a MetricDefinition")
        for name in ("name", "equation", "space", "genes", "control", "aggregation"):
            rules.require(bool(getattr(found, name).strip()), f"the definition's {name} is told")
        rules.require(found.version >= 1, "the version counts from 1", found.version)
        rules.require(
            found.direction in {"higher", "lower", "target"}, "direction", found.direction
        )
        rules.require(bool(np.isfinite(found.ideal)), "the ideal is a number", found.ideal)
        rules.check_references(found)

    def check_pure(self) -> None:
        """The same comparison gives the same terms and is left as it was."""
        rules, given = self._rules(), comparison()
        before = _fingerprint(given)
        one, two = self._terms(given), self._terms(given)
        rules.require(_fingerprint(given) == before, "the comparison is left as it was")
        rules.check_same("the same comparison, the same terms", one.values, two.values)
        rules.require(len(one.values) == len(given.groups), "one row of terms a group")

    def check_ideal(self) -> None:
        """A perfect prediction has the ideal value; an estimate from cells comes near it.

        Near: within a tenth of the way to a poor prediction, for an unbiased estimate is
        ideal in expectation only.
        """
        found, given = self.plugin.definition, comparison()
        coverage = found.ideal if found.direction == "target" else 1.0
        value = self._value(self._terms(perfect(given, coverage)))
        gap = 1e-6
        if found.needs_cells:
            gap = 0.1 * abs(self._value(self._terms(comparison(noise=POOR))) - found.ideal)
        self._rules().require(
            abs(value - found.ideal) <= gap,
            f"a perfect prediction has the ideal value {found.ideal:g}",
            f"{value:g}",
        )

    def check_worse(self) -> None:
        """A prediction with more noise is farther from the ideal, in the declared direction."""
        found = self.plugin.definition
        if found.layer == "calibration":  # a width does not see the error, by design
            return
        good, bad = (self._value(self._terms(comparison(noise=s))) for s in (0.1, POOR))
        is_worse = {
            "higher": bad < good,
            "lower": bad > good,
            "target": abs(bad - found.ideal) > abs(good - found.ideal),
        }[found.direction]
        self._rules().require(
            bool(is_worse), "more error is worse", f"{good:g} with little, {bad:g} with much"
        )

    def check_additive(self) -> None:
        """The terms of some groups, or of some strata, computed apart are those of the whole."""
        rules, given = self._rules(), comparison()
        whole = self._terms(given)
        if self.plugin.definition.is_per_group:
            self._check_parts(whole, given)
        elif not whole.stratum.any():
            return
        order = np.argsort(whole.stratum, kind="stable").astype(np.int64)
        cut = self._cut(whole.stratum[order])
        halves = [self._terms(reorder(given, part)) for part in (order[:cut], order[cut:])]
        apart = np.concatenate([half.values for half in halves]).sum(axis=0)
        rules.require(
            np.allclose(apart, whole.values.sum(axis=0), RTOL, ATOL),
            "terms of two halves sum to those of the whole",
            f"{apart} and {whole.values.sum(axis=0)}",
        )

    def _check_parts(self, whole: Terms, given: Comparison) -> None:
        rules, edges = self._rules(), (0, 1, 2, 7, 20, len(given.groups))
        rules.require(not whole.stratum.any(), "a metric that is per group has one stratum")
        for first, stop in pairwise(edges):
            part = self._terms(given.part(first, stop))
            rules.require(
                part.values.tobytes() == np.ascontiguousarray(whole.values[first:stop]).tobytes()
                and np.array_equal(part.reasons, whole.reasons[first:stop]),
                "is_per_group: some groups have exactly the terms that they have among all",
                f"groups {first} to {stop - 1}: {part.values} and {whole.values[first:stop]}",
            )

    def check_scale(self) -> None:
        """``finish`` takes sums of any leading shape, and doubled weights change nothing."""
        rules, terms = self._rules(), self._terms(comparison())
        sums = terms.values[terms.stratum == terms.stratum[0]].sum(axis=0)
        metric = self.plugin()
        one = np.asarray(metric.finish(sums))
        rules.require(one.shape == (), "finish of (terms,) is one value", one.shape)
        many = np.asarray(metric.finish(np.stack([[sums, 2 * sums], [3 * sums, sums]])))
        rules.require(many.shape == (2, 2), "finish of (2, 2, terms) is (2, 2)", many.shape)
        rules.require(
            np.allclose(many, one, RTOL, ATOL), "weights enter relative to one another only", many
        )
        nothing = np.asarray(metric.finish(np.zeros_like(sums)))
        rules.require(bool(np.isnan(nothing)), "without any group there is no value", nothing)

    def check_order(self) -> None:
        """The order of groups and of cells does not matter."""
        rules, given = self._rules(), comparison()
        whole = self._terms(given)
        order = np.random.default_rng(1).permutation(len(given.groups)).astype(np.int64)
        moved = self._terms(reorder(given, order))
        value = self._value(whole)
        rules.require(
            bool(np.isclose(self._value(moved), value, RTOL, ATOL)),
            "the order of the groups does not matter",
        )
        mixed = self._terms(shuffle_cells(given))
        rules.require(
            bool(np.isclose(self._value(mixed), value, RTOL, ATOL)),
            "the order of the cells does not matter",
        )

    def check_missing_value(self) -> None:
        """A group without a number has NaN and a reason; the others have theirs.

        Only in its own stratum, of several, may others lose theirs: too few may be left.
        """
        rules, row = self._rules(), 3
        try:
            terms = self._terms(without_value(comparison(), row))
        except DataError as error:
            rules.require(False, "a group without a number has a reason, no error", error)
            return
        is_bad = np.asarray(np.isnan(terms.values).any(axis=1))
        rules.require(bool(is_bad[row]), "a group without a number has NaN terms")
        rules.require(bool(terms.reasons[row]), "a group without a number has a reason")
        if terms.stratum.max() > 0:
            is_bad &= terms.stratum != terms.stratum[row]
        is_bad[row] = False
        rules.require(not is_bad.any(), "the other groups keep their terms", is_bad.sum())

    def check_missing_parts(self) -> None:
        """Without cells, intervals, reference, baseline, gene sets: reasons, no error."""
        rules, given = self._rules(), comparison()
        bare = replace(
            given,
            lower=None,
            upper=None,
            reference=None,
            baseline=None,
            baseline_name="",
            observed_cells=None,
            predicted_cells=None,
            control_cells=None,
            control=None,
            gene_sets=None,
        )
        try:
            terms = self._terms(bare)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            rules.require(False, "a missing part is a reason in every row", repr(error))
        else:
            rules.require(len(terms.values) == len(given.groups), "every group keeps its row")

    # -- what they share -----------------------------------------------------------------------
    def _rules(self) -> Rules:
        definition = getattr(self.plugin, "definition", None)
        return Rules(f"metric {getattr(definition, 'name', self.plugin)!r}")

    def _terms(self, given: Comparison) -> Terms:
        terms = self.plugin().terms(given)
        self._rules().require(isinstance(terms, Terms), "terms() returns Terms", type(terms))
        return terms  # type: ignore[no-any-return]

    def _value(self, terms: Terms) -> float:
        """The mean over strata of the value of each stratum's sums."""
        is_good = ~np.isnan(terms.values).any(axis=1)
        values = [
            float(self.plugin().finish(terms.values[is_good & (terms.stratum == code)].sum(axis=0)))
            for code in np.unique(terms.stratum)
        ]
        return float(np.mean(values))

    @staticmethod
    def _cut(stratum: NDArray[np.int64]) -> int:
        """Where to cut sorted groups into halves, between two strata where there are several."""
        edges = np.flatnonzero(np.diff(stratum)) + 1
        return int(edges[len(edges) // 2]) if len(edges) else len(stratum) // 2


def _fingerprint(given: Comparison) -> str:
    parts: list[str] = []
    for name in given.__dataclass_fields__:
        value = getattr(given, name)
        if isinstance(value, np.ndarray):
            parts.append(hash_array(value))
        elif isinstance(value, Population):
            parts += [hash_array(np.asarray(value.values)), hash_array(value.group)]
    return hash_json(parts)
