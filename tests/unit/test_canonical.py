"""Canonical bytes and hashes: fixed values that must never change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from cellula.core.canonical import (
    canonical_json,
    hash_array,
    hash_bytes,
    hash_frame,
    hash_json,
    plain,
)
from cellula.core.errors import DataError
from cellula.core.gate import Loop


@dataclass(frozen=True)
class Point:
    x: float
    tags: frozenset[str]


def test_canonical_json_is_sorted_and_tight() -> None:
    value = {"b": [1, 1.0, True, None], "a": "ü", "c": np.float64(0.1)}
    assert canonical_json(value) == '{"a":"ü","b":[1,1.0,true,null],"c":0.1}'.encode()


def test_plain_takes_what_the_core_is_made_of() -> None:
    value = plain(
        {
            "point": Point(np.nan, frozenset({"b", "a"})),
            "loop": Loop.INNER,
            "array": np.arange(3),
            "flag": np.True_,
            "tuple": (1, 2),
        }
    )
    assert value == {
        "point": {"x": None, "tags": ["a", "b"]},
        "loop": "inner",
        "array": [0, 1, 2],
        "flag": True,
        "tuple": [1, 2],
    }


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(DataError, match="object has no canonical form"):
        plain(object())
    with pytest.raises(DataError, match="array of objects"):
        hash_array(np.array(["a", 1], dtype=object))


def test_hashes_are_those_of_the_first_release() -> None:
    assert hash_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hash_json({"a": 1}) == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
    assert hash_json({"a": 1}) == hash_bytes(b'{"a":1}')
    assert hash_array(np.array([1.5, -2.0])) == hash_bytes(
        b"<f8(2,)" + np.array([1.5, -2.0], "<f8").tobytes()
    )


def test_a_frame_tells_missing_text_from_the_word() -> None:
    one = pd.DataFrame({"label": ["a", None]})
    two = pd.DataFrame({"label": ["a", "None"]})
    assert hash_frame(one) != hash_frame(two)


def test_a_frame_is_hashed_with_its_index_and_names() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]}, ["a", "b"])
    assert hash_frame(frame) != hash_frame(frame.rename(columns={"x": "y"}))
    assert hash_frame(frame) != hash_frame(frame.set_axis(["a", "c"]))
