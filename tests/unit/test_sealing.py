"""Held-out values as sealed arrays, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from study_example import cells, table

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.data.splits import Folds, split
from cellula.io.state import read_state, state_bytes
from cellula.validation.sealing import held_out_values, opened_profiles


def sparse(data: Dataset) -> Dataset:
    dense = data.data
    assert isinstance(dense, AnnData)
    return replace(data, data=AnnData(sp.csr_matrix(dense.X), obs=dense.obs, var=dense.var))


@pytest.mark.requirement("R6")
@pytest.mark.parametrize("data", [table(), cells(), sparse(cells())], ids=["ic50", "dense", "csr"])
def test_what_is_sealed_comes_back_in_every_fold(data: Dataset) -> None:
    folds = split(data, ClaimKind.RANDOM, Folds(folds=3, seed=2))
    labels = read_state(state_bytes(held_out_values(data, folds)))
    for fold in folds:
        opened = opened_profiles(data, fold, labels)
        assert np.array_equal(opened.dense(), data.dense(fold.test))
        assert list(opened.obs.index) == list(data.obs.index[fold.test])
        assert opened.readouts == data.readouts


def test_what_is_opened_are_the_sealed_values_not_those_of_the_file() -> None:
    data = table()
    folds = split(data, ClaimKind.RANDOM, Folds(folds=3, seed=2))
    labels = held_out_values(data, folds)
    other = State(labels.arrays | {"values": labels.arrays["values"] + 1.0}, labels.meta)
    opened = opened_profiles(data, folds[0], other)
    assert np.array_equal(opened.dense(), data.dense(folds[0].test) + 1.0)


def test_no_profile_is_sealed_twice_and_none_of_training_at_all() -> None:
    data = table()
    fold = split(data, ClaimKind.UNSEEN_CONTEXT, ("line000", "line003"))[0]
    rows = held_out_values(data, [fold, fold]).arrays["rows"]
    assert np.array_equal(rows, fold.test)
    assert not np.isin(rows, fold.train).any()
