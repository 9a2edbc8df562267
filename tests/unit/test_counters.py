"""Resamples by counters: any block, any order, any threads; the statistics of a bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from cellula.kernels.counters import coin_flips, resample_counts


def test_splitmix_is_the_published_generator() -> None:
    """The third output of SplitMix64 from seed 0 decides draws 4 and 5 of a row."""
    outputs = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    n = 6
    expected = np.zeros(n)
    for bits in outputs:
        expected[((bits & 0xFFFFFFFF) * n) >> 32] += 1
        expected[((bits >> 32) * n) >> 32] += 1
    np.testing.assert_array_equal(resample_counts(1, 0, 1, n)[0], expected)


@pytest.mark.parametrize("n_units", [1, 2, 7, 20])
def test_a_resample_depends_on_its_number_alone(n_units: int) -> None:
    whole = resample_counts(99, 0, 50, n_units)
    np.testing.assert_array_equal(whole.sum(axis=1), n_units)
    np.testing.assert_array_equal(whole[17:30], resample_counts(99, 17, 13, n_units))
    if n_units > 2:
        assert (whole != resample_counts(100, 0, 50, n_units)).any()
    assert resample_counts(2**64 - 1, 0, 3, n_units).sum() == 3 * n_units


def test_counts_are_multinomial() -> None:
    counts = resample_counts(7, 0, 20_000, 10)
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), 0.9, atol=0.05)
    np.testing.assert_allclose(np.cov(counts.T)[0, 1:], -0.1, atol=0.03)
    assert chisquare(counts.sum(axis=0)).pvalue > 1e-4
    first, second = counts[:-1, 0], counts[1:, 0]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_coins_are_fair_and_depend_on_their_row_alone() -> None:
    flips = coin_flips(11, 0, 4000, 70)
    assert set(np.unique(flips)) == {0.0, 1.0}
    np.testing.assert_allclose(flips.mean(axis=0), 0.5, atol=0.04)
    np.testing.assert_allclose(np.corrcoef(flips.T)[0, 1:], 0.0, atol=0.07)
    np.testing.assert_array_equal(flips[100:120], coin_flips(11, 100, 20, 70))
    assert (flips[:50] != coin_flips(12, 0, 50, 70)).any()
