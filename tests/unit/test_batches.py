"""Populations drawn and solved in batches, here and on a cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest

from cellula.core import batches
from cellula.core.batches import Task, batch_size, each_batch
from cellula.core.canonical import RowDigest, hash_array
from cellula.core.errors import DataError
from cellula.core.run import run_context
from cellula.core.simulation import Schedule
from cellula.core.spread import spread
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions
from cellula.testing.simulator import decay

TIMES = np.linspace(0.0, 4.0, 5)


@final
class Elsewhere:
    """A cluster to which all items travel as bytes; it counts how many it had at once."""

    def __init__(self) -> None:
        self.waves: list[int] = []

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
        """Apply to copies."""
        sent = [pickle.dumps((function, item)) for item in items]
        self.waves.append(len(sent))
        for one in sent:
            own, item = pickle.loads(one)
            yield pickle.loads(pickle.dumps(own(item)))


@final
class Heard:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep the line."""
        self.said.append(message)

    def track(self, items: Any, label: str) -> Iterator[Any]:
        """Yield the items."""
        return iter(items)


def task() -> Task:
    return Task((Ode(SolverOptions()),), decay(), Schedule(), TIMES)


@pytest.mark.requirement("S3")
def test_batches_and_clusters_give_the_whole(tmp_path: Path) -> None:
    run, far = run_context(5, tmp_path), Elsewhere()
    away = run_context(5, tmp_path, cluster=far)
    cells = spread(decay(), {"k": 0.3}, 200, run)
    (whole,) = each_batch(task(), cells, 200, run)
    for size, where in ((33, run), (1, run), (3, away)):
        found = list(each_batch(task(), cells, size, where))
        assert [one.first for one in found] == list(range(0, 200, size))
        together = np.concatenate([one.courses[0].values for one in found])
        assert np.array_equal(together, whole.courses[0].values)
    assert max(far.waves) == batches.WAVE
    assert sum(far.waves) == 67


def test_a_long_rest_is_told_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WORTH_S", 0.0)
    heard = Heard()
    run = run_context(5, tmp_path, progress=heard)
    list(each_batch(task(), spread(decay(), {"k": 0.3}, 100, run), 50, run))
    assert len(heard.said) == 1
    assert heard.said[0].endswith("for the other 67 cells, by the first 32")


def test_cells_are_log_normal_and_the_same_in_any_part(tmp_path: Path) -> None:
    run = run_context(5, tmp_path)
    cells = spread(decay(), {"k": 0.5, "A": 0.2}, 20_000, run)
    (whole,) = cells.batches(20_000)
    own = {one.id: one.value for one in decay().parameters}
    k = whole.values[:, 0]
    assert k.mean() == pytest.approx(own["k"], rel=0.02)
    assert k.std() / k.mean() == pytest.approx(0.5, rel=0.03)
    assert abs(np.corrcoef(np.log(whole.values).T)[0, 1]) < 0.03
    parts = list(cells.batches(777))
    assert np.array_equal(np.concatenate([one.values for one in parts]), whole.values)
    assert [one.first for one in parts][:3] == [0, 777, 1554]
    few = spread(decay(), {"k": 0.5, "A": 0.2}, 10, run)
    assert np.array_equal(next(few.batches(10)).values, whole.values[:10])


@pytest.mark.parametrize(
    ("variations", "n_cells", "message"),
    [
        ({"k": 0.5}, 0, "0 cells are asked for"),
        ({"k": float("nan")}, 2, "varies by nan"),
        ({"decay": 0.5}, 2, "a formula gives it"),
    ],
)
def test_what_cannot_vary(
    variations: dict[str, float], n_cells: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        spread(decay(), variations, n_cells, run_context(0, tmp_path))


def test_rows_are_digested_as_the_array_is() -> None:
    values = np.arange(24.0).reshape(4, 3, 2)
    digest = RowDigest(values.shape)
    for part in (values[:1], values[1:]):
        digest.add(part)
    assert digest.hexdigest() == hash_array(values)


def test_a_batch_is_bounded() -> None:
    assert batch_size(3, 195) == 1024
    assert batch_size(1001, 1000) == 32
    assert batch_size(101, 195) % 32 == 0
