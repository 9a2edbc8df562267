"""Synthetic Perturb-seq: sparse negative binomial counts of cells under many perturbations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from anndata import AnnData
from anndata.io import write_elem
from numpy.typing import NDArray

CONTROL = "non-targeting"
#: Independent streams of random numbers; cells are cut into as many blocks.
STREAMS = 64
#: Values of a chunk of a store.
CHUNK = 1_000_000


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
        return scaled(self.counts, float(np.median(totals)))

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The cells group by group, control first, and where each group begins."""
        rows = np.argsort(self.labels, kind="stable").astype(np.int64)
        return rows, bounds_of(self.labels, len(self.names))

    def annotated(self, column: str, *, seed: int = 0) -> AnnData:
        """Raw counts with the labels in obs; each perturbation is named like a gene."""
        genes = [f"G{k:05}" for k in range(self.counts.shape[1])]
        chosen = np.random.default_rng(seed).choice(genes, len(self.names) - 1, replace=False)
        names = np.array([CONTROL, *chosen])
        index = [f"c{k}" for k in range(len(self.labels))]
        obs = pd.DataFrame({column: names[self.labels]}, index=index)
        return AnnData(self.counts, obs, pd.DataFrame(index=genes))


@dataclass(frozen=True, slots=True)
class Law:
    """What cells are drawn from. means: (genes,) falling; depth, labels: (cells,); change:
    (perturbations + 1, genes) folds; order: (genes,) where each gene stands; names: of labels.
    """

    means: NDArray[np.float64]
    depth: NDArray[np.float64]
    labels: NDArray[np.int32]
    change: NDArray[np.float32]
    order: NDArray[np.int32]
    names: tuple[str, ...]
    density: float
    dispersion: float
    seed: int

    def blocks(self, draw: int = 0) -> Iterator[sp.csr_matrix]:
        """The counts of consecutive cells, a stream of random numbers at a time.

        draw: 0 is the experiment, another number a replicate of it with the same cells' depths
        and labels.
        """
        n_cells, n_genes = len(self.labels), len(self.means)
        edges = [block * n_cells // STREAMS for block in range(STREAMS + 1)]
        most = self.change.max(1).astype(np.float64)
        for block, (low, high) in enumerate(pairwise(edges)):
            key = [self.seed, block] if draw == 0 else [self.seed, block, draw]
            room = int((high - low) * n_genes * min(1.0, self.density * 1.5)) + 1000
            genes, counts, ends = _stream(
                self.means,
                self.change,
                most,
                self.labels[low:high],
                self.depth[low:high],
                self.dispersion,
                np.random.default_rng(key),
                room,
            )
            indptr = np.concatenate([[0], ends])
            shape = (high - low, n_genes)
            matrix = sp.csr_matrix((counts.copy(), self.order[genes], indptr), shape=shape)
            matrix.sort_indices()
            yield matrix


def bounds_of(labels: NDArray[np.int32], n_labels: int) -> NDArray[np.int64]:
    """Where the control and each group begin, and the end, of cells sorted by label."""
    sizes = np.bincount(labels, minlength=n_labels)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def scaled(counts: sp.csr_matrix, depth: float) -> sp.csr_matrix:
    """log(1 + counts scaled to a total of ``depth``), float32."""
    totals = np.asarray(counts.sum(1)).ravel()
    values = counts.copy()
    factor = np.repeat(depth / np.maximum(totals, 1), np.diff(values.indptr)).astype(np.float32)
    values.data = np.log1p(values.data * factor)
    return values


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


def law_of(size: Size, *, density: float = 0.1, seed: int = 0, dispersion: float = 2.0) -> Law:
    """The law of an experiment of a size; equal seeds give equal laws."""
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
    order = rng.permutation(size.genes).astype(np.int32)
    names = (CONTROL, *(f"P{group:04d}" for group in range(1, size.perturbations + 1)))
    return Law(means, depth, labels, change, order, names, density, dispersion, seed)


def generate(
    size: Size, *, density: float = 0.1, seed: int = 0, dispersion: float = 2.0, draw: int = 0
) -> Experiment:
    """An experiment of a size; equal seeds give equal numbers."""
    law = law_of(size, density=density, seed=seed, dispersion=dispersion)
    counts = sp.csr_matrix(sp.vstack(list(law.blocks(draw)), format="csr"))
    return Experiment(counts, law.labels, law.names)


def write_store(path: Path, law: Law, draw: int = 0, *, column: str = "perturbation") -> None:
    """log1p values of an experiment as a Zarr store of an AnnData, a block in memory at a time."""
    depth = float(np.median([block.sum(1).mean() for block in law.blocks(draw)]))
    labels = pd.Categorical.from_codes(law.labels, list(law.names))
    obs = pd.DataFrame({column: labels}, index=[f"c{i}" for i in range(len(law.labels))])
    var = pd.DataFrame(index=[f"G{j:05d}" for j in range(len(law.means))])
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    write_elem(group, "obs", obs)
    write_elem(group, "var", var)
    X = group.create_group("X")
    shape = [len(law.labels), len(law.means)]
    X.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})
    kinds = {"data": "f4", "indices": "i4"}
    arrays = {
        name: X.create_array(name, shape=(0,), chunks=(CHUNK,), dtype=kind)
        for name, kind in kinds.items()
    }
    lengths, stored = [np.zeros(1, np.int64)], 0
    for block in law.blocks(draw):
        values = scaled(block, depth)
        for name, array in arrays.items():
            part = getattr(values, name)
            array.resize((stored + len(part),))
            array[stored:] = part
        stored += values.nnz
        lengths.append(np.diff(values.indptr).astype(np.int64))
    indptr = np.cumsum(np.concatenate(lengths))
    X.create_array("indptr", data=indptr, chunks=(CHUNK,))


def blurred(real: AnnData, column: str, seed: int = 2) -> AnnData:
    """A prediction: counts thinned and noisy, half of the perturbed cells under another label."""
    rng = np.random.default_rng(seed)
    counts = real.X.copy()
    counts.data = np.float32(rng.binomial(counts.data.astype(int), 0.8))
    counts.data += rng.random(counts.nnz) < 0.1
    counts.eliminate_zeros()
    labels = real.obs[column].to_numpy().astype(object)
    perturbed = np.flatnonzero(labels != CONTROL)
    moved = rng.choice(perturbed, len(perturbed) // 2, replace=False)
    labels[moved] = labels[rng.permutation(moved)]
    obs = pd.DataFrame({column: labels.astype(str)}, index=real.obs_names)
    return AnnData(counts, obs, real.var)


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
