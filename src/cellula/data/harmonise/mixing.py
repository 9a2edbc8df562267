"""Did a correction mix the batches, and did it keep what is biology? Numbers for both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import cKDTree
from scipy.stats import chi2
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.model import Options
from cellula.data.harmonise.batch_calibration import STRATA
from cellula.data.harmonise.components import principal_components
from cellula.data.harmonise.harmony import CORRECTED, UNCORRECTED
from cellula.kernels.blas_threads import one_blas_thread

__all__ = [
    "Mixing",
    "MixingOptions",
    "batch_before_after",
    "biology",
    "mixing",
    "neighbours",
    "neighbours_kept",
]

#: Roles whose labels are biology: profiles of one label belong together.
BIOLOGY = ("context", "perturbation")
#: Labels with fewer profiles than this are no cluster that could be kept.
MIN_LABEL = 5
#: Batches with fewer profiles than this in a stratum are not judged in it.
MIN_BATCH = 5

Points = NDArray[np.float64]
Codes = NDArray[np.int64]


class MixingOptions(Options):
    """How it is measured and where the line is drawn."""

    n_neighbours: int = Field(default=30, ge=2)
    """How many nearest neighbours a profile is judged by; fewer in small strata."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of the test of a neighbourhood's batches."""
    min_mixing: float = Field(default=0.8, ge=0, le=1)
    """The least mixing afterwards, of 1 for batches mixed as by chance."""
    max_loss: float = Field(default=0.1, ge=0, le=1)
    """The largest fall of a silhouette or of a Rand index of biology."""
    n_components: int = Field(default=20, ge=2)
    """Principal components, where the correction left no coordinates of its own."""
    max_readouts: int = Field(default=2000, ge=2)
    """The most variable readouts that these components are made of."""
    max_profiles: int = Field(default=3000, ge=20)
    """The most profiles judged, even over strata and batches; bounds the time."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """How mixed batches are within strata.

    share: of a profile's neighbours, those of another batch, over what chance gives: 0 apart, 1
    mixed (a little above 1 by chance). rejected: share of the profiles whose neighbours' batches
    differ from those of the stratum: alpha or less when mixed. n_profiles: how many were judged.
    """

    share: float
    rejected: float
    n_profiles: int


def neighbours(points: Points, k: int) -> Codes:
    """The k nearest other rows of every row: shape (rows, k); k < rows."""
    found = cKDTree(points).query(points, k + 1)[1]
    is_self = found == np.arange(len(points))[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # among equal points the row itself may be missing
    others: Codes = found[~is_self].reshape(len(points), k)
    return others


def mixing(points: Points, batch: Codes, stratum: Codes, k: int, alpha: float = 0.05) -> Mixing:
    """How mixed batches are, compared within strata that hold two of them or more.

    points: (profiles, components); batch, stratum: (profiles,). In a stratum of n profiles, n_b
    of them of batch b, a profile of b has by chance a share (n - n_b) / (n - 1) of neighbours of
    other batches; the result is the sum of the shares found over that of the shares expected.
    Neighbours are at most as many as the smallest batch has, so that batches apart give 0.
    ``rejected`` is the share of chi-squared tests of the neighbours' batches against the
    stratum's with a p-value of ``alpha`` or less [buettner2019]_, blunt where neighbours are few.
    NaN where no stratum has two batches of five profiles.
    """
    found = expected = rejected = 0.0
    judged = 0
    for rows, labels in _comparable(batch, stratum):
        n, sizes = len(rows), np.bincount(labels)
        width = min(k, int(sizes.min()) - 1)
        near = labels[neighbours(points[rows], width)]
        counts = np.stack([(near == b).sum(axis=1) for b in range(len(sizes))], axis=1)
        found += float((near != labels[:, None]).mean(axis=1).sum())
        expected += float(((n - sizes[labels]) / (n - 1)).sum())
        wanted = width * sizes / n
        statistic = ((counts - wanted) ** 2 / wanted).sum(axis=1)
        rejected += float((chi2.sf(statistic, len(sizes) - 1) <= alpha).sum())
        judged += n
    if not judged:
        return Mixing(float("nan"), float("nan"), 0)
    return Mixing(found / expected, rejected / judged, judged)


def _comparable(batch: Codes, stratum: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Rows and codes 0.. of their batches, for every stratum with two batches large enough."""
    for code in np.unique(stratum):
        rows = np.flatnonzero(stratum == code)
        labels = np.unique(batch[rows], return_inverse=True)[1]
        is_large = np.bincount(labels)[labels] >= MIN_BATCH
        rows, labels = rows[is_large], np.unique(labels[is_large], return_inverse=True)[1]
        if len(rows) and labels.max() > 0:
            yield rows, labels


