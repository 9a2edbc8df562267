"""Open Problems in Single-Cell Analysis: AnnData whose values stand in layers, not in X."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.h5ad import H5ad

__all__ = ["OpenProblems"]

DATASET = "dataset_id"
#: Layers that may be the values, the first one there is taken.
VALUES = ("normalized", "clipped_sign_log10_pval", "sign_log10_pval", "logFC", "counts")


@final
class OpenProblems:
    """Reads a dataset file of an Open Problems task as an AnnData whose X holds the values.

    X is the layer ``normalized`` of a common dataset, ``clipped_sign_log10_pval`` (else
    ``sign_log10_pval``, ``logFC``) of the perturbation-prediction task, or else ``counts``;
    all layers stay as they are. Read a file as ``h5ad`` to see its X untouched.
    """

    name: ClassVar[str] = "open_problems"
    suffixes: ClassVar[tuple[str, ...]] = (".open_problems.h5ad",)

    def read(self, path: Path) -> AnnData:
        """The annotated matrix of a file, in memory.

        Raises DataError, naming the file, when it is absent, cut short, or has no
        ``uns["dataset_id"]`` or none of the layers.
        """
        data = H5ad().read(path)
        if DATASET not in data.uns:
            raise DataError(
                f"{path.name} is no dataset of Open Problems: uns has no {DATASET!r}; read it "
                'with format = "h5ad"'
            )
        there = [name for name in VALUES if name in data.layers]
        if not there:
            found = ", ".join(data.layers) or "none"
            raise DataError(
                f"{path.name} has none of the layers {', '.join(VALUES)} (it has: {found}); "
                "expected the values of an Open Problems dataset: fetch its dataset.h5ad"
            )
        data.X = data.layers[there[0]].copy()
        return data
