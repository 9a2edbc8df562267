"""Progress: bars that nest and share a display, plain lines in a pipe."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cellula.cli.terminal import TerminalProgress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_tracked_within_a_track_is_told_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = TerminalProgress()
    for _ in progress.track(["a", "b"], "fold"):
        assert len(list(progress.track(range(5), "epochs"))) == 5
    assert capsys.readouterr().err.splitlines() == ["  fold 1/2", "  fold 2/2"]


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    assert list(progress.track(["a", "b"], "fold")) == ["a", "b"]
    assert list(progress.track(["a"], "single")) == ["a"]
    assert capsys.readouterr().err == "  fold 1/2\n  fold 2/2\n"


def test_many_items_in_a_pipe_are_told_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("cellula.cli.terminal.time.monotonic", lambda: float(next(clock)))
    assert len(list(TerminalProgress().track(range(100), "epochs"))) == 100
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  epochs 10/100"
    assert 5 < len(lines) < 12


def test_a_bar_that_is_left_early_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Screen())
    progress = TerminalProgress()
    for epoch in progress.track(range(100), "epochs"):
        if epoch == 3:
            break
    assert progress._display is None


def test_bars_nest_and_share_one_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Screen())
    progress = TerminalProgress()

    def inner(number: int) -> int:
        return sum(progress.track(range(number), f"inner {number}"))

    with ThreadPoolExecutor(2) as pool:
        outer = [pool.submit(inner, item).result() for item in progress.track([2, 3], "outer")]
        progress.say("done")
    assert outer == [1, 3]
    assert progress._display is None
