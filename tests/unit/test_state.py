"""The state of a model comes back equal, and equal states have equal bytes."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.io.archive import archive_bytes, read_archive
from cellula.io.state import load_state, read_state, save_state, state_bytes

STATE = State(
    {
        "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
        "nested/scalar": np.array(3.5),
        "names": np.array(["Ä", "drug"]),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 4), np.int64),
        "infinite": np.array([np.nan, np.inf]),
    },
    {"rank": 3, "alpha": 0.1, "names": ["a"], "nothing": None, "deep": {"x": [1, 2.5]}},
)


def assert_equal(one: State, other: State) -> None:
    assert set(one.arrays) == set(other.arrays)
    for name, array in one.arrays.items():
        assert other.arrays[name].dtype == array.dtype
        assert other.arrays[name].shape == array.shape
        np.testing.assert_array_equal(other.arrays[name], array)
    assert other.meta == one.meta


def test_round_trip(tmp_path: Path) -> None:
    assert_equal(STATE, read_state(state_bytes(STATE)))
    save_state(STATE, tmp_path / "model.state")
    assert_equal(STATE, load_state(tmp_path / "model.state"))


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.bool_, np.complex128]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_round_trip_of_any_array(array: np.ndarray) -> None:
    back = read_state(state_bytes(State({"x": array}))).arrays["x"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_layout_and_byte_order_do_not_change_the_bytes() -> None:
    array = np.arange(6.0).reshape(2, 3)
    expected = state_bytes(State({"a": array, "b": array}, {"x": 1, "y": 2}))
    other = State({"b": np.asfortranarray(array), "a": array.astype(">f8")}, {"y": 2, "x": 1})
    assert state_bytes(other) == expected


def test_bytes_are_fixed() -> None:
    """A state written today is read, and hashes the same, for ever."""
    assert hash_bytes(state_bytes(State({"a": np.arange(3.0)}, {"b": 1}))) == (
        "69a52510e0e5cf2b1335d2333c6017fad5689534ab96155737ec1aaaab3bc7d8"
    )


def test_objects_and_infinities_are_refused() -> None:
    with pytest.raises(DataError, match="array 'x' of the state holds objects"):
        state_bytes(State({"x": np.array([{}], object)}))
    with pytest.raises(DataError, match=r"meta.a\[1\] of the state is nan"):
        state_bytes(State({}, {"a": [1.0, float("nan")]}))
    with pytest.raises(DataError, match=r"meta\.b\.c of the state is inf"):
        state_bytes(State({}, {"b": {"c": np.float32("inf")}}))


def test_a_pickle_inside_is_never_opened() -> None:
    files = read_archive(state_bytes(State({}, {})))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    pickle.dump([print], buffer)
    with pytest.raises(DataError, match=r"arrays/x.npy of the state is no array: .*allow_pickle"):
        read_state(archive_bytes({**files, "arrays/x.npy": buffer.getvalue()}))


def claiming(*shape: int) -> bytes:
    """An array whose header claims a shape, and no values."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("meta.json", b"{", "missing or no JSON"),
        ("meta.json", b"[]", "format None"),
        ("meta.json", b'{"format":"cellula-state","version":2,"meta":{}}', "newer cellula"),
        ("meta.json", b'{"format":"cellula-state","version":1}', "no meta object"),
        ("stray.txt", b"", "no file 'stray.txt'"),
        ("arrays/a.npy", b"", "no array"),
        ("arrays/a.npy", b"\x93NUMPY\x01\x00\x06\x00(((((\n", "no array"),
        ("arrays/a.npy", claiming(2**50), "no array"),
        ("arrays/a.npy", claiming(2**62, 2**62), "no array"),
        ("arrays/a.npy", claiming(-1), "no array"),
    ],
)
def test_damage_is_told(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    files = read_archive(state_bytes(State({}, {})))
    path = tmp_path / "model.state"
    path.write_bytes(archive_bytes({**files, name: content}))
    with pytest.raises(DataError, match=words) as caught:
        load_state(path)
    assert str(path) in str(caught.value)


def test_a_cut_or_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.state"
    with pytest.raises(DataError, match="cannot read the state"):
        load_state(path)
    path.write_bytes(state_bytes(STATE)[:-1])
    with pytest.raises(DataError, match="no state that can be restored"):
        load_state(path)


def test_meta_is_canonical_json() -> None:
    meta = read_archive(state_bytes(STATE))["meta.json"]
    assert meta == canonical_json({"format": "cellula-state", "version": 1, "meta": STATE.meta})
