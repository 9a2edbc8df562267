"""Drugs ranked by how far they take cells of a late stage of a disease back to an early one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.numerals import number, plural
from cellula.core.report import Report
from cellula.core.run import RunContext
from cellula.kernels.false_discovery import benjamini_hochberg
from cellula.models.learned.displaced import Change, DisplacedCells
from cellula.models.learned.stages import Tracks

__all__ = ["ReversalOptions", "Staged", "run"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Genes are exchanged within so many bins of mean expression.
BINS = 10
#: Roles that are units of replication, the first that there is counts; fewer units are cells.
UNITS, FEWEST_UNITS = ("donor", "individual", "replicate"), 3
#: Changes that are encoded together, and bounds of a 90 % interval.
BLOCK, BOUNDS = 256, (0.05, 0.95)


class Staged(Protocol):
    """A fitted model of stages, such as ``graph_vae_gan``."""

    @property
    def readouts(self) -> tuple[str, ...]:
        """The readouts of training."""

    def tracks(self, data: Dataset, run: RunContext) -> Tracks:
        """Clusters of every stage, joined from stage to stage."""

    def displaced(self, data: Dataset, rows: Integers, run: RunContext) -> DisplacedCells:
        """Some cells, ready to be changed."""


@dataclass(frozen=True, slots=True)
class ReversalOptions:
    """late, early: places of the stages among those in order, -1 for the last; track: the one that
    is looked at, None for all, each with its share of the late cells; n_cells: of a track at most;
    n_random: random sets of genes a drug is compared with; n_bootstrap: draws of the interval.
    """

    late: int = -1
    early: int = 0
    track: int | None = None
    n_cells: int = 200
    n_random: int = 200
    n_bootstrap: int = 500


def run(
    fitted: Staged,
    data: Dataset,
    drugs: pd.DataFrame,
    run: RunContext,
    options: ReversalOptions | None = None,
) -> Report:
    """Drugs ranked by reversal of a disease in silico.

    drugs: columns drug, gene and change, in units of log1p values: targets with their directions
    (such as -1 and 1) or a signature of expression. A drug changes all late cells alike, no value
    below 0; they are encoded again. Its score on a track is 1 - |m' - e| / |m - e|: e the mean
    state of the track's early cells, m and m' of its late cells before and after; 1 arrives, 0
    stays as far, below 0 is worse. p compares it with the same changes of other genes of like
    expression, and ``excess`` counts their standard deviations above their mean: a drug of many
    genes moves cells further by chance, so look there beside the rank, which is by score. The
    interval (90 %) draws units of replication again where there are three, else cells; the model is
    taken as it is. A drug none of whose genes is a readout has a reason, no number. Raises
    DataError on a missing column, a change that is no number, or an unknown track.
    """
    own = options or ReversalOptions()
    tracks = fitted.tracks(data, run)
    if own.track is not None and not 0 <= own.track < len(tracks):
        raise DataError(f"track {own.track} of {plural(len(tracks), 'track')}; count from 0")
    named = _changes(drugs, fitted.readouts)
    rng = run.child("reversal").rng
    looked = [own.track] if own.track is not None else list(range(len(tracks)))
    places = [_Track.of(fitted, data, tracks, t, own, run) for t in looked]
    weight = tracks.share[looked] / tracks.share[looked].sum()
    table, by_track = _scored(named, places, weight, own, rng)
    tables = {"drugs": table, "tracks": tracks.table(), "by_track": by_track}
    return _report(table, tables, tracks, places, own)


@dataclass(frozen=True, slots=True)
class _Track:
    """The late cells of one track and where they came from.

    number: of the track; unit: (cells,) codes of the late cells; early, early_unit: (early cells,
    latent) states and units; unit_name: what a unit is; bins: (readouts,) of mean expression.
    """

    number: int
    cells: DisplacedCells
    unit: Integers
    early: Floats
    early_unit: Integers
    unit_name: str
    bins: Integers

    @classmethod
    def of(
        cls,
        fitted: Staged,
        data: Dataset,
        tracks: Tracks,
        track: int,
        own: ReversalOptions,
        run: RunContext,
    ) -> _Track:
        late, early = tracks.rows(track, own.late), tracks.rows(track, own.early)
        rng = run.child("reversal cells", track).rng
        if len(late) > own.n_cells:
            late = np.sort(rng.choice(late, own.n_cells, replace=False))
        name, unit = _units(data, late, early)
        mean = data.dense(late).mean(axis=0)
        place = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
        return cls(
            track,
            fitted.displaced(data, late, run),
            unit[late],
            fitted.displaced(data, early, run).states,
            unit[early],
            name,
            np.asarray(place * BINS // len(mean), np.int64),
        )

    def scores(self, changes: list[Change]) -> Floats:
        """The score of every change: (changes,)."""
        found = []
        goal, start = self.early.mean(axis=0), self.cells.states.mean(axis=0)
        way = np.linalg.norm(start - goal)
        for first in range(0, len(changes), BLOCK):
            after = self.cells.after(changes[first : first + BLOCK]).mean(axis=1)
            found.append(1.0 - np.linalg.norm(after - goal, axis=1) / way)
        return np.concatenate(found)

    def drawn(self, change: Change, n: int, rng: np.random.Generator) -> Floats:
        """Scores of a change drawn anew: units of both ends with replacement: (n,)."""
        after = self.cells.after([change])[0]
        late = _resampler(self.unit, n, rng)
        goal = _means(self.early, _resampler(self.early_unit, n, rng))
        way = np.linalg.norm(_means(self.cells.states, late) - goal, axis=1)
        left = np.linalg.norm(_means(after, late) - goal, axis=1)
        return np.asarray(1.0 - left / way, np.float64)

    def random(self, change: Change, n: int, rng: np.random.Generator) -> list[Change]:
        """The same sizes at other readouts of the same bins of expression."""
        others = np.setdiff1d(np.arange(len(self.bins)), change.columns)
        own, members = {}, {}
        for b in np.unique(self.bins[change.columns]):
            own[b] = np.flatnonzero(self.bins[change.columns] == b)
            left = others[self.bins[others] == b]
            members[b] = left if len(left) >= len(own[b]) else np.flatnonzero(self.bins == b)
        found = []
        for _ in range(n):
            columns = np.empty_like(change.columns)
            for b, rows in own.items():
                columns[rows] = rng.permutation(members[b])[: len(rows)]
            found.append(Change(columns, change.size))
        return found


def _scored(
    named: dict[str, Change | str],
    places: list[_Track],
    weight: Floats,
    own: ReversalOptions,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a drug, and one a drug and track."""
    rows, single = [], []
    for drug, change in named.items():
        row = {"drug": drug, "n_genes": 0, "reason": ""}
        if isinstance(change, str):
            rows.append(row | {"reason": change})
            continue
        score = np.array([place.scores([change])[0] for place in places])
        random = [place.scores(place.random(change, own.n_random, rng)) for place in places]
        null = weight @ np.stack(random)
        drawn = weight @ np.stack([place.drawn(change, own.n_bootstrap, rng) for place in places])
        total = float(weight @ score)
        lower, upper = np.quantile(drawn, BOUNDS)
        spread = float(null.std(ddof=1))
        rows.append(
            row
            | {
                "n_genes": len(change.columns),
                "score": total,
                "lower": float(lower),
                "upper": float(upper),
                "excess": (total - float(null.mean())) / spread if spread > 0 else 0.0,
                "p": (1.0 + float((null >= total).sum())) / (1.0 + len(null)),
            }
        )
        single += [(drug, place.number, s) for place, s in zip(places, score, strict=True)]
    columns = ["drug", "score", "lower", "upper", "excess", "p", "n_genes", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(6, "q", benjamini_hochberg(table["p"].to_numpy(np.float64)))
    order = np.argsort(-table["score"].fillna(-np.inf).to_numpy(np.float64), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table, pd.DataFrame(single, columns=["drug", "track", "score"])


def _changes(drugs: pd.DataFrame, readouts: tuple[str, ...]) -> dict[str, Change | str]:
    """What every drug changes, in the order of the table, or why it cannot be told."""
    missing = [name for name in ("drug", "gene", "change") if name not in drugs.columns]
    if missing:
        raise DataError(f"the drugs have no column {missing[0]!r}; expected drug, gene and change")
    size = drugs["change"].to_numpy(np.float64)
    if not np.isfinite(size).all():
        at = int(np.flatnonzero(~np.isfinite(size))[0])
        raise DataError(f"the change in row {at} is {size[at]}; give a number or drop the row")
    place = pd.Index(readouts, dtype=object).get_indexer(
        pd.Index(drugs["gene"].astype(str), dtype=object)
    )
    found: dict[str, Change | str] = {}
    for drug, rows in _groups(drugs["drug"].astype(str).to_numpy(object)):
        known = rows[place[rows] >= 0]
        columns, code = np.unique(place[known], return_inverse=True)
        total = np.bincount(code, weights=size[known], minlength=len(columns))
        found[drug] = Change(columns.astype(np.int64), np.asarray(total, np.float64))
        if not len(columns):
            found[drug] = f"none of its {plural(len(rows), 'gene')} is a readout"
    if not found:
        raise DataError("there is no drug; give a table of drug, gene and change with rows")
    return found


def _groups(labels: NDArray[np.object_]) -> Iterator[tuple[str, Integers]]:
    for label in dict.fromkeys(labels):
        yield str(label), np.flatnonzero(labels == label)


def _units(data: Dataset, late: Integers, early: Integers) -> tuple[str, Integers]:
    """The unit of replication of every profile; the profile itself where there are too few."""
    for role in UNITS:
        if data.has_role(role):
            code = np.asarray(data.labels(role).codes, np.int64)
            if min(len(np.unique(code[late])), len(np.unique(code[early]))) >= FEWEST_UNITS:
                return role, code
    return "cell", np.arange(data.n_profiles)


def _resampler(unit: Integers, n: int, rng: np.random.Generator) -> Floats:
    """Weights of cells in n draws of their units with replacement: (n, cells), rows sum to 1."""
    names, code = np.unique(unit, return_inverse=True)
    times = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=n)
    weight = times[:, code].astype(np.float64)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float64)


def _means(states: Floats, weight: Floats) -> Floats:
    return np.asarray(weight @ states, np.float64)


def _report(
    table: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    tracks: Tracks,
    places: list[_Track],
    own: ReversalOptions,
) -> Report:
    late, early = tracks.names[own.late], tracks.names[own.early]
    best = table.iloc[0]
    cautions = [
        "a drug is what the table says of it: nothing is known of its dose, its side effects or "
        "of genes that it moves besides; the score orders hypotheses"
    ]
    if places[0].unit_name == "cell":
        cautions.append(
            f"fewer than {FEWEST_UNITS} donors or replicates at both ends: intervals draw cells, "
            "so they are too narrow for another patient"
        )
    n_found = int((table["q"] <= 0.05).sum())
    return Report(
        title=f"From {late} back to {early}",
        answer=(
            f"{n_found} of {plural(len(table), 'drug')} take cells back further than random genes "
            f"do (q up to .05); first: {best['drug']}, score {number(best['score'], 2)}."
        ),
        numbers={"n_drugs": len(table), "n_tracks": len(tracks), "unit": places[0].unit_name},
        tables=tables,
        cautions=tuple(cautions),
    )
