"""Measurements of PEtab problems as profiles, their conditions and times as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from test_petab_tables import made

from cellula.core.errors import DataError
from cellula.io.formats import read


def profiles(path: Path) -> AnnData:
    found = read(path, "petab_profiles")
    assert isinstance(found, AnnData)
    return found


def table(path: Path, format: str) -> pd.DataFrame:
    found = read(path, format)
    assert isinstance(found, pd.DataFrame)
    return found


@pytest.mark.requirement("K9", "S2")
def test_a_profile_is_a_condition_at_a_time(tmp_path: Path) -> None:
    found = profiles(made(tmp_path))
    assert list(found.var_names) == ["y", "a"]
    assert list(found.obs_names) == ["high at 1", "low at 2", "high at 0", "low at inf"]
    assert list(found.obs["at"]) == ["1", "2", "0", "inf"]
    np.testing.assert_allclose(
        found.X, [[3, np.nan], [1.5, np.nan], [np.nan, np.log10(9)], [np.nan, 0.0]]
    )


def test_equal_conditions_bear_one_label_and_repeats_are_told_apart(tmp_path: Path) -> None:
    path = made(tmp_path, {"conditions.tsv": ("low\tlittle\tstart", "low\tlittle\t8")})
    rows = (tmp_path / "measurements.tsv").read_text()
    (tmp_path / "measurements.tsv").write_text(rows + "y\thigh\t4\t1\tscale\t0.5\n")
    found = profiles(path)
    assert set(found.obs["condition"]) == {"high"}
    assert list(found.obs_names[[0, -1]]) == ["high at 1", "high at 1 #2"]
    assert list(table(path.with_name("conditions.tsv"), "petab_conditions")["condition"]) == [
        "high"
    ]


def test_features_are_numbers_logarithms_or_words(tmp_path: Path) -> None:
    path = tmp_path / "conditions.tsv"
    path.write_text("conditionId\tdose\tflag\tinit\na\t0.1\t0\tstart\nb\t10\t1\t2\nc\t1\t1\t\n")
    found = table(path, "petab_conditions").set_index("condition")
    assert list(found.columns) == ["log10_dose", "flag", "init=start", "init=2.0", "init="]
    np.testing.assert_allclose(found["log10_dose"], [-1, 1, 0])
    np.testing.assert_array_equal(found["init=start"], [1, 0, 0])


def test_times_are_features_of_their_labels(tmp_path: Path) -> None:
    found = table(made(tmp_path).with_name("measurements.tsv"), "petab_times")
    assert list(found["at"]) == ["0", "1", "2"]  # not the steady state
    np.testing.assert_allclose(found["log10_time"], np.log10([0.5, 1, 2]))


def test_what_has_no_logarithm_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, {"measurements.tsv": ("a\thigh\t9\t0", "a\thigh\t-9\t0")})
    with pytest.raises(DataError, match="'a' is not above 0"):
        profiles(path)


def test_a_table_without_conditions_or_times_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("conditionId\tdose\n")
    with pytest.raises(DataError, match="no condition"):
        read(path, "petab_conditions")
    path.write_text("observableId\tsimulationConditionId\tmeasurement\ttime\ny\tc\t1\tinf\n")
    with pytest.raises(DataError, match="no finite time above 0"):
        read(path, "petab_times")