def biology(points: Points, labels: Codes) -> dict[str, float]:
    """How well labels are told apart: ``silhouette`` and ``ari``, at most 1 each.

    points: (profiles, components); labels: (profiles,), two or more, each of five profiles or
    more. The mean silhouette [rousseeuw1987]_ and the adjusted Rand index [hubert1985]_ of
    the labels with as many clusters of Ward's method.
    """
    n_labels = len(np.unique(labels))
    clusters = AgglomerativeClustering(n_clusters=n_labels, linkage="ward").fit_predict(points)
    return {
        "silhouette": float(silhouette_score(points, labels)),
        "ari": float(adjusted_rand_score(labels, clusters)),
    }


def neighbours_kept(before: Points, after: Points, batch: Codes, k: int) -> float:
    """Share of the k nearest neighbours within a batch that are so before and after.

    1 when a correction only moves batches as wholes; it needs no labels of biology. NaN where
    every batch has one profile.
    """
    shared: list[NDArray[np.float64]] = []
    for code in np.unique(batch):
        rows = np.flatnonzero(batch == code)
        width = min(k, len(rows) - 1)
        if width < 1:
            continue
        old, new = neighbours(before[rows], width), neighbours(after[rows], width)
        both = (old[:, :, None] == new[:, None, :]).any(axis=2)
        shared.append(both.mean(axis=1))
    return float(np.concatenate(shared).mean()) if shared else float("nan")


def batch_before_after(
    before: Dataset, after: Dataset, options: MixingOptions | None = None
) -> Evidence:
    """Evidence ``batch_before_after``: mixing AND biology kept, before and after a correction.

    before, after: the same profiles in the same order; what a transform got and gave. They are
    compared in the coordinates that the transform left in ``obsm``, else in the principal
    components of ``before``; before is in these too where it left those after alone. Mixing is
    judged within strata of equal context, perturbation, dose and time; biology by the labels of
    context and of perturbation. ``is_mixed`` and ``is_biology_kept`` compare with the options'
    lines; on more than ``max_profiles`` profiles an even sample over strata and batches is
    judged. Raises DataError on other profiles.
    """
    limits = options or MixingOptions()
    if list(before.obs.index) != list(after.obs.index):
        raise DataError(
            "before and after do not hold the same profiles in the same order; hand over what "
            "the transform got and what it gave"
        )
    inputs = {"before": before.digest(), "after": after.digest()}
    before.role("batch")
    n_batches = len(before.labels("batch").categories)
    batch = np.asarray(before.labels("batch").codes, np.int64)
    stratum = _strata(before)
    rows = _sample(batch, stratum, limits.max_profiles)
    with one_blas_thread():
        old, new = (points[rows] for points in _coordinates(before, after, limits))
        told = [
            _told(before, rows, points, batch[rows], stratum[rows], limits) for points in (old, new)
        ]
    payload: dict[str, Any] = {
        "n_profiles": len(rows),
        "n_batches": n_batches,
        "n_neighbours": limits.n_neighbours,
        "before": told[0],
        "after": told[1],
        "neighbours_kept": neighbours_kept(old, new, batch[rows], limits.n_neighbours),
        "min_mixing": limits.min_mixing,
        "max_loss": limits.max_loss,
    } | _verdict(told[0], told[1], limits)
    return Evidence("batch_before_after", "data", payload, inputs)


