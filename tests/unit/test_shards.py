"""Terms made some groups at a time, here and on a cluster: the same bits."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.prediction import Population
from cellula.core.run import RunContext
from cellula.evaluation.metrics.squared_error import Rmse
from cellula.evaluation.parcel import packed, unpacked
from cellula.evaluation.shards import Shards
from cellula.testing.comparisons import comparison, without_value

METRICS = registry.names("metric")
#: Metrics that compare cells and whose terms of a group nevertheless depend on other groups.
#: What they need of all cells, the tests against the controls, is made once for all of them and
#: for all contestants, in batches of groups read one by one.
NOT_PER_GROUP = {
    *("de_auprc", "de_direction", "de_jaccard", "de_overlap", "de_spearman"),
    *("r2_weighted", "weighted_mse"),
}


@final
class Carried:
    """A cluster of one place: what goes to a worker and comes back is pickled, as Dask does."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            sent = pickle.dumps((function, item))
            self.sizes.append(len(sent))
            carried, given = pickle.loads(sent)
            yield pickle.loads(pickle.dumps(carried(given)))


def sparse(given: Comparison) -> Comparison:
    cells = given.predicted_cells
    assert cells is not None
    return replace(given, predicted_cells=Population(sp.csr_matrix(cells.values), cells.group))


def require_same(one: Terms, two: Terms) -> None:
    assert one.values.tobytes() == two.values.tobytes()
    assert np.array_equal(one.reasons, two.reasons)
    assert np.array_equal(one.stratum, two.stratum)


@pytest.mark.requirement("D13")
@pytest.mark.parametrize("name", METRICS)
def test_shards_have_the_bits_of_the_whole(name: str, run: RunContext) -> None:
    metric, given = registry.load("metric", name)(), sparse(without_value(comparison(), 3))
    whole = metric.terms(given)
    require_same(Shards(run).terms(metric, given), whole)
    require_same(Shards(replace(run, threads=2)).terms(metric, given), whole)
    cluster = Carried()
    require_same(Shards(replace(run, cluster=cluster)).terms(metric, given), whole)
    is_sent = metric.definition.is_per_group and metric.definition.needs_cells
    assert len(cluster.sizes) == (6 if is_sent else 0)
    assert max(cluster.sizes, default=0) < 1000


def test_metrics_of_cells_are_per_group() -> None:
    """Or larger than one machine is larger than they can: list a metric here with a reason."""
    definitions = [registry.load("metric", name).definition for name in METRICS]
    alone = {one.name for one in definitions if one.needs_cells and not one.is_per_group}
    assert alone == NOT_PER_GROUP


def test_a_parcel_holds_all_of_a_comparison(tmp_path: Path) -> None:
    given = sparse(replace(comparison(), fold=np.arange(48) // 24, control_units=np.arange(18) % 3))
    packed(given, tmp_path / "one")
    for first, stop in ((0, 48), (5, 9), (47, 48)):
        part, found = given.part(first, stop), unpacked(tmp_path / "one", first, stop)
        for name in given.__dataclass_fields__:
            left, right = getattr(part, name), getattr(found, name)
            if isinstance(left, Population):
                for group in range(2 if name == "control_cells" else stop - first):
                    assert np.array_equal(left.of(group), right.of(group))
            elif isinstance(left, np.ndarray):
                assert left.dtype == right.dtype
                assert np.array_equal(left, right)
            elif name == "groups":
                assert left.astype(str).equals(right.astype(str))
            elif name == "gene_sets":
                assert left.names == right.names
                assert np.array_equal(left.members, right.members)
            else:
                assert left == right


def test_a_parcel_without_parts(tmp_path: Path) -> None:
    given = replace(comparison(), observed_cells=None, gene_sets=None, lower=None, upper=None)
    packed(given, tmp_path / "one")
    found = unpacked(tmp_path / "one", 0, 48)
    assert (found.observed_cells, found.gene_sets, found.lower, found.fold) == (None,) * 4


def test_a_worker_that_does_not_see_the_scratch_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--scratch"):
        unpacked(tmp_path / "elsewhere", 0, 1)


@final
class Stratified:
    """A metric that says it is per group and is not."""

    definition: ClassVar[MetricDefinition] = replace(Rmse.definition, name="stratified")

    def terms(self, given: Comparison) -> Terms:
        terms = Rmse().terms(given)
        return replace(terms, stratum=np.arange(len(terms.values)) % 2)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        return Rmse().finish(sums)


def test_strata_are_refused(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.evaluation.shards.GROUPS", 10)
    with pytest.raises(DataError, match="is_per_group=False"):
        Shards(run).terms(Stratified(), comparison())
