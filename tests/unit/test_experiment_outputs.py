"""Plots and tables of experiments, and the methods that they name."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.experiment import DataSet, ReportTable
from cellula.core.kisao import kisao_id, kisao_of, method_of
from cellula.io.experiment_tables import report_table
from cellula.report.curves import CourseCurve, curves

X = np.linspace(0, 4, 5)[None]


def test_a_curve_is_drawn_and_told() -> None:
    told = curves([CourseCurve("A", X, 2 * X)], "Rise", is_log_x=False, is_log_y=False)
    assert "A ends at 8" in told
    assert told == curves([CourseCurve("A", X, 2 * X)], "Rise", is_log_x=False, is_log_y=False)


def test_what_is_not_above_0_is_a_gap_on_a_logarithmic_axis() -> None:
    told = curves([CourseCurve("A", X, 10.0**X - 1)], "Rise", is_log_x=False, is_log_y=True)
    assert "A ends at 9999" in told
    with pytest.raises(DataError, match="no point that can be drawn"):
        curves([CourseCurve("A", X, -X)], "Fall", is_log_x=False, is_log_y=True)


def test_tables_number_iterations_and_refuse_what_differs() -> None:
    report = ReportTable("r", (DataSet("t", "x"), DataSet("k", "one")))
    found = report_table(report, {"x": np.zeros((2, 3)), "one": np.ones((1, 1))})
    assert list(found.columns) == ["iteration", "t", "k"]
    assert found["iteration"].tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(DataError, match="joins data sets"):
        report_table(report, {"x": np.zeros((2, 3)), "one": np.ones((1, 4))})
    twice = ReportTable("r", (DataSet("t", "x"), DataSet("t", "x")))
    with pytest.raises(DataError, match="two columns 't'"):
        report_table(twice, {"x": np.zeros((1, 3))})


def test_methods_of_kisao() -> None:
    assert kisao_id("KISAO_0000019") == "KISAO:0000019"
    found = method_of("KISAO:0000027")
    assert found is not None
    assert (found.simulator, found.options, found.is_same) == (
        "ssa",
        {"method": "next_reaction"},
        True,
    )
    assert method_of("KISAO:0000437") is None
    assert method_of(kisao_of("ode")).simulator == "ode"  # type: ignore[union-attr]
    with pytest.raises(DataError, match="no method of KiSAO"):
        kisao_of("maboss")
