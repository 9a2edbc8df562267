"""The blocks of a file of BioNetGen, ``begin NAME`` to ``end NAME``, as lines of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cellula.core.errors import DataError

__all__ = ["Line", "blocks"]

#: Blocks of a network that say nothing of how it behaves in time, or that it was made from.
KNOWN = frozenset(
    (
        "parameters", "functions", "species", "reactions", "groups", "compartments",
        "molecule types", "observables", "seed species", "reaction rules", "energy patterns",
        "population maps", "population types", "model", "actions",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its comment. number: of its first line in the file."""

    number: int
    text: str
    comment: str

    @property
    def words(self) -> list[str]:
        """What blanks separate."""
        return self.text.split()


def blocks(text: str, file: str) -> Mapping[str, tuple[Line, ...]]:
    """Name -> lines of every block, empty lines left out; a backslash at an end joins lines.

    Raises DataError, naming file and line, on a block that is not known, not ended or there twice.
    """
    found: dict[str, tuple[Line, ...]] = {}
    name, begun = "", 0
    lines: list[Line] = []
    for line in _joined(text):
        first, _, rest = line.text.partition(" ")
        rest = " ".join(rest.split())
        if first == "end":
            if rest != name:
                raise DataError(f"{file}, line {line.number}: end of {rest!r} in block {name!r}")
            found[name], name = tuple(lines), ""
        elif first == "begin" and not name:
            if rest not in KNOWN or rest in found:
                raise DataError(
                    f"{file}, line {line.number}: a block {rest!r}; expected each once of "
                    f"{', '.join(sorted(KNOWN))}"
                )
            name, lines, begun = rest, [], line.number
        elif name:
            lines.append(line)
    if name:
        raise DataError(
            f"{file}: the block {name!r} of line {begun} has no end; fetch or make the file again"
        )
    return found


def _joined(text: str) -> Iterator[Line]:
    """Every line that says something."""
    before, first = "", 0
    for number, whole in enumerate(text.splitlines(), 1):
        said, _, comment = whole.partition("#")
        said = said.strip()
        first = first if before else number
        if said.endswith("\\"):
            before += said[:-1] + " "
            continue
        said = (before + said).strip()
        before = ""
        if said:
            yield Line(first, said, comment.strip())
