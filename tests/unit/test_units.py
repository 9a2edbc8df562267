"""Units: the only conversions there are."""

from __future__ import annotations

import pytest

from cellula.core.errors import DataError
from cellula.core.units import UNITS, convert


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (2.0, "uM", "dose_molar", 2e-6),
        (3.0, "h", "time_s", 10_800.0),
        (1.0, "d", "time_s", 86_400.0),
        (-0.085, "V", "v_mv", -85.0),
        (7.0, "M", "dose_molar", 7.0),
    ],
)
def test_conversion(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("unit", ["h", "parsec", "um"])
def test_a_unit_of_another_dimension_is_refused(unit: str) -> None:
    with pytest.raises(DataError, match=f"unit '{unit}' cannot become dose_molar.*uM"):
        convert(1.0, unit, "dose_molar")


def test_every_dimension_has_its_canonical_unit() -> None:
    assert {kind for kind, factor, divisor in UNITS.values() if factor == divisor == 1.0} == {
        "dose_molar",
        "time_s",
        "v_mv",
    }


def test_one_dose_in_two_units_is_one_number() -> None:
    assert convert(10.0, "uM", "dose_molar") == convert(1e4, "nM", "dose_molar") == 1e-5
    assert convert(0.3, "mM", "dose_molar") == convert(300.0, "uM", "dose_molar")
