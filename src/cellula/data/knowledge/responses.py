"""Embeddings from measured responses: what a gene does in other cells tells what it does here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.data.knowledge.embedding import GeneEmbedding, group_digests
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["response_embedding"]


def response_embedding(data: Dataset, dimensions: int) -> GeneEmbedding:
    """Perturbations by the principal components of their responses in these data.

    data: profiles of OTHER cells than those that are predicted, or of another study; the response
    is the mean profile less its context's control, averaged over contexts with equal weight
    (the strongest features of unseen perturbations, [ahlmanneltze2025]_). Each coordinate is
    divided by the first one's standard deviation. The provenance lists the files and the digest of
    every perturbation's profiles, so that held-out ones among them are caught. Raises DataError
    without controls of a treated context, or on fewer than ``dimensions`` + 1 perturbations.
    """
    means, names = _responses(data)
    if dimensions < 1 or len(names) <= dimensions:
        raise DataError(
            f"{dimensions} dimensions of the responses to {len(names)} perturbations; ask for at "
            f"least 1 and at most {max(len(names) - 1, 0)}"
        )
    with one_blas_thread():
        left, singular, _ = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    scores = left[:, :dimensions] * singular[:dimensions]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    first = float(scores[:, 0].std()) or 1.0
    vectors = np.ascontiguousarray(scores * np.where(largest < 0, -1.0, 1.0) / first)
    sources = {**data.provenance.sources, **group_digests(data.treated)}
    kept = Provenance(sources, data.provenance.license, citation=data.provenance.citation)
    return GeneEmbedding(names, vectors, kept)


def _responses(data: Dataset) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(perturbations, readouts) and their names, sorted."""
    queries = data.queries()
    perturbation = np.asarray(queries.perturbation, object)
    context = np.asarray(queries.context, object)
    treated = ~data.is_control
    names = sorted({str(name) for name in perturbation[treated]})
    base = {}
    for name in np.unique(context[treated]):
        rows = np.flatnonzero(data.is_control & (context == name))
        if not len(rows):
            raise DataError(f"context {name!r} has treated profiles but no control; add controls")
        base[name] = data.dense(rows).mean(axis=0)
    means = np.zeros((len(names), len(data.readouts)))
    for i, label in enumerate(names):
        own = treated & (perturbation == label)
        parts = [
            data.dense(np.flatnonzero(own & (context == name))).mean(axis=0) - base[name]
            for name in np.unique(context[own])
        ]
        means[i] = np.mean(parts, axis=0)
    return means, tuple(names)
