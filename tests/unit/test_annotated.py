"""Annotated matrices from their parts; names, numbers and types of annotations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.io.annotated import annotated, numbers, readout_names, typed


def test_shared_symbols_are_told_apart() -> None:
    symbols = ["TP53", "TBCE", "TBCE", "", "nan"]
    ids = ["E1", "E2", "E3", "E4", "E5"]
    assert readout_names(symbols, ids) == ["TP53", "TBCE_E2", "TBCE_E3", "E4", "E5"]


def test_annotations_get_the_type_of_their_text() -> None:
    text = {
        "whole": ["1", "-2", "30"],
        "real": ["1", "2.5", None],
        "padded": ["007", "8", "9"],
        "flag": ["True", "False", "True"],
        "mixed": ["1", "x", ""],
        "none": [None, "-", None],
    }
    table = typed(pd.DataFrame(text), "-")
    assert table["whole"].tolist() == [1, -2, 30]
    assert table["real"].dtype == np.float64
    assert table["padded"].tolist() == ["007", "8", "9"]
    assert table["flag"].dtype == bool
    assert table["mixed"].tolist() == ["1", "x", None]
    assert table["none"].isna().all()


def test_numbers_say_where_they_are_none() -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["0.1", None], "c": [None, None]}, index=["r", "s"])
    np.testing.assert_array_equal(numbers(table, "f"), [[1, 0.1, np.nan], [2, np.nan, np.nan]])
    with pytest.raises(DataError, match="f: column 'b' holds 'x' in row s"):
        numbers(table.assign(b=["1", "x"]), "f")


@pytest.mark.parametrize(
    ("shape", "obs", "var", "words"),
    [
        ((2, 1), ["a", "a"], ["g"], "f: the profile 'a' occurs more than once"),
        ((1, 2), ["a"], ["g", "g"], "f: the readout 'g' occurs more than once"),
        ((1, 2), ["a"], ["g"], "f: 1 x 2 values but 1 profiles and 1 readouts"),
        ((0, 1), [], ["g"], "f holds 0 profiles and 1 readouts"),
    ],
)
def test_parts_that_do_not_fit(
    shape: tuple[int, int], obs: list[str], var: list[str], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        annotated(np.zeros(shape), pd.DataFrame(index=obs), pd.DataFrame(index=var), "f")
