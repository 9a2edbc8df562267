"""What a person sees: progress bars on a terminal, plain lines in a pipe, JSON for a program."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, final

if TYPE_CHECKING:
    from cellula.core.gate import Verdict
    from cellula.validation.credibility import ClaimStanding

__all__ = [
    "TerminalProgress",
    "print_cautions",
    "print_json",
    "print_standings",
    "print_verdicts",
    "say",
    "say_attempts",
]

Item = TypeVar("Item")

#: In a pipe, more items than this, and what is tracked within another track, are told of only
#: now and then: after so many seconds.
FEW, QUIET_S = 20, 10.0
#: Outcome -> the mark that stands beside its word.
MARKS = {"passed": "✓", "failed": "✗", "underpowered": "○", "not_eligible": "✗"}


def say(message: str) -> None:
    """Print one line; what no text can hold (the bytes of a file's name) is spelled out.

    Raises StorageError when standard output goes to a disk that is full.
    """
    try:
        sys.stdout.write(f"{message}\n".encode(errors="backslashreplace").decode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough
        raise
    except OSError as error:
        from cellula.io.atomic import storage_error

        raise storage_error(Path("standard output"), "lines", error) from error


def say_attempts(attempts: Mapping[str, Mapping[str, Any]]) -> None:
    """Tell of every claim whether its hold-out is fresh, else the level that is left to it."""
    for claim, told in attempts.items():
        n_earlier = len(told["earlier_attempts"])
        if n_earlier:
            levels = ", ".join(f"{level:.6g}" for level in told["levels"])
            say(
                f"  {claim}: {n_earlier} earlier attempt(s) looked at these held-out profiles; "
                f"intervals at the level {levels}"
            )
        elif told["openings"]:
            say(f"  {claim}: fresh hold-out, nobody has looked at it; the full level")


def print_json(value: object) -> None:
    """Print one JSON document."""
    from cellula.core.canonical import plain

    say(json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False))


@final
class TerminalProgress:
    """Progress on standard error: bars on a terminal, a line a step elsewhere.

    Tracks may be nested and may run on several threads: all bars stand in one display.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._display: Any = None
        self._open = 0
        self._told = time.monotonic()

    def say(self, message: str) -> None:
        """Tell one line."""
        with self._lock:
            if self._display is not None:
                self._display.console.print(message, markup=False, highlight=False)
                return
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """Yield the items, telling how many are done; a single item is not worth a line."""
        if len(items) < 2:
            yield from items
        elif sys.stderr.isatty():
            yield from self._bar(items, label)
        else:
            yield from self._lines(items, label)

    def _lines(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """A line an item where they are few, else one now and then: a log is for reading."""
        is_told = self._open == 0 and len(items) <= FEW
        self._open += 1
        try:
            for number, item in enumerate(items, 1):
                if is_told or time.monotonic() - self._told >= QUIET_S:
                    self.say(f"  {label} {number}/{len(items)}")
                    self._told = time.monotonic()
                yield item
        finally:
            self._open -= 1

    def _bar(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        with self._lock:
            if self._display is None:
                self._display = _display()
                self._display.start()
            self._open += 1
            task = self._display.add_task(label, total=len(items))
        try:
            for item in items:
                yield item
                self._display.advance(task)
        finally:
            with self._lock:
                self._display.remove_task(task)
                self._open -= 1
                if self._open == 0:
                    self._display.stop()
                    self._display = None


def _display() -> Any:
    """An empty set of bars on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print one line a gate: mark, word, subject, what its number is about, reason."""
    for verdict in verdicts:
        mark = MARKS.get(verdict.outcome.value, "·")
        head = f"{mark} {verdict.outcome.value:<12} {verdict.gate} · {verdict.subject}"
        say(f"{head}{_measured(verdict)}")
        say(f"    {verdict.reason}")
        if verdict.feedback is not None:
            say(f"    go back to: {verdict.feedback.value}")


def _measured(verdict: Verdict) -> str:
    """What the number is about, and the number: `` · pearson_delta@1 .59 (.57–.61)``."""
    from cellula.core.numerals import estimate

    if not verdict.about or verdict.number is None:
        return ""
    return f" · {verdict.about} {estimate(verdict.number, verdict.lower, verdict.upper)}"


def print_standings(standings: Sequence[ClaimStanding]) -> None:
    """Print one line a claim: the tier it reached, the tier its use requires, what is permitted."""
    for one in standings:
        tiers = f"tier {one.tier.value} reached, {one.required.value} required"
        say(f"claim    {one.claim}: {tiers}; permitted use: {one.permitted_use}")


def print_cautions(cautions: Sequence[Mapping[str, Any]]) -> None:
    """Print how many cautions there are, then two lines each: about what, and what to do."""
    noun = "caution" if len(cautions) == 1 else "cautions"
    say(f"{len(cautions) or 'no'} {noun}")
    for one in cautions:
        say(f"! {str(one['kind']).replace('_', ' ')} · {one['where']}: {one['what']}")
        say(f"    {one['action']}")
