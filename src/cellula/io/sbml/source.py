"""An SBML model while it is read: libsbml's objects, ids as the network has them, faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.errors import DataError

__all__ = ["Source", "listed"]


@dataclass(frozen=True, slots=True)
class Source:
    """document owns model: libsbml frees the one with the other.

    ids: id in the file -> id in the network, where they differ (a writer of ours says so).
    functions: the same of the functions that the model defines. local: local parameters of a
    reaction -> their ids in the network; only in the source of that reaction.
    """

    document: Any
    model: Any
    file: str
    ids: Mapping[str, str]
    functions: Mapping[str, str]
    local: Mapping[str, str]

    @property
    def level(self) -> int:
        """SBML's level: 1, 2 or 3."""
        return int(self.document.getLevel())

    def id(self, sid: str) -> str:
        """The id in the network of what has this id in the file."""
        return self.ids.get(sid, sid)

    def fault(self, element: Any, words: str) -> DataError:
        """An error that names file, line, element and id."""
        id = element.getIdAttribute() if hasattr(element, "getIdAttribute") else ""
        called = f"{element.getElementName()} {id!r}" if id else element.getElementName()
        line = element.getLine()
        place = f"{self.file}, line {line}" if line else self.file
        return DataError(f"{place}: {called} {words}")


def listed(elements: Any) -> Iterator[Any]:
    """The elements of one of libsbml's lists."""
    return (elements.get(place) for place in range(elements.size()))
