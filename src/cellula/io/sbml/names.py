"""Ids that are new in a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

__all__ = ["Names"]


@final
class Names:
    """The ids that are taken; gives new ones that are not."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wanted: str) -> str:
        """``wanted``, with ``_2``, ``_3``, ... where it is taken; it is taken from now on."""
        id, count = wanted, 1
        while id in self._taken:
            count += 1
            id = f"{wanted}_{count}"
        self._taken.add(id)
        return id
