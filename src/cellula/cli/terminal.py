"""What a person sees: progress bars on a terminal, plain lines in a pipe, JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, final

if TYPE_CHECKING:
    from cellula.core.gate import Verdict

__all__ = ["TerminalProgress", "print_json", "print_verdicts", "say"]

Item = TypeVar("Item")

#: Outcome -> the mark that stands beside its word.
MARKS = {"passed": "✓", "failed": "✗", "underpowered": "○", "not_eligible": "✗"}


def say(message: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """Print one JSON document."""
    from cellula.core.canonical import plain

    say(json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False))


@final
class TerminalProgress:
    """Progress on standard error: a bar on a terminal, a line a step elsewhere."""

    def say(self, message: str) -> None:
        """Tell one line."""
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """Yield the items, telling how many are done."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import track

            console = Console(stderr=True)
            yield from track(items, description=label, console=console, transient=True)
            return
        for number, item in enumerate(items, 1):
            self.say(f"  {label} {number}/{len(items)}")
            yield item


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print one line a gate: mark, word, subject, number with interval, reason."""
    for verdict in verdicts:
        mark = MARKS.get(verdict.outcome.value, "·")
        head = f"{mark} {verdict.outcome.value:<12} {verdict.gate} · {verdict.subject}"
        say(f"{head}{_interval(verdict)}")
        say(f"    {verdict.reason}")
        if verdict.feedback is not None:
            say(f"    go back to: {verdict.feedback.value}")


def _interval(verdict: Any) -> str:
    if verdict.gate != "anchored_score" or verdict.number is None:
        return ""
    if verdict.lower is None or verdict.upper is None:
        return f": {verdict.number:.3f}"
    return f": {verdict.number:.3f} ({verdict.lower:.3f} to {verdict.upper:.3f})"
