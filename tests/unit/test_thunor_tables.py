"""Wells of a Thunor screen: growth, rates and the treatments of every well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.thunor_tables import DIP_RATE, ThunorTables, dip_rate

HOURS = np.arange(2.0, 80.0, 6.0)


def course(well: int, rate: float, column: str = "cell_count") -> pd.DataFrame:
    counts = 100.0 * 2.0 ** (rate * (HOURS - HOURS[0]))
    return pd.DataFrame({"well_id": well, "timepoint_h": HOURS, column: counts})


def tables() -> dict[str, pd.DataFrame]:
    """A control and two wells of a drug on one plate, whose wells are numbered from 1000."""
    control = course(1001, 0.03, "value").assign(cell_line="BT20", plate="p1", well_num=1)
    doses = pd.DataFrame(
        {
            "drug": "torin2",
            "cell_line": "BT20",
            "dose_M": [1e-7, 1e-6],
            "well_id": [1002, 1003],
            "well_num": [2, 3],
        }
    )
    assays = pd.concat([course(1002, 0.01), course(1003, -0.02)])
    return {"assays": assays, "controls": control, "doses": doses}


def made(folder: Path, change: Callable[[dict[str, pd.DataFrame]], None] | None = None) -> Path:
    path = folder / "screen.thunor"
    path.mkdir(exist_ok=True)
    written = tables()
    if change is not None:
        change(written)
    for name, table in written.items():
        table.to_csv(path / f"{name}.csv.gz", index=False)
    return path


@pytest.mark.requirement("A5", "time-lapse counts become growth and proliferation rates of wells")
def test_wells_have_their_growth_rate_and_plate(tmp_path: Path) -> None:
    found = read(made(tmp_path))
    assert list(found.var_names) == ["log2_fold_24h", "log2_fold_48h", "log2_fold_72h", DIP_RATE]
    assert list(found.obs["drug"]) == ["torin2", "torin2", "control"]
    assert list(found.obs["is_control"]) == [False, False, True]
    assert set(found.obs["plate"]) == {"p1"}
    rates = np.array([0.01, -0.02, 0.03])
    assert np.allclose(found.X[:, 3], rates)
    assert np.allclose(found.X[:, :3], rates[:, None] * (np.array([24, 48, 72]) - 2.0))


def test_the_rate_is_that_after_the_delay() -> None:
    noise = 0.02 * np.random.default_rng(0).normal(size=25)
    hours = np.linspace(0, 120, 25)
    level = np.where(hours < 30, 0.04 * hours, 1.2 - 0.02 * (hours - 30)) + noise
    whole = np.polyfit(hours, level, 1)[0]
    assert abs(dip_rate(hours, level) + 0.02) < 0.001 < abs(whole + 0.02)
    assert dip_rate(hours, np.ones(25)) == 0.0


def test_an_empty_well_counts_as_half_a_cell(tmp_path: Path) -> None:
    def empty(written: dict[str, pd.DataFrame]) -> None:
        rows = (written["assays"]["well_id"] == 1003) & (written["assays"]["timepoint_h"] > 20)
        written["assays"].loc[rows, "cell_count"] = 0.0

    found = ThunorTables().read(made(tmp_path, empty))
    assert np.allclose(found.X[1, 1:3], np.log2(0.5 / 100.0))


def cut(table: str, **changes: object) -> Callable[[dict[str, pd.DataFrame]], None]:
    def change(written: dict[str, pd.DataFrame]) -> None:
        written[table] = written[table].assign(**changes)

    return change


def without(table: str, column: str) -> Callable[[dict[str, pd.DataFrame]], None]:
    def change(written: dict[str, pd.DataFrame]) -> None:
        written[table] = written[table].drop(columns=column)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("doses", "dose_M"), "no column 'dose_M'"),
        (cut("doses", dose_M=[1e-7, 0.0]), "not above 0"),
        (cut("doses", dose_M=[1e-7, np.nan]), "no dose_M in row 1"),
        (cut("doses", dose_M=["a", "b"]), "holds text"),
        (cut("doses", well_id=[1002, 1002], well_num=[2, 2]), "listed twice"),
        (cut("doses", well_num=[2, 7]), "plate of well 1003 has no control"),
        (cut("assays", well_id=1002), "two counts of one time|no counts"),
        (cut("assays", cell_count=-1.0), "negative count"),
        (cut("controls", timepoint_h=HOURS + 20), "scans from 22.0 h"),
    ],
)
def test_what_is_wrong_is_named(
    change: Callable[[dict[str, pd.DataFrame]], None], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(made(tmp_path, change))
    assert "screen.thunor" in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    (path / "controls.csv.gz").unlink()
    with pytest.raises(DataError, match=r"screen.thunor has no controls.csv.gz"):
        read(path)


@pytest.mark.data
def test_the_screen_of_breast_cancer_lines(data_dir: Path) -> None:
    found = read(data_dir / "drug" / "thunor_tnbc", "thunor")
    assert found.shape == (4287, 4)
    assert found.obs["is_control"].sum() == 226
    assert found.obs["plate"].nunique() == 16
    fast = found.obs["is_control"] & (found.obs["cell_line"] == "MCF10A-VU")
    assert 0.05 < np.median(found.X[fast.to_numpy(), 3]) < 0.07
