"""Features from several sources: those whose names differ by a number alone belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["feature_blocks", "unit_scaled"]

#: A name that ends in a number: its stem names the block, as in response0, response1.
NUMBERED = re.compile(r"^(.+?)[_:. ]?\d+$")


def feature_blocks(names: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """Columns of every block, in the order of their first columns.

    Two or more names with one stem before a final number (``response0``, ``response1``;
    ``GO:0006915``, ``GO:0008283``) are a block; all others together are one more.
    """
    stems: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found = NUMBERED.match(name)
        stems.setdefault("" if found is None else found[1], []).append(place)
    rest = sorted(
        p for stem, places in stems.items() if not stem or len(places) < 2 for p in places
    )
    blocks = [places for stem, places in stems.items() if stem and len(places) > 1]
    blocks += [rest] if rest else []
    return tuple(np.array(block, np.int64) for block in sorted(blocks, key=lambda b: b[0]))


def unit_scaled(block: NDArray[np.float64], fitted: NDArray[np.int64]) -> NDArray[np.float64]:
    """A block (items, columns) whose rows have a root mean square length of 1.

    fitted: the rows that count; all where there is none.
    """
    basis = block[fitted] if len(fitted) else block
    length = float(np.sqrt((basis**2).sum(axis=1).mean())) if basis.size else 0.0
    return block / length if length > 0 else block
