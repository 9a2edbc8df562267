"""A network of the response: what it learns, what dropout tells, and that its answers are fixed."""

from __future__ import annotations

import numpy as np
import pytest
import response_example as example
import torch
from torch import nn

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.learned.blocks.dropout import Dropout, spread_of_passes, thinned
from cellula.models.learned.blocks.layers import mlp

OPTIONS = {"width": 32, "dimensions": 4, "train": {"epochs": 120, "learning_rate": 0.005}}


@pytest.fixture(scope="module")
def split() -> tuple[Dataset, Dataset, Dataset]:
    """60 perturbations to learn from, 20 to tune on, 30 unseen; features of all are known."""
    rng = np.random.default_rng(0)
    known, new = example.responses(80, rng), example.responses(30, rng, start=500)
    both = example.joined(known, new)
    labels = both.obs["perturbation"].astype(str).to_numpy()
    number = np.array([-1 if name == "vehicle" else int(name[1:]) for name in labels])
    is_control = both.is_control
    parts = (number < 60, (number >= 60) & (number < 500), number >= 500)
    train, valid, test = (both.take((part | is_control) if i < 2 else part & ~is_control)
                          for i, part in enumerate(parts))  # fmt: skip
    return train, valid, test


def error(data: Dataset, name: str, options: dict, parts: tuple, run: RunContext) -> float:
    """Root mean squared error on unseen perturbations."""
    train, valid, _ = parts
    fitted = registry.create("model", name, options).fit(train, valid, run)
    batches = list(fitted.predict(data.queries(), train.controls, run))
    mean = np.concatenate([batch.mean for batch in batches])
    return float(np.sqrt(np.mean((mean - data.dense()) ** 2)))


@pytest.mark.requirement("K12")
def test_it_learns_what_a_line_cannot(
    split: tuple[Dataset, Dataset, Dataset], run: RunContext
) -> None:
    """A curved response: the network beats the mean and the ridge on the same features."""
    test = split[2]
    ours = error(test, "mlp_response", OPTIONS, split, run)
    assert ours < 0.6 * error(test, "mean_response", {}, split, run)
    assert ours < 0.8 * error(test, "bilinear_ridge", {}, split, run)


@pytest.mark.requirement("E10")
def test_dropout_is_wider_where_training_was_not(run: RunContext) -> None:
    rng = np.random.default_rng(2)
    known, near = example.responses(60, rng), example.responses(30, rng, start=500)
    far = example.responses(30, rng, start=900, reach=3.0)
    both = example.joined(example.joined(known, near), far)
    number = np.array([int(n[1:]) if n != "vehicle" else -1 for n in both.obs["perturbation"]])
    train = both.take((number < 500) | both.is_control)
    options = {**OPTIONS, "passes": 30, "dropout": 0.2}
    model = registry.create("model", "mlp_response", options)
    fitted = model.fit(train, None, run)
    again = model.restore(fitted.state())
    width = {}
    for name, part in (("near", (number >= 500) & (number < 900)), ("far", number >= 900)):
        asked = both.take(part)
        (one,) = fitted.predict(asked.queries(), train.controls, run)
        (two,) = again.predict(asked.queries(), train.controls, run)
        np.testing.assert_array_equal(one.upper, two.upper)
        width[name] = float((one.upper - one.lower).mean())
    assert width["far"] > 1.05 * width["near"]


def test_an_interval_does_not_depend_on_the_other_questions(
    split: tuple[Dataset, Dataset, Dataset], run: RunContext
) -> None:
    train, valid, test = split
    options = {"passes": 3, "train": {"epochs": 2}}
    fitted = registry.create("model", "mlp_response", options).fit(train, valid, run)
    (whole,) = fitted.predict(test.queries(), train.controls, run)
    (one,) = fitted.predict(test.queries().take(slice(5, 6)), train.controls, run)
    np.testing.assert_allclose(whole.upper[5:6], one.upper, rtol=1e-9)


def test_what_is_believed_of_noise_is_little(run: RunContext) -> None:
    """Features that tell nothing: the answer falls back to the mean response."""
    rng = np.random.default_rng(1)
    data = example.responses(60, rng)
    shuffled = data.perturbation_features.copy()
    shuffled[:] = shuffled.to_numpy()[rng.permutation(len(shuffled))]
    noise = Dataset(data.data, data.value_type, perturbation_features=shuffled)
    number = np.array(
        [-1 if n == "vehicle" else int(n[1:]) for n in noise.obs["perturbation"].astype(str)]
    )
    train, valid = noise.take(number < 40), noise.take((number >= 40) | noise.is_control)
    fitted = registry.create("model", "mlp_response", OPTIONS).fit(train, valid, run)
    assert fitted.belief < 0.5


def test_one_pass_and_no_control_are_refused(
    split: tuple[Dataset, Dataset, Dataset], run: RunContext
) -> None:
    train = split[0]
    with pytest.raises(DataError, match="one pass has no spread"):
        registry.create("model", "mlp_response", {"passes": 1}).fit(train, None, run)
    with pytest.raises(DataError, match="have no control"):
        registry.create("model", "mlp_response", {}).fit(train.treated, None, run)


def test_a_mask_is_the_same_for_all_rows_and_gone_afterwards() -> None:
    network = mlp((4, 50, 3), dropout=0.5).eval()
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0)).repeat(6, 1)
    before = network(x)
    with thinned(network, torch.Generator().manual_seed(1)):
        inside = network(x)
    torch.testing.assert_close(inside[0], inside[5])
    assert not torch.allclose(inside, before)
    assert torch.equal(network(x), before)
    spread = spread_of_passes(network, lambda: network(x), 40, torch.Generator().manual_seed(2))
    assert bool((spread > 0).all())
    with pytest.raises(ValueError, match="at least 2"):
        spread_of_passes(network, lambda: network(x), 1, torch.Generator())


def test_the_mean_of_masks_is_the_whole_layer() -> None:
    layer, generator = Dropout(0.3, 200), torch.Generator().manual_seed(0)
    total = torch.zeros(200)
    for _ in range(300):
        with thinned(nn.Sequential(layer), generator):
            total += layer(torch.ones(200))
    assert float((total / 300).mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(layer.eval()(torch.ones(200)), torch.ones(200))
