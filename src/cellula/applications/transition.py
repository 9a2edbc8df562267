"""What changes along the tracks of a disease, and which regulators explain it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.numerals import plural
from cellula.core.report import Report
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.learned.regulators import activities, target_matrix
from cellula.models.learned.stages import Tracks

__all__ = ["TransitionOptions", "run"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: A standard error is at least this share of the median one: a gene of few counts has none to see.
LEAST_ERROR = 0.1


class Tracked(Protocol):
    """A fitted model of stages, such as ``graph_vae_gan``."""

    @property
    def readouts(self) -> tuple[str, ...]:
        """The readouts of training."""

    def tracks(self, data: Dataset, run: RunContext) -> Tracks:
        """Clusters of every stage, joined from stage to stage."""

    def pull(self, start: Floats, end: Floats, run: RunContext) -> Floats:
        """How much of the way of states each readout's change makes: (readouts,), sum 1."""


@dataclass(frozen=True, slots=True)
class TransitionOptions:
    """n_random: random orders of the genes that a regulator is compared with."""

    n_random: int = 1000


def run(
    fitted: Tracked,
    data: Dataset,
    run: RunContext,
    network: pd.DataFrame | None = None,
    options: TransitionOptions | None = None,
) -> Report:
    """Genes and regulators of every step of every track, and of the whole track.

    The change of a gene is the difference of the means of the cells of a track in two stages, in
    units of the values; ``strength`` is that over its standard error, of cells, so that it orders
    genes and is no evidence across patients. ``pull`` is the share that the change of the gene has
    in the way of the state. network: columns regulator, target and weight; with it regulators are
    ranked by :func:`~cellula.models.learned.regulators.activities` of the strengths, else genes
    stand for themselves. Raises DataError on counts, whose depth would be compared, and where the
    network and the readouts have no gene in common.
    """
    if data.value_type is ValueType.COUNTS:
        raise DataError(
            "these values are counts, and stages may differ in depth; normalise them to log1p "
            "first, and keep the counts in a layer"
        )
    own = options or TransitionOptions()
    tracks = fitted.tracks(data, run)
    known = None if network is None else target_matrix(network, fitted.readouts)
    genes, regulators = [], []
    for track in range(len(tracks)):
        for first, last in _steps(len(tracks.names)):
            ends = data.dense(tracks.rows(track, first)), data.dense(tracks.rows(track, last))
            step = f"{tracks.names[first]} to {tracks.names[last]}"
            table = _genes(*ends, fitted.readouts)
            table["pull"] = fitted.pull(ends[0].mean(axis=0), ends[1].mean(axis=0), run)
            genes.append(_placed(table, track, step))
            if known is not None:
                rng = run.child("regulators", track, step).rng
                strength = table["strength"].to_numpy(np.float64)
                found = activities(strength, *known, own.n_random, rng)
                regulators.append(_placed(found, track, step))
    tables = {"tracks": tracks.table(), "genes": _ranked(pd.concat(genes, ignore_index=True))}
    if regulators:
        tables["regulators"] = pd.concat(regulators, ignore_index=True)
    return _report(tracks, tables)


def _steps(n_stages: int) -> list[tuple[int, int]]:
    """Pairs of neighbouring stages, then the first and the last where that is another pair."""
    return list(pairwise(range(n_stages))) + ([(0, n_stages - 1)] if n_stages > 2 else [])


def _genes(before: Floats, after: Floats, readouts: tuple[str, ...]) -> pd.DataFrame:
    """One row a readout: change, its standard error [welch1947]_ and their ratio."""
    change = after.mean(axis=0) - before.mean(axis=0)
    square = sum(x.var(axis=0) / max(len(x) - 1, 1) for x in (before, after))
    error = np.sqrt(np.asarray(square, np.float64))
    floor = LEAST_ERROR * float(np.median(error))
    strength = change / np.maximum(error, floor if floor > 0 else 1.0)
    return pd.DataFrame(
        {"gene": list(readouts), "change": change, "error": error, "strength": strength}
    )


def _placed(table: pd.DataFrame, track: int, step: str) -> pd.DataFrame:
    table.insert(0, "step", step)
    table.insert(0, "track", track)
    return table


def _ranked(genes: pd.DataFrame) -> pd.DataFrame:
    """The strongest of every track and step first."""
    size = genes["strength"].abs()
    rank = size.groupby([genes["track"], genes["step"]], sort=False).rank(
        ascending=False, method="first"
    )
    place = genes.groupby(["track", "step"], sort=False).ngroup()
    order = np.lexsort((rank.to_numpy(), place.to_numpy()))
    return genes.assign(rank=rank.astype(np.int64)).iloc[order].reset_index(drop=True)


def _report(tracks: Tracks, tables: dict[str, pd.DataFrame]) -> Report:
    cautions = [
        "strengths count cells, not patients: they order genes, and say nothing of another patient",
        "who precedes whom is guessed from cells of different patients; nobody was followed",
    ]
    told = "no network was given, so genes stand for themselves"
    if "regulators" in tables:
        first = tables["regulators"].query("rank == 1")["regulator"]
        told = f"strongest regulators: {', '.join(dict.fromkeys(first))}"
    return Report(
        title=f"From {tracks.names[0]} to {tracks.names[-1]}",
        answer=f"{plural(len(tracks), 'track')} through {len(tracks.names)} stages; {told}.",
        numbers={"n_tracks": len(tracks), "n_stages": len(tracks.names)},
        tables=tables,
        cautions=tuple(cautions),
    )
