"""The door of the dataset: what contradicts its declaration is refused, by name and place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.testing.examples import ic50_table, single_cells, time_courses


def profiles(values: Any, value_type: ValueType, **obs: Any) -> Dataset:
    index = [f"p{i}" for i in range(values.shape[0])]
    var = pd.DataFrame(index=[f"g{i}" for i in range(values.shape[1])])
    return Dataset(AnnData(values, pd.DataFrame(obs, index), var), value_type)


def test_what_a_dataset_says_of_itself() -> None:
    data = single_cells()
    assert data.modalities == ("log1p",)
    assert data.has_role("donor")
    assert not data.has_role("time_s")
    assert data.dense(np.arange(2)).shape == (2, 8)
    controls = data.controls
    assert controls is not None
    assert controls.n_profiles + data.treated.n_profiles == data.n_profiles
    assert ic50_table().controls is None
    assert not ic50_table().is_control.any()


def test_a_missing_role_is_answered_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"no role 'donor'.*perturbation, context.*columns"):
        ic50_table().role("donor")
    with pytest.raises(DataError, match="'drug' is no role"):
        ic50_table().role("drug")
    with pytest.raises(DataError, match="no column 'tissue'"):
        ic50_table().labels("tissue")


def test_parts_forget_the_labels_they_do_not_have() -> None:
    part = single_cells().treated
    assert "control" not in part.labels("perturbation").categories
    assert "control" not in part.obs["perturbation"].cat.categories


def test_every_profile_asks_its_question() -> None:
    queries = time_courses().queries()
    assert queries.columns == ("perturbation", "context", "dose_molar", "time_s", "individual")
    bare = profiles(np.ones((2, 1)), ValueType.QUANTITY).queries()
    assert (bare.perturbation[0], bare.context[0]) == ("none", "all")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.data.X.__setitem__((0, 0), data.data.X[0, 0] + 1e-9),
        lambda data: data.data.obs.insert(0, "plate", 1),
        lambda data: setattr(data.data, "var_names", list("stuvwxyz")),
        lambda data: data.context_features.iloc.__setitem__((0, 0), 9.0),
    ],
)
def test_any_change_changes_the_digest(change: Any) -> None:
    data = single_cells()
    before = data.digest()
    assert before == single_cells().digest()
    change(data)
    assert data.digest() != before


def test_the_digest_of_sparse_values_is_that_of_their_content() -> None:
    values = sp.random(6, 5, 0.5, "csr", rng=np.random.default_rng(0))
    mixed = values.copy()
    for row in range(6):
        own = slice(mixed.indptr[row], mixed.indptr[row + 1])
        mixed.indices[own] = mixed.indices[own][::-1].copy()
        mixed.data[own] = mixed.data[own][::-1].copy()
    mixed.has_sorted_indices = False
    mixed.has_canonical_format = False
    one = profiles(values, ValueType.QUANTITY).digest()
    assert profiles(mixed, ValueType.QUANTITY).digest() == one


def test_repeated_names_are_named() -> None:
    var = pd.DataFrame(index=["a", "b", "a"])
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        data = AnnData(np.ones((2, 3)), pd.DataFrame(index=["p", "q"]), var)
    with pytest.raises(DataError, match=r"1 readout name\(s\) occur more than once: a; make"):
        Dataset(data, ValueType.QUANTITY)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize(
    ("value", "value_type", "said"),
    [
        (np.nan, ValueType.QUANTITY, "not finite"),
        (np.inf, ValueType.LOG1P, "not finite"),
        (-1.0, ValueType.COUNTS, "cannot be negative"),
        (-0.5, ValueType.LOG1P, "cannot be negative"),
        (0.5, ValueType.COUNTS, "not an integer"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(
    value: float, value_type: ValueType, said: str, is_sparse: bool
) -> None:
    values = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, value]])
    if value_type is not ValueType.COUNTS:
        values = values / 1.7
    given = sp.csr_matrix(values) if is_sparse else values
    with pytest.raises(DataError, match=rf"{said}.*row 1 \('p1'\), column 'g2'"):
        profiles(given, value_type)


def test_counts_declared_log1p_are_refused() -> None:
    counts = np.random.default_rng(0).poisson(5.0, (4, 3)).astype(float)
    with pytest.raises(DataError, match="these are counts; declare value_type = 'counts'"):
        profiles(counts, ValueType.LOG1P)
    assert profiles(counts, ValueType.COUNTS).n_profiles == 4


@pytest.mark.parametrize(
    ("obs", "said"),
    [
        ({"context": ["x", None]}, r"column 'context' has no value in row 1 \(profile 'p1'\)"),
        ({"dose_molar": [1.0, -1.0]}, r"'dose_molar' holds .*-1\.0.* in row 1"),
        ({"time_s": ["0", "soon"]}, "'time_s' holds 'soon' in row 1"),
        ({"is_control": ["yes", "no"]}, "'is_control' is .*expected True or False"),
    ],
)
def test_a_wrong_role_is_named_by_column_and_row(obs: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        profiles(np.ones((2, 1)), ValueType.QUANTITY, **obs)


def test_an_empty_matrix_is_refused() -> None:
    with pytest.raises(DataError, match="0 readouts: empty"):
        profiles(np.ones((2, 0)), ValueType.QUANTITY)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"f": [1.0, 2.0]}, ["a", "a"]), "context 'a' has two rows"),
        (pd.DataFrame([[1, 2]], ["a"], ["f", "f"]), "feature 'f' occurs twice"),
        (pd.DataFrame({"tissue": ["lung"]}, ["a"]), r"'tissue' is .*exclude = \['tissue'\]"),
        (pd.DataFrame({"f": [1.0, np.nan]}, ["a", "b"]), "'f' has no value for 'b'"),
    ],
)
def test_a_wrong_feature_table_is_refused(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Dataset(ic50_table().data, ValueType.LN_IC50, context_features=table)


def test_a_part_is_not_checked_again() -> None:
    """Cells without a count look like integers; they were checked with all the others."""
    values = np.array([[0.0, 0.0], [0.0, 0.0], [0.5, 1.5]])
    data = Dataset(AnnData(values), ValueType.LOG1P)
    assert data.take(np.array([0, 1])).n_profiles == 2
    with pytest.raises(DataError, match="log1p"):
        Dataset(AnnData(values[:2]), ValueType.LOG1P)


def test_structures_are_text_and_part_of_what_a_dataset_is() -> None:
    plain = ic50_table()
    with pytest.raises(DataError, match="structure of 'drug000' is ' '"):
        replace(plain, structures={"drug000": " "})
    told = replace(plain, structures={"drug000": "CCO"})
    assert told.take(np.arange(3)).structures == {"drug000": "CCO"}
    assert (
        len({plain.digest(), told.digest(), replace(told, structures={"drug000": "C"}).digest()})
        == 3
    )
    assert replace(told, structures={}).digest() == plain.digest()
