"""The mean response: equal weights of contexts, fallbacks, and ten million queries."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.testing.examples import ic50_table, single_cells, time_courses


def test_is_the_mean_of_the_perturbation_on_a_table(run: RunContext) -> None:
    data = ic50_table()
    fitted = create("model", "mean_response").fit(data, None, run)
    queries = QueryTable.of(["drug003", "drug003", "never"], ["line000", "other", "line000"])
    (batch,) = fitted.predict(queries, None, run)
    frame = data.obs.assign(value=data.dense()[:, 0])
    by_drug = frame.groupby("perturbation", observed=True)["value"].mean()
    assert batch.mean[0, 0] == pytest.approx(by_drug["drug003"])
    assert batch.mean[1, 0] == batch.mean[0, 0]
    assert batch.mean[2, 0] == pytest.approx(by_drug.mean())
    assert batch.in_domain.tolist() == [True, True, False]
    assert batch.cells is None


def test_contexts_weigh_the_same_however_many_cells_they_have(run: RunContext) -> None:
    values = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 5.0])[:, None]  # c1: +1 by 3 cells, c2: +5 by 1
    obs = pd.DataFrame(
        {
            "perturbation": ["none", "none", "A", "A", "A", "A"],
            "context": ["c1", "c2", "c1", "c1", "c1", "c2"],
            "is_control": [True, True, False, False, False, False],
        },
        [f"p{i}" for i in range(6)],
    )
    data = Dataset(AnnData(values, obs, pd.DataFrame(index=["r"])), ValueType.QUANTITY)
    fitted = create("model", "mean_response").fit(data, None, run)
    (batch,) = fitted.predict(QueryTable.of(["A", "none"], ["c1", "c1"]), data.controls, run)
    assert batch.mean[:, 0].tolist() == [3.0, 0.0]
    assert batch.in_domain.all()


def test_an_unseen_dose_gets_the_perturbations_mean_out_of_domain(run: RunContext) -> None:
    data = time_courses()
    fitted = create("model", "mean_response").fit(data, None, run)
    queries = QueryTable.of(
        ["A_bolus"] * 2, ["old"] * 2, dose_molar=[1e-6, 9e-6], time_s=[600.0, 600.0]
    )
    (batch,) = fitted.predict(queries, None, run)
    chosen = (data.obs["dose_molar"] == 1e-6) & (data.obs["time_s"] == 600.0)
    np.testing.assert_allclose(batch.mean[0], data.dense(chosen.to_numpy()).mean(axis=0))
    np.testing.assert_allclose(batch.mean[1], data.dense().mean(axis=0))
    assert batch.in_domain.tolist() == [True, False]


def test_the_order_of_components_does_not_matter(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "mean_response", {"cells": 0}).fit(data, None, run)
    (batch,) = fitted.predict(QueryTable.of(["G0+G1", "G1+G0"], ["type0"] * 2), None, run)
    np.testing.assert_array_equal(batch.mean[0], batch.mean[1])
    assert batch.in_domain.all()


def test_a_treated_context_without_controls_is_named(run: RunContext) -> None:
    data = single_cells()
    is_lost = data.is_control & np.asarray(data.labels("context") == "type1")
    with pytest.raises(DataError, match=r"no controls: type1;"):
        create("model", "mean_response").fit(data.take(~is_lost), None, run)


def test_data_with_controls_only_are_refused(run: RunContext) -> None:
    controls = single_cells().controls
    assert controls is not None
    with pytest.raises(DataError, match="controls only"):
        create("model", "mean_response").fit(controls, None, run)


def test_valid_with_other_readouts_is_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="readouts"):
        create("model", "mean_response").fit(single_cells(), single_cells(n_readouts=5), run)


def test_ten_million_queries_in_bounded_memory(run: RunContext) -> None:
    fitted = create("model", "mean_response").fit(ic50_table(), None, run)
    n = 10_000_000
    drugs, lines = [f"drug{i:03d}" for i in range(10)], [f"line{i:03d}" for i in range(24)]
    queries = QueryTable(
        pd.Categorical.from_codes(np.arange(n, dtype=np.int8) % 10, drugs),
        pd.Categorical.from_codes((np.arange(n, dtype=np.int32) // 10 % 24).astype(np.int8), lines),
    )
    tracemalloc.start()
    answered, largest = 0, 0
    for batch in fitted.predict(queries, None, run):
        answered += len(batch.queries)
        largest = max(largest, len(batch.queries))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answered == n
    assert largest == 65_536
    assert peak < 50e6


def test_wide_data_come_in_smaller_batches(run: RunContext) -> None:
    data = single_cells(n_readouts=200)
    fitted = create("model", "mean_response", {"cells": 300}).fit(data, None, run)
    queries = data.treated.queries()
    sizes = [len(batch.queries) for batch in fitted.predict(queries, data.controls, run)]
    assert max(sizes) * 200 * 301 <= 2**22
    assert sum(sizes) == len(queries)


def test_a_log1p_mean_is_never_negative(run: RunContext) -> None:
    data = single_cells()
    low = replace(data, data=data.data.copy())
    low.data.X[~low.is_control] = 1e-3
    fitted = create("model", "mean_response", {"cells": 0}).fit(low, None, run)
    (batch,) = fitted.predict(low.treated.queries(), low.controls, run)
    assert batch.mean.min() == 0.0
