"""Real against predicted changes of genes: numbers whose truth is planted."""

from __future__ import annotations

import numpy as np
import pytest
from picture_example import N_CELLS, N_GENES, both, cells, pair

from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.effects import Effects, effects


def by_place(found: tuple[Effects, ...]) -> dict[str, Effects]:
    return {one.place: one for one in found}


def test_the_largest_the_median_and_the_smallest_response_are_shown(run: RunContext) -> None:
    found, why = effects(pair(cells(2)), run)
    assert why == ""
    named = {place: one.perturbation for place, one in by_place(found).items()}
    assert named == {"largest": "strong", "median": "middle", "smallest": "weak"}
    strong = by_place(found)["largest"]
    assert strong.left_out == "strong"  # a readout of that name is the perturbed gene itself
    assert len(strong.readouts) == N_GENES - 1
    assert strong.n_cells == (N_CELLS, N_CELLS, N_CELLS)


@pytest.mark.requirement("E4", "E18")
def test_a_second_experiment_finds_the_planted_genes(run: RunContext) -> None:
    strong = by_place(effects(pair(cells(2)), run)[0])["largest"]
    planted = {f"g{i}" for i in range(10, 15)}
    assert {name for name, is_hit in zip(strong.readouts, strong.is_real, strict=True) if is_hit}
    assert planted <= {n for n, hit in zip(strong.readouts, strong.is_real, strict=True) if hit}
    assert strong.agreement.n_both >= 5
    assert strong.agreement.same_sign == 1.0
    assert strong.agreement.overlap > 0.6
    assert strong.replicate is not None
    assert strong.replicate.n_both >= 5


def test_the_wrong_direction_is_told(run: RunContext) -> None:
    strong = by_place(effects(pair(cells(2, flip=True, scale=0.9)), run)[0])["largest"]
    assert strong.agreement.same_sign < 0.5
    assert strong.agreement.n_both >= 5


def test_nothing_significant_is_no_agreement(run: RunContext) -> None:
    weak = by_place(effects(pair(cells(2)), run)[0])["smallest"]
    assert weak.is_real.sum() <= 1
    if not weak.is_real.any():
        assert np.isnan(weak.agreement.same_sign)


def test_values_below_zero_are_what_cannot_be_measured(run: RunContext) -> None:
    low = cells(2)
    low.X = low.X - 3.2
    found, why = effects(pair(low), run)
    assert why == ""
    assert all(np.isfinite(one.predicted).all() for one in found)


def test_predicted_means_are_compared_and_only_real_changes_tested(run: RunContext) -> None:
    real = cells(1)
    treated = real[~real.obs["is_control"].to_numpy()]
    means = treated[::N_CELLS].copy()
    means.X = np.stack([treated.X[k * N_CELLS : (k + 1) * N_CELLS].mean(axis=0) for k in range(3)])
    found, why = effects(pair(means), run)
    assert why == ""
    strong = by_place(found)["largest"]
    assert not strong.has_test
    assert not strong.is_predicted.any()
    assert strong.is_real.sum() >= 5
    assert strong.agreement.rank == pytest.approx(1.0)  # the real means themselves
    assert strong.agreement.same_sign == 1.0
    assert np.isnan(strong.agreement.overlap)
    assert strong.replicate is not None
    assert strong.replicate.rank < 1.0


def test_real_means_have_no_test(run: RunContext) -> None:
    treated = cells(1)[N_CELLS:]
    means = treated[::N_CELLS].copy()
    found, why = effects(both(means, cells(2)), run)
    assert (found, "needs cells" in why) == ((), True)


def test_few_cells_have_no_test(run: RunContext) -> None:
    few = cells(2)
    few = few[[*range(N_CELLS), *range(N_CELLS, few.n_obs, 12)]].copy()
    found, why = effects(pair(few), run)
    assert (found, "10 real cells" in why) == ((), True)


def test_other_values_are_compared_by_their_difference(run: RunContext) -> None:
    sides = both(cells(1), cells(2), ValueType.Z_SCORE)
    strong = by_place(effects(sides, run)[0])["largest"]
    assert not strong.is_fold
    assert strong.real[strong.readouts.index("g12")] == pytest.approx(1.8, abs=0.3)


def test_equal_seeds_give_equal_numbers(run: RunContext) -> None:
    one, two = (effects(pair(cells(2)), run)[0] for _ in range(2))
    assert repr([part.replicate for part in one]) == repr([part.replicate for part in two])