def _told(
    data: Dataset,
    rows: Codes,
    points: Points,
    batch: Codes,
    stratum: Codes,
    limits: MixingOptions,
) -> dict[str, Any]:
    """Mixing and biology of one state."""
    mixed = mixing(points, batch, stratum, limits.n_neighbours, limits.alpha)
    kept: dict[str, dict[str, float]] = {}
    for role in BIOLOGY:
        if not data.has_role(role):
            continue
        codes = np.asarray(data.labels(role).codes, np.int64)[rows]
        is_large = np.bincount(codes)[codes] >= MIN_LABEL
        if len(np.unique(codes[is_large])) >= 2:
            kept[role] = biology(points[is_large], codes[is_large])
    return {
        "mixing": mixed.share if mixed.n_profiles else None,
        "rejected": mixed.rejected if mixed.n_profiles else None,
        "n_judged": mixed.n_profiles,
        "biology": kept,
    }


def _verdict(old: dict[str, Any], new: dict[str, Any], limits: MixingOptions) -> dict[str, Any]:
    """Whether batches are mixed and biology is kept, and why not; None where it is not known."""
    reasons: list[str] = []
    is_mixed = None if new["mixing"] is None else new["mixing"] >= limits.min_mixing
    if is_mixed is None:
        reasons.append(
            f"no two batches have {MIN_BATCH} profiles of one context, perturbation, dose and time"
        )
    elif not is_mixed:
        reasons.append(f"mixing is {new['mixing']:.3f}, expected {limits.min_mixing} or more")
    falls = {
        f"{name} of {role}": old["biology"][role][name] - value
        for role, values in new["biology"].items()
        for name, value in values.items()
    }
    lost = {name: fall for name, fall in falls.items() if fall > limits.max_loss}
    reasons += [
        f"{name} fell by {fall:.3f}, limit {limits.max_loss}" for name, fall in lost.items()
    ]
    if not falls:
        reasons.append("no context or perturbation has two labels to judge biology by")
    return {
        "is_mixed": is_mixed,
        "is_biology_kept": not lost if falls else None,
        "reason": "; ".join(reasons) or "batches are mixed and biology is kept",
    }


def _coordinates(before: Dataset, after: Dataset, limits: MixingOptions) -> tuple[Points, Points]:
    obsm: Any = after.data.obsm
    if CORRECTED in obsm and UNCORRECTED in obsm:
        return np.asarray(obsm[UNCORRECTED], float), np.asarray(obsm[CORRECTED], float)
    space = principal_components(before, limits.n_components, limits.max_readouts)
    left = [key for key in obsm if key not in before.data.obsm]
    if len(left) == 1:
        return space.place(before.values), np.asarray(obsm[left[0]], float)
    return space.place(before.values), space.place(after.values)


def _strata(data: Dataset) -> Codes:
    """Codes of equal context, perturbation, dose and time: shape (profiles,)."""
    names = [role for role in STRATA if data.has_role(role)]
    if not names:
        return np.zeros(data.n_profiles, np.int64)
    codes = np.stack([np.asarray(data.labels(role).codes, np.int64) for role in names])
    return np.asarray(np.unique(codes, axis=1, return_inverse=True)[1].ravel(), np.int64)


def _sample(batch: Codes, stratum: Codes, most: int) -> Codes:
    """All rows, or ``most`` of them, even over strata and batches; in ascending order."""
    n = len(batch)
    if n <= most:
        return np.arange(n)
    order = pd.DataFrame({"s": stratum, "b": batch}).sort_values(["s", "b"], kind="stable").index
    places = np.linspace(0, n - 1, most).astype(np.int64)
    return np.sort(np.asarray(order, np.int64)[places])
