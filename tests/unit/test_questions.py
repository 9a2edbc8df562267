"""Questions from a table: labels, units and numbers as the data have them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.data.questions import read_questions

ROLES = ("perturbation", "context", "dose_molar")


def write(folder: Path, **columns: list[object]) -> Path:
    path = folder / "queries.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_labels_are_written_as_the_door_writes_them(tmp_path: Path) -> None:
    path = write(tmp_path, perturbation=["B+A", "NT", "NT+A", "A"], context=[7, 7, 8, 8])
    found = read_questions(path, ("perturbation", "context"), control_labels=("NT",))
    assert list(found.perturbation) == ["A+B", "control", "A", "A"]
    assert list(found.context) == ["7", "7", "8", "8"]
    assert found.columns == ("perturbation", "context")


@pytest.mark.parametrize(("dose", "unit"), [(10.0, "uM"), (1e4, "nM"), (0.01, "mM"), (1e7, "pM")])
def test_one_dose_in_any_unit_is_the_known_dose(tmp_path: Path, dose: float, unit: str) -> None:
    known = 10.0 * 1e-6
    path = write(tmp_path, perturbation=["a", "a"], context=["x", "x"], dose=[dose, dose * 1.001])
    found = read_questions(path, ROLES, known={"dose_molar": [0.0, known, 1.0]}, dose_unit=unit)
    assert found.dose_molar is not None
    assert found.dose_molar[0] == known
    assert found.dose_molar[1] != known


def test_what_the_data_lack_need_not_be_asked(tmp_path: Path) -> None:
    found = read_questions(write(tmp_path, perturbation=["a"]), ("perturbation",))
    assert list(found.context) == ["all"]
    with pytest.raises(DataError, match=r"lacks the column\(s\) context, dose or dose_molar"):
        read_questions(write(tmp_path, perturbation=["a"]), ROLES)


@pytest.mark.parametrize(
    ("column", "unit", "said"),
    [
        ("dose", None, "has no unit"),
        ("dose", "h", "cannot become dose_molar"),
        ("dose_molar", "uM", "'dose_molar' is in M"),
    ],
)
def test_a_unit_that_does_not_fit_is_named(
    tmp_path: Path, column: str, unit: str | None, said: str
) -> None:
    path = write(tmp_path, perturbation=["a"], context=["x"], **{column: [1.0]})
    with pytest.raises(DataError, match=said):
        read_questions(path, ROLES, dose_unit=unit)
