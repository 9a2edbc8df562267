"""Several streams of answers to the same questions, read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cellula.core.prediction import Prediction

__all__ = ["in_step"]


def in_step(streams: Sequence[Iterator[Prediction]]) -> Iterator[tuple[Prediction, ...]]:
    """Answers of every stream to the same questions, one of each in memory.

    The streams answer the same queries in their order, cut into batches each as it likes; what
    comes out is cut where any of them is.
    """
    held: list[Prediction | None] = [None] * len(streams)
    while True:
        for number, stream in enumerate(streams):
            if held[number] is None:
                held[number] = next(stream, None)
        batches = [batch for batch in held if batch is not None]
        if len(batches) < len(streams):
            return
        size = min(len(batch.queries) for batch in batches)
        yield tuple(_part(batch, 0, size) for batch in batches)
        held = [
            None if len(batch.queries) == size else _part(batch, size, len(batch.queries))
            for batch in batches
        ]


def _part(batch: Prediction, first: int, stop: int) -> Prediction:
    """The answers first, ..., stop - 1."""
    if first == 0 and stop == len(batch.queries):
        return batch
    rows = slice(first, stop)
    return replace(
        batch,
        queries=batch.queries.take(rows),
        mean=batch.mean[rows],
        in_domain=batch.in_domain[rows],
        lower=None if batch.lower is None else batch.lower[rows],
        upper=None if batch.upper is None else batch.upper[rows],
        cells=None if batch.cells is None else batch.cells.part(first, stop),
    )
