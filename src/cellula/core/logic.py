"""Logic models: every component has a few levels, and a rule for the level that it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cellula.core.errors import DataError
from cellula.core.expression import Expression, symbols

__all__ = ["Component", "LogicNetwork"]


@dataclass(frozen=True, slots=True)
class Component:
    """A gene or protein whose level is 0 ... ``max_level``; Boolean where that is 1.

    target: the level that the component goes to, of the components' levels (comparisons,
    ``and``, ``or``, ``not``, ``piecewise``; a Boolean id by itself is true at level 1). None is
    an input: it stays where it is. initial: its level at the start, None where it may be any.
    """

    id: str
    target: Expression | None
    max_level: int = 1
    initial: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class LogicNetwork:
    """Components under unique ids [kauffman1969]_ [thomas1991]_.

    rates: id -> (up, down), per time, for continuous time; 1 for those not named. Raises
    DataError on an id used twice, a rule that names none of them, or a level out of range.
    """

    id: str
    components: tuple[Component, ...]
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {one.id for one in self.components}
        if len(known) < len(self.components):
            ids = [one.id for one in self.components]
            twice = next(id for id in ids if ids.count(id) > 1)
            raise DataError(f"component {twice!r} stands twice in logic network {self.id!r}")
        for one in self.components:
            strange = [] if one.target is None else set(symbols(one.target)) - known
            if strange:
                raise DataError(
                    f"the rule of {one.id!r} names {min(strange)!r}, which logic network "
                    f"{self.id!r} lacks"
                )
            if one.max_level < 1 or not (one.initial is None or 0 <= one.initial <= one.max_level):
                raise DataError(
                    f"component {one.id!r} starts at {one.initial} of {one.max_level} levels"
                )

    @property
    def ids(self) -> tuple[str, ...]:
        """The components in order."""
        return tuple(one.id for one in self.components)
