"""The base of drug models, by hand: nothing of a question's own response is in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.models.baselines.pseudobulk import pseudobulk
from cellula.models.learned.single_drugs import SingleDrugs

TABLE = {
    ("A", "c"): 1.0,
    ("A", "d"): 3.0,
    ("B", "c"): 5.0,
    ("C", "d"): 9.0,
    ("A+B", "c"): 100.0,
}


def singles(*, adds: bool = True) -> SingleDrugs:
    obs = pd.DataFrame(list(TABLE), columns=["perturbation", "context"]).astype("category")
    obs.index = [f"p{i}" for i in range(len(obs))]
    values = np.array(list(TABLE.values()))[:, None]
    data = Dataset(AnnData(values, obs, pd.DataFrame(index=["y"])), ValueType.QUANTITY)
    return SingleDrugs.of(pseudobulk([data]), adds=adds)


def test_single_drugs_are_expected_by_others_or_by_themselves_elsewhere() -> None:
    asked = QueryTable.of(["A", "A", "B", "C", "new", "new"], ["c", "d", "c", "e", "c", "e"])
    found = singles().expected(asked)
    # others in the context; for C in e others anywhere; for a new drug all of the context, or all
    np.testing.assert_allclose(found.fresh[:, 0], [5.0, 9.0, 1.0, 3.0, 3.0, 4.5])
    # A elsewhere; B was nowhere else; C in a new context
    np.testing.assert_allclose(found.known[:, 0], [3.0, 1.0, 1.0, 9.0, 3.0, 4.5])
    assert found.is_measured[:, 0].tolist() == [True, True, False, True, False, False]


@pytest.mark.parametrize(("adds", "share"), [(True, 1.0), (False, 0.5)])
def test_combinations_are_the_sum_or_the_mean_of_their_parts(adds: bool, share: float) -> None:
    asked = QueryTable.of(["A+B", "B+A", "A+B", "A+new"], ["c", "c", "d", "c"])
    found = singles(adds=adds).expected(asked)
    # in the same context where measured there, else elsewhere
    np.testing.assert_allclose(found.known[:, 0], share * np.array([6.0, 6.0, 8.0, 1.0 + 3.0]))
    assert found.is_measured.tolist() == [[True, True]] * 3 + [[True, False]]
    np.testing.assert_allclose(found.fresh[0, 0], share * (5.0 + 1.0))


def test_the_base_comes_back_from_its_state() -> None:
    own = singles()
    state = own.state()
    again = SingleDrugs.restore(state.arrays, state.meta)
    asked = QueryTable.of(["A", "C+B"], ["c", "d"])
    np.testing.assert_array_equal(again.expected(asked).known, own.expected(asked).known)
