"""A mechanistic model whose declared parameters are fitted to training: recovery and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, StudyError
from cellula.core.model import Fitted, Model
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext
from mechanistic_example import planted, planted_options

pytest.importorskip("fides", reason="needs the extra fitting")

RANGES = {"k": {"lower": 0.01, "upper": 100.0}, "d": {"lower": 0.01, "upper": 100.0}}

SMALL = {"fitted": RANGES, "starts": 2, "draws": 8, "time": {"points": 2}}


def model(folder: Path, **changed: Any) -> Model:
    given = planted_options(folder, **(SMALL | changed))
    found: Model = registry.create("model", "mechanistic_model", given)
    return found


def halves(noise: float = 0.05) -> tuple[Dataset, Dataset]:
    """Training and doses that it does not have."""
    data = planted(noise=noise)
    is_held = np.isin(data.obs["dose_molar"].to_numpy(), [3e-8, 3e-7])
    return data.take(~is_held), data.take(is_held)


def asked(one: Fitted, held: Dataset, run: RunContext) -> Prediction:
    (found,) = one.predict(held.queries(), None, run)
    return found


@pytest.mark.requirement("K9", "declared parameters are fitted to training")
@pytest.mark.requirement("A5")
def test_planted_values_are_recovered_and_held_out_doses_covered(run: RunContext) -> None:
    train, held = halves()
    made = model(run.scratch)
    one = made.fit(train, None, run)
    values = one.state().meta["fitted"]
    assert values["k"] == pytest.approx(1.0, rel=0.1)
    assert values["d"] == pytest.approx(0.5, rel=0.1)
    found, truth = asked(one, held, run), held.dense()
    assert found.lower is not None
    assert found.upper is not None
    inside = (found.lower <= truth) & (truth <= found.upper)
    assert 0.7 <= inside.mean() <= 1.0
    assert (found.upper - found.lower).max() < 1.5
    error = float(np.sqrt(((found.mean - truth) ** 2).mean()))
    fixed = planted_options(run.scratch, fitted={})
    wrong = {"contexts": {name: {"R": r, "k": 3.0} for name, r in (("low", 1.0), ("high", 2.0))}}
    other: Fitted = registry.create("model", "mechanistic_model", fixed | wrong).fit(
        train, None, run
    )
    assert error < 0.2 * float(np.sqrt(((asked(other, held, run).mean - truth) ** 2).mean()))
    again = asked(made.restore(one.state()), held, run)
    np.testing.assert_array_equal(again.mean, found.mean)
    np.testing.assert_array_equal(again.lower, found.lower)


def test_what_cannot_be_fitted_is_named(run: RunContext) -> None:
    train, _ = halves()
    with pytest.raises(DataError, match="fitted names 'q'"):
        model(run.scratch, fitted={"q": RANGES["k"]}).fit(train, None, run)
    for changed, words in (
        ({"fitted": {"R": RANGES["k"]}}, "'R' is fitted and a context gives it"),
        ({"scale": "fitted"}, "take one of the two"),
        ({"fitted": {"k": {"lower": 2.0, "upper": 1.0}}}, "lower 2 is not below upper 1"),
        ({"fitted": {"k": {"lower": 0.0, "upper": 1.0}}}, "lower 0 is not above 0"),
    ):
        with pytest.raises(StudyError, match=words):
            model(run.scratch, **changed)
