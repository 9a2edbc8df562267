"""What a check of evidence finds: problems, what is known now, what could not be known."""

from __future__ import annotations

from dataclasses import dataclass

from cellula.core.errors import legible

__all__ = ["Problem", "Verification"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with which file."""

    file: str
    what: str

    def __str__(self) -> str:
        return legible(f"{self.file}: {self.what}")


@dataclass(frozen=True, slots=True)
class Verification:
    """Problems; sentences that the check established; sentences on what it could not know."""

    problems: tuple[Problem, ...] = ()
    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Whether nothing that was checked was changed."""
        return not self.problems

    def and_then(self, other: Verification) -> Verification:
        """Both findings in one, nothing said twice."""
        return Verification(
            tuple(dict.fromkeys(self.problems + other.problems)),
            tuple(dict.fromkeys(self.known + other.known)),
            tuple(dict.fromkeys(self.unknown + other.unknown)),
        )
