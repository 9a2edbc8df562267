"""Synthetic Perturb-seq: sparse negative binomial counts of cells under many perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

CONTROL = "non-targeting"
#: Independent streams of random numbers; cells are cut into as many blocks.
STREAMS = 64


@dataclass(frozen=True, slots=True)
class Size:
    """How large an experiment is."""

    cells: int
    genes: int
    perturbations: int
    controls: int


SIZES = {
    "S": Size(20_000, 2_000, 100, 2_000),
    "M": Size(100_000, 5_000, 500, 6_000),
    "L": Size(300_000, 8_000, 2_000, 10_000),
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """counts: CSR (cells, genes), float32. labels: (cells,), 0 the control. names: of labels."""

    counts: sp.csr_matrix
    labels: NDArray[np.int32]
    names: tuple[str, ...]

    def log1p(self) -> sp.csr_matrix:
        """log(1 + counts scaled to the median total), float32."""
        totals = np.asarray(self.counts.sum(1)).ravel()
        scale = np.median(totals) / np.maximum(totals, 1)
        values = self.counts.copy()
        factor = np.repeat(scale, np.diff(values.indptr)).astype(np.float32)
        values.data = np.log1p(values.data * factor)
        return values

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cells group by group, control first, and where each group begins."""
        rows = np.argsort(self.labels, kind="stable").astype(np.int64)
        sizes = np.bincount(self.labels, minlength=len(self.names))
        return rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@numba.njit(cache=True)
def _drawn(u, absent, mean, dispersion):  # type: ignore[no-untyped-def]
    """A zero-truncated negative binomial number by inversion; u in (0, 1)."""
    target = absent + u * (1.0 - absent)
    ratio = mean / (mean + dispersion)
    mass, total, k = absent, absent, 0
    while total < target and k < 4000:
        k += 1
        mass = mass * ratio * (dispersion + k - 1.0) / k
        total += mass
    return max(k, 1)


@numba.njit(cache=True)
def _stream(means, change, most, labels, depth, dispersion, rng, room):  # type: ignore[no-untyped-def]
    """The non-zero counts of some cells; genes are sorted by falling mean, so most are skipped."""
    genes, counts = np.empty(room, np.int32), np.empty(room, np.float32)
    ends = np.empty(len(labels), np.int64)
    place = 0
    for cell in range(len(labels)):
        group, gene = labels[cell], 0
        while gene < len(means):
            bound = 1.0 - np.exp(-depth[cell] * means[gene] * most[group])
            if bound < 1e-7:
                break
            if bound < 0.999:
                gene += int(np.floor(np.log(rng.random()) / np.log1p(-bound)))
            if gene >= len(means):
                break
            mean = depth[cell] * means[gene] * change[group, gene]
            absent = (1.0 + mean / dispersion) ** (-dispersion)
            if rng.random() * bound < 1.0 - absent:
                genes[place] = gene
                counts[place] = _drawn(rng.random(), absent, mean, dispersion)
                place += 1
            gene += 1
        ends[cell] = place
    return genes[:place], counts[:place], ends


def generate(size: Size, *, density: float = 0.1, seed: int = 0, dispersion: float = 2.0) -> Any:
    """An experiment of a size; equal seeds give equal numbers."""
    rng = np.random.default_rng(seed)
    log_means = np.sort(rng.normal(0, 1.6, size.genes))[::-1]
    depth = np.exp(rng.normal(0, 0.35, size.cells))
    means = np.exp(log_means + _offset(log_means, depth[:200], density, dispersion))
    weights = rng.gamma(4, 1, size.perturbations)
    treated = 1 + rng.choice(
        size.perturbations, size.cells - size.controls, p=weights / weights.sum()
    )
    labels = np.concatenate([np.zeros(size.controls), treated]).astype(np.int32)
    rng.shuffle(labels)
    change = np.ones((size.perturbations + 1, size.genes), np.float32)
    for group in range(1, size.perturbations + 1):
        number = int(size.genes * rng.uniform(0.005, 0.06))
        hit = rng.choice(size.genes, number, replace=False)
        change[group, hit] = np.clip(np.exp(rng.normal(0, 0.8, number)), 0.1, 4)
    edges = [block * size.cells // STREAMS for block in range(STREAMS + 1)]
    most = change.max(1).astype(np.float64)
    parts = []
    for block, (low, high) in enumerate(pairwise(edges)):
        stream = np.random.default_rng([seed, block])
        room = int((high - low) * size.genes * min(1.0, density * 1.5)) + 1000
        genes, counts, ends = _stream(
            means, change, most, labels[low:high], depth[low:high], dispersion, stream, room
        )
        parts.append((genes.copy(), counts.copy(), np.diff(ends, prepend=0)))
    shuffled = rng.permutation(size.genes).astype(np.int32)
    matrix = sp.csr_matrix(
        (
            np.concatenate([part[1] for part in parts]),
            shuffled[np.concatenate([part[0] for part in parts])],
            np.concatenate([[0], np.cumsum(np.concatenate([part[2] for part in parts]))]),
        ),
        shape=(size.cells, size.genes),
    )
    matrix.sort_indices()
    names = (CONTROL, *(f"P{group:04d}" for group in range(1, size.perturbations + 1)))
    return Experiment(matrix, labels, names)


def _offset(
    log_means: NDArray[Any], depth: NDArray[Any], density: float, dispersion: float
) -> float:
    """The shift of all log means at which a share ``density`` of the counts is not zero."""
    low, high = -12.0, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        mean = np.exp(log_means + middle)[None, :] * depth[:, None]
        if (1 - (1 + mean / dispersion) ** -dispersion).mean() > density:
            high = middle
        else:
            low = middle
    return (low + high) / 2
