"""What a distribution and a proper score keep on whatever bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellula.evaluation.metrics.two_piece_normal import TwoPieceNormal

number = st.floats(-1e6, 1e6, allow_subnormal=False)
width = st.floats(0.0, 1e6, allow_subnormal=False)
quick = settings(max_examples=150, deadline=None)


def made(middle: float, below: float, above: float) -> TwoPieceNormal:
    bounds = middle - below, middle, middle + above
    return TwoPieceNormal.through(*(np.array([x]) for x in bounds))


@quick
@given(number, width, width, st.lists(number, min_size=2, max_size=8))
def test_it_is_a_distribution_function(
    middle: float, below: float, above: float, points: list[float]
) -> None:
    x = np.sort(np.array([*points, middle]))
    before, until = made(middle, below, above).cdf(x)
    assert (before >= 0).all()
    assert (until <= 1).all()
    assert (before <= until).all()
    assert (until[:-1] <= before[1:])[np.diff(x) > 0].all()


@quick
@given(number, width, width, number)
def test_a_score_is_no_more_than_the_farthest_error_and_not_negative(
    middle: float, below: float, above: float, x: float
) -> None:
    value = float(made(middle, below, above).crps(np.array([x]))[0])
    size = abs(x - middle) + below + above
    assert -1e-9 * size <= value <= size * (1 + 1e-9)


@quick
@given(width, width, st.floats(-1e3, 1e3), st.floats(0.01, 100.0), st.floats(-1e3, 1e3))
def test_a_score_moves_with_the_unit_and_turns_with_the_sign(
    below: float, above: float, x: float, scale: float, shift: float
) -> None:
    """The middle is 0 at first; x and bounds are scaled, moved and mirrored together."""
    point, zero = np.array([x]), np.zeros(1)
    plain = TwoPieceNormal(zero, zero + below, zero + above).crps(point)
    moved = TwoPieceNormal(zero + shift, zero + scale * below, zero + scale * above)
    turned = TwoPieceNormal(zero, zero + above, zero + below)
    size = scale * (abs(x) + below + above) + abs(shift)
    assert moved.crps(scale * point + shift) == pytest.approx(scale * plain, abs=1e-9 * size)
    assert turned.crps(-point) == pytest.approx(plain, abs=1e-12 * size)
