"""Run contexts: streams that depend on the seed and the key alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cellula.core.run import RunContext, SilentProgress, run_context


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    one, two = (run_context(3, tmp_path).rng.random(4) for _ in range(2))
    assert np.array_equal(one, two)


def test_a_child_depends_on_its_key_alone(run: RunContext) -> None:
    first = run.child("model", 1).rng.random(3)
    run.rng.random(1000)
    run.child("other").rng.random(1000)
    assert np.array_equal(run.child("model", 1).rng.random(3), first)


def test_children_of_different_keys_differ(run: RunContext) -> None:
    keys = [("a",), ("b",), (1,), ("a", 1), (1, "a"), ("ab",), ("a", "b")]
    drawn = [run.child(*key).rng.random() for key in keys]
    assert len(set(drawn)) == len(keys)
    assert run.child("a").child("b").rng.random() == run.child("a", "b").rng.random()


def test_a_child_keeps_everything_else(run: RunContext) -> None:
    child = run.child("x")
    assert (child.threads, child.device, child.scratch) == (run.threads, "cpu", run.scratch)


def test_a_silent_progress_yields_every_item() -> None:
    progress = SilentProgress()
    progress.say("nothing")
    assert list(progress.track([1, 2, 3], "items")) == [1, 2, 3]
