"""Pseudobulks and their references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import mean_rows, pseudobulk
from cellula.models.baselines.reference import Reference, control_rows, responses
from cellula.testing.examples import ic50_table, single_cells, time_courses


def test_means_of_every_treatment_in_every_context() -> None:
    data = single_cells()
    bulk = pseudobulk([data])
    frame = pd.DataFrame(data.dense()).assign(
        p=np.asarray(data.labels("perturbation"), object),
        c=np.asarray(data.labels("context"), object),
    )
    wanted = frame[~data.is_control].groupby(["p", "c"]).mean()
    queries = bulk.queries()
    assert len(bulk.values) == len(wanted)
    for row in range(len(queries)):
        key = (queries.perturbation[row], queries.context[row])
        np.testing.assert_allclose(bulk.values[row], wanted.loc[key].to_numpy())
    assert bulk.size.sum() == (~data.is_control).sum()


def test_parts_and_sparse_matrices_give_the_same() -> None:
    data = single_cells()
    whole = pseudobulk([data])
    part = np.arange(data.n_profiles) % 3 == 0
    sparse = AnnData(sp.csr_matrix(data.dense()), data.obs, data.data.var)
    split = pseudobulk([data.take(part), data.take(~part)])
    np.testing.assert_allclose(split.values, whole.values)
    np.testing.assert_allclose(pseudobulk([Dataset(sparse, ValueType.LOG1P)]).values, whole.values)


def test_doses_and_times_are_treatments() -> None:
    bulk = pseudobulk([time_courses()])
    assert len(bulk.treatments) == 12
    assert bulk.queries().dose_molar is not None
    np.testing.assert_array_equal(bulk.treatments.positions(bulk.queries()), bulk.treatment)


def test_a_table_has_holes_where_nothing_was_measured() -> None:
    data = ic50_table()
    bulk = pseudobulk([data])
    table = bulk.table(0)
    assert np.isfinite(table).sum() == data.n_profiles
    np.testing.assert_array_equal(table, bulk.cube()[:, :, 0])


def test_responses_are_less_their_own_contexts_control() -> None:
    data = single_cells()
    reference = Reference.of([data])
    assert reference is not None
    assert reference.labels == ("control",)
    bulk, delta = pseudobulk([data]), responses([data], reference)
    means, is_known = reference.at(bulk.queries().context)
    np.testing.assert_allclose(delta.values, bulk.values - means)
    assert is_known.all()


def test_reference_weighs_contexts_equally_for_a_new_one() -> None:
    reference = Reference(("a", "b"), np.array([[1.0], [3.0]]))
    means, is_known = reference.at(pd.Categorical(["b", "z"]))
    assert means.ravel().tolist() == [3.0, 2.0]
    assert is_known.tolist() == [True, False]
    newer = reference.updated(Reference(("b", "z"), np.array([[9.0], [5.0]])))
    assert newer.at(pd.Categorical(["a", "b", "z"]))[0].ravel().tolist() == [1.0, 9.0, 5.0]


def test_a_table_has_no_reference() -> None:
    assert Reference.of([ic50_table()]) is None


def test_controls_without_their_role_are_taken_as_such() -> None:
    controls = single_cells().controls
    assert controls is not None
    bare = controls.data.copy()
    del bare.obs["is_control"]
    taken = control_rows(Dataset(bare, ValueType.LOG1P))
    assert taken.is_control.all()
    with pytest.raises(DataError, match="none is one"):
        control_rows(single_cells().treated)


def test_rows_of_no_group_count_nowhere() -> None:
    means = mean_rows(np.array([[1.0], [3.0], [50.0]]), np.array([0, 0, -1]), 2)
    assert means.ravel().tolist() == [2.0, 0.0]
