"""Numbers are printed one way, and no rounding hides a difference."""

from __future__ import annotations

import math

import pytest

from cellula.core.numerals import (
    at_least,
    at_most,
    bound,
    count,
    duration,
    estimate,
    number,
    percent,
    size,
    span,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.59, ".59"),
        (0.5, ".50"),
        (-0.034, "−.03"),
        (0.0042, ".004"),
        (1.254, "1.25"),
        (12.34, "12.3"),
        (123.4, "123"),
        (21379, "21,379"),
        (0, "0"),
        (-0.0, "0"),
        (9e-6, "< .0001"),
        (-9e-6, "> −.0001"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_fixed_decimals_keep_columns_aligned() -> None:
    assert [number(v, 2) for v in (0.0, 1.0, -0.004, 0.999)] == [".00", "1.00", ".00", "1.00"]
    assert number(10.5, 2) == "10.50"


def test_estimate_shows_its_interval() -> None:
    assert estimate(0.59, 0.57, 0.61) == ".59 (.57–.61)"
    assert estimate(0.0, -0.02, 0.02) == ".00 (−.02\u00a0to\u00a0.02)"
    assert estimate(0.59, None, None) == ".59"
    assert estimate(None, 0.1, 0.2) == "–"


def test_a_narrow_interval_gets_the_decimals_it_needs() -> None:
    assert estimate(0.5901, 0.5894, 0.5908) == ".590 (.589–.591)"
    assert estimate(0.033, 0.026, 0.040) == ".033 (.026–.040)"
    assert span(0.5, 0.5) == ".50–.50"
    assert span(2.70682, 2.70684) == "2.71–2.71"


def test_other_quantities() -> None:
    assert count(21379) == "21,379"
    assert percent(0.904) == "90.4\u202f%"
    assert percent(0.95) == "95\u202f%"
    assert percent(0.9, 1) == "90.0\u202f%"
    assert percent(None) == "–"
    assert bound(0.0004) == "< .001"
    assert bound(0.0341) == ".034"
    assert duration(0.02) == ".02\u202fs"
    assert duration(6.1) == "6.1\u202fs"
    assert duration(138) == "2.3\u202fmin"
    assert duration(7200) == "2.0\u202fh"
    assert size(640) == "640\u202fB"
    assert size(210_000_000) == "210\u202fMB"
    assert size(1_400_000_000) == "1.4\u202fGB"


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [
        (0.642, 0.5, ".64 ≥ .50"),
        (0.4996, 0.5, ".4996 < .5000"),
        (0.5, 0.5, ".50 ≥ .50"),
        (0.0227, 0.2, ".02 < .20"),
        (-0.25, 0.2, "−.25 < .20"),
    ],
)
def test_a_number_against_its_limit_is_told_apart_from_it(
    value: float, limit: float, told: str
) -> None:
    assert at_least(value, limit) == told


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [(0.027, 0.1, ".03 ≤ .10"), (0.104, 0.1, ".104 > .100"), (0.0012, 0.1, ".001 ≤ .10")],
)
def test_a_small_number_is_never_told_as_zero(value: float, limit: float, told: str) -> None:
    assert at_most(value, limit) == told
