"""Which responses can tell a good prediction from a trivial one; the prediction is not asked.

The profiles of a perturbation in a context are dealt into parts (its units of replication where
there are at least 6, else random parts of its cells). What the parts agree on is real: with D_k
the mean of part k minus an answer, the mean of <D_k, D_l> over k != l estimates the squared error
of the answer without the noise of the cells, and flipping the signs of the parts gives its
distribution where the answer is right [pitman1937]_: at most 12 parts, all 2^11 arrangements.
The row is then ::

    resistant   the response is indistinguishable from control (p > .05): half of the experiment
                agrees with the other half no better than the control does
    solved      there is a response, but what a trivial answer leaves of it is indistinguishable
                from noise: beyond that answer the halves do not agree either
    open        between: here a model can show what it knows
    unjudged    fewer than 6 parts

The noise is taken out on purpose. A weak response of many noisy readouts is real long before half
of the cells predict the other half better than the control does; such a row is hard, not solved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.dataset import Matrix
from cellula.core.matrix import loaded
from cellula.core.numerals import plural
from cellula.core.prediction import Population
from cellula.evaluation.drawn import part_means
from cellula.evaluation.score import row_codes
from cellula.evaluation.thirds import thirds_of

__all__ = ["RESOLVABILITY", "Resolvability", "responses"]

Resolvability = Literal["open", "solved", "resistant", "unjudged"]
RESOLVABILITY: tuple[Resolvability, ...] = ("open", "solved", "resistant", "unjudged")
#: One-sided level of the test that something is left.
LEVEL = 0.05
#: Fewest parts that can reach it, and most parts: 2^11 arrangements of signs.
FEWEST_PARTS, MOST_PARTS = 6, 12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Test:
    """What an answer leaves of a response: its mean square without noise, and p of nothing."""

    left: float
    p: float


def responses(
    trivial: Mapping[str, Comparison], rng: np.random.Generator, control: str = "control"
) -> pd.DataFrame:
    """One row a perturbation and context: how large its real response is, how resolvable.

    trivial: the trivial answers beside the real profiles, all of the same groups; ``control``
    names the one that is the control. rng: deals cells into parts. Columns: perturbation,
    context, response (third by the root mean square of the response), resolvability,
    n_parts, p_control (of no response), p_trivial (the largest of nothing left, over the other
    trivial answers), explained (share of the squared response that the best of them explains,
    without noise: below 0 where it is worse than the control, NaN for a resistant row) and reason.
    """
    first = next(iter(trivial.values()))
    codes, frame = row_codes(first)
    answers = {name: part.predicted for name, part in trivial.items() if name != control}
    rows = []
    for row in range(len(frame)):
        groups = np.flatnonzero(codes == row)
        parts = _parts(first, groups, answers, rng)
        rows.append(_judged(parts))
    size = _sizes(first, codes, len(frame))
    frame = frame.astype(str).assign(response=thirds_of(size))
    return pd.concat([frame, pd.DataFrame(rows, index=frame.index)], axis=1)


def _sizes(part: Comparison, codes: NDArray[np.int64], n_rows: int) -> Floats:
    """Root mean square of the real response, the mean over the groups of a row: (rows,)."""
    reference = 0.0 if part.reference is None else part.reference
    size = np.sqrt(np.mean((part.observed - reference) ** 2, axis=1))
    return np.bincount(codes, size, n_rows) / np.bincount(codes, minlength=n_rows)


# -- parts ------------------------------------------------------------------------------------
def _parts(
    part: Comparison,
    groups: NDArray[np.int64],
    answers: Mapping[str, Floats],
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Answer -> means of the parts of a row minus the answer, (parts, readouts); "" no answer."""
    if len(np.unique(part.unit[groups])) >= FEWEST_PARTS or part.observed_cells is None:
        left = {name: part.observed[groups] - answer[groups] for name, answer in answers.items()}
        if part.reference is not None:
            left[""] = part.observed[groups] - part.reference[groups]
        return left
    cells, share = _cells_of(part.observed_cells, groups)
    number = min(MOST_PARTS, cells.shape[0])
    means = _dealt(cells, number, rng)
    left = {name: means - share @ answer[groups] for name, answer in answers.items()}
    if part.control is not None and part.control_cells is not None:
        own = np.unique(part.control[groups])
        controls, _ = _cells_of(part.control_cells, own[own >= 0])
        if controls.shape[0] >= number:
            left[""] = means - _dealt(controls, number, rng)
    if "" not in left and part.reference is not None:
        left[""] = means - share @ part.reference[groups]
    return left


def _cells_of(population: Population, groups: NDArray[np.int64]) -> tuple[Matrix, Floats]:
    """The cells of some groups, and the share of them that each group holds."""
    start, stop = np.searchsorted(population.group, [groups, groups + 1])
    rows = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
    size = (stop - start).astype(np.float64)
    share = size / max(float(size.sum()), 1.0)
    return loaded(population.values[np.concatenate([np.arange(0), *rows])]), share


def _dealt(cells: Matrix, n_parts: int, rng: np.random.Generator) -> Floats:
    """Means of random parts of equal size (to one cell): (parts, readouts)."""
    n = cells.shape[0]
    part = rng.permutation(np.arange(n) % n_parts)
    return part_means(cells, part, n_parts)


# -- judgement --------------------------------------------------------------------------------
def _judged(parts: Mapping[str, Floats]) -> dict[str, object]:
    n_parts = min(len(part) for part in parts.values()) if parts else 0
    row: dict[str, object] = {"resolvability": "unjudged", "n_parts": n_parts}
    row |= dict.fromkeys(("p_control", "p_trivial", "explained"), np.nan)
    row["reason"] = ""
    if n_parts < FEWEST_PARTS:
        why = f"{plural(n_parts, 'profile')}; to judge a response needs {FEWEST_PARTS}"
        return row | {"reason": why}
    if not all(np.isfinite(part).all() for part in parts.values()):
        return row | {"reason": "a profile or an answer is not a number"}
    found = {name: _test(part) for name, part in parts.items()}
    response = found.pop("", None)
    others = list(found.values())
    if response is not None:
        row["p_control"] = response.p
    if others:
        row["p_trivial"] = max(test.p for test in others)
    if response is not None and others and response.p <= LEVEL:
        row["explained"] = 1.0 - min(test.left for test in others) / response.left
    if response is not None and response.p > LEVEL:
        row["resolvability"] = "resistant"
    elif any(test.p > LEVEL for test in others):
        row["resolvability"] = "solved"
    else:
        row["resolvability"] = "open"
    return row


def _test(differences: Floats) -> _Test:
    """Whether the parts (parts, readouts) agree on something; at most 12 parts are told apart."""
    merged = _merged(differences)
    n = len(merged)
    gram = merged @ merged.T / merged.shape[1]
    np.fill_diagonal(gram, 0.0)
    patterns = np.arange(2 ** (n - 1))[:, None] >> np.arange(n)
    signs = 1.0 - 2.0 * (patterns & 1)
    agreed = np.einsum("ij,ij->i", signs @ gram, signs) / (n * (n - 1))
    tie = 1e-12 * float(np.abs(gram).sum()) / (n * (n - 1))
    return _Test(float(agreed[0]), float(np.mean(agreed >= agreed[0] - tie)))


def _merged(parts: Floats) -> Floats:
    """At most 12 parts: neighbours of more are averaged."""
    if len(parts) <= MOST_PARTS:
        return parts
    return np.stack([part.mean(axis=0) for part in np.array_split(parts, MOST_PARTS)])
