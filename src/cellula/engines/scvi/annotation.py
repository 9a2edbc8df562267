"""scANVI: states of cells in which batches are mixed and labels told apart [xu2021]_."""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options, State
from cellula.core.run import RunContext
from cellula.engines.scvi.autoencoder import plan
from cellula.engines.scvi.counts import Batches, counts_of
from cellula.engines.scvi.expression import ExpressionOptions, FittedExpression, registered
from cellula.engines.scvi.package import PACKAGE, scvi
from cellula.engines.scvi.training import Recipe, TrainOptions, fit, forget, trained

__all__ = ["Scanvi", "ScanviOptions"]

#: The code of cells without a label, after all labels in the order of text.
WITHOUT = "unknown"


class ScanviOptions(ExpressionOptions):
    """Options of :class:`Scanvi`."""

    label: str = "context"
    """The role whose labels are told apart."""
    unlabelled: str = ""
    """What cells are called whose label is to be found; "": all are labelled."""
    train: TrainOptions = TrainOptions()
    """How scVI, which comes first, is trained."""
    label_epochs: int = Field(default=10, ge=1)
    """Passes in which labels are learned, after those of scVI."""


@final
class Scanvi:
    """scANVI [xu2021]_ of scvi-tools [gayoso2022]_: scVI that has gone on with labels.

    Cells without a label take part. Applying tells the likeliest label of every profile, for
    which no label is needed; labels are those of the fit.
    """

    name: ClassVar[str] = "scanvi"
    package: ClassVar[str] = PACKAGE
    options_type: ClassVar[type[Options]] = ScanviOptions
    references: ClassVar[tuple[str, ...]] = ("xu2021", "lopez2018", "gayoso2022")

    def __init__(self, options: ScanviOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedExpression:
        """Train on ``data``, which must hold no held-out profile.

        Raises DataError as :class:`~cellula.engines.scvi.autoencoder.Scvi` does, and on fewer
        than two labels.
        """
        options = self.options
        counts = counts_of(data)
        batches = Batches.of(data, options.batch, options.max_confounding)
        codes = batches.codes(data)
        labels, label = _labels(data, options)
        arguments = options.arguments(counts.shape[1], len(batches.levels))
        settings = {key: arguments[key] for key in ("n_hidden", "n_latent", "n_layers")}
        settings |= {key: arguments[key] for key in ("dropout_rate", "gene_likelihood")}

        def make(device: torch.device) -> Any:
            own = registered(counts, {"batch": codes, "label": label})
            own.obs["label"] = np.where(label < len(labels), own.obs["label"], WITHOUT)
            keys = {"batch_key": "batch", "labels_key": "label"}
            scvi.model.SCVI.setup_anndata(own, **keys)
            first = scvi.model.SCVI(own, **settings)
            try:
                fit(first, options.train, plan, run, device)
                return scvi.model.SCANVI.from_scvi_model(first, unlabeled_category=WITHOUT)
            finally:
                forget(first)

        arguments |= {"n_labels": len(labels)}
        recipe = Recipe("SCANVAE", arguments, make, plan, counts.shape[0])
        later = options.train.model_copy(update={"epochs": options.label_epochs})
        network = trained(recipe, later, run, self.name)
        return FittedExpression(
            self.name,
            data.readouts,
            batches,
            options.label,
            labels,
            options.is_embedding_only,
            network,
        )

    def restore(self, state: State) -> FittedExpression:
        """The fitted transform whose state this is."""
        return FittedExpression.restore(state)


def _labels(data: Dataset, options: ScanviOptions) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The labels and the code of every profile, the number of labels where it has none."""
    data.role(options.label)
    column = data.labels(options.label)
    names = [str(name) for name in column.categories]
    known = [name for name in names if name != options.unlabelled]
    if len(known) < 2:
        raise DataError(
            f"scANVI tells labels apart, and the role {options.label!r} has {len(known)}; name "
            "one with two or more: label = ROLE"
        )
    code = np.array([known.index(name) if name in known else len(known) for name in names])
    return tuple(known), np.asarray(code[column.codes], np.int64)
