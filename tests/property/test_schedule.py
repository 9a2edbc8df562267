"""The noise schedule: variance is kept, noise only grows, and a known cell is found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cellula.models.learned.blocks.schedule import CosineSchedule

TIMES = st.floats(0.0, 1.0)
SCHEDULE = CosineSchedule()


def at(t: float) -> torch.Tensor:
    return torch.full((3, 1), t, dtype=torch.float64)


@pytest.mark.requirement("K12")
@given(TIMES)
def test_signal_and_noise_keep_the_variance(t: float) -> None:
    total = SCHEDULE.signal(at(t)) ** 2 + SCHEDULE.noise(at(t)) ** 2
    np.testing.assert_allclose(total.numpy(), 1.0, atol=1e-12)


@given(TIMES, TIMES)
def test_noise_only_grows(one: float, two: float) -> None:
    first, last = sorted((one, two))
    assert bool((SCHEDULE.noise(at(first)) <= SCHEDULE.noise(at(last)) + 1e-12).all())


def test_the_ends_are_the_cell_and_nothing_of_it() -> None:
    assert float(SCHEDULE.signal(at(0.0))[0]) == 1.0
    assert float(SCHEDULE.noise(at(0.0))[0]) == 0.0
    assert float(SCHEDULE.signal(at(1.0))[0]) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0.01, 1.0), TIMES, st.integers(0, 99))
def test_a_step_back_with_the_true_cell_keeps_its_noise(t: float, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, e = (torch.from_numpy(rng.normal(size=(3, 4))) for _ in range(2))
    earlier = at(share * t)
    found = SCHEDULE.back(SCHEDULE.noised(x, at(t), e), at(t), earlier, x)
    np.testing.assert_allclose(found.numpy(), SCHEDULE.noised(x, earlier, e).numpy(), atol=1e-7)
