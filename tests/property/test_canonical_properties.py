"""Canonical bytes: one value, one byte string, whatever its layout in memory."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellula.core.canonical import canonical_json, hash_array, hash_frame, hash_json, plain

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    LEAF.filter(lambda leaf: not isinstance(leaf, float) or math.isfinite(leaf)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
DTYPES = hnp.floating_dtypes(sizes=(32, 64)) | hnp.integer_dtypes() | hnp.boolean_dtypes()
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))


@given(VALUES)
def test_json_reads_back_as_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(VALUES)
def test_reading_and_writing_again_gives_the_same_bytes(value: Any) -> None:
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(TEXT, VALUES, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_every_bit(value: float) -> None:
    read = json.loads(canonical_json(value))
    assert math.copysign(1, read) == math.copysign(1, value)
    assert read == value


@given(st.lists(st.integers(), max_size=6))
def test_the_order_of_a_set_does_not_matter(values: list[int]) -> None:
    assert hash_json(set(values)) == hash_json(frozenset(reversed(values)))


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one: Any, two: Any) -> None:
    is_same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (hash_json(one) == hash_json(two)) == is_same


@given(ARRAYS)
def test_layout_and_byte_order_do_not_change_a_hash(array: np.ndarray[Any, Any]) -> None:
    expected = hash_array(array)
    assert hash_array(np.asfortranarray(array)) == expected
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert hash_array(swapped) == expected
    padded = np.repeat(array[..., None], 2, axis=-1)[..., 0]
    assert hash_array(padded) == expected


@given(ARRAYS)
def test_shape_and_dtype_are_part_of_a_hash(array: np.ndarray[Any, Any]) -> None:
    assert hash_array(array[None]) != hash_array(array)
    native = array.astype(array.dtype.newbyteorder("="))
    other = np.int16 if native.dtype == bool else bool
    assert hash_array(native.astype(other)) != hash_array(array)


@given(hnp.arrays(np.float64, 6, elements=st.floats(-1e6, 1e6)), st.integers(0, 5))
def test_any_changed_element_changes_the_hash(array: np.ndarray[Any, Any], place: int) -> None:
    changed = array.copy()
    changed[place] = np.nextafter(changed[place], np.inf)
    assert hash_array(changed) != hash_array(array)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6), st.integers(0, 2**32))
def test_a_frame_is_hashed_by_what_it_says(labels: list[str], seed: int) -> None:
    numbers = np.random.default_rng(seed).normal(size=len(labels))
    frame = pd.DataFrame({"label": labels, "value": numbers})
    categorical = frame.assign(label=pd.Categorical(labels, categories=["c", "b", "a"]))
    assert hash_frame(categorical) == hash_frame(frame)
    assert hash_frame(frame[["value", "label"]]) != hash_frame(frame)
    changed = frame.assign(value=np.nextafter(numbers, np.inf))
    assert hash_frame(changed) != hash_frame(frame)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_becomes_none(value: float) -> None:
    assert plain(value) is None
