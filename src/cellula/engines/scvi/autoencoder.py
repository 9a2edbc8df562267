"""scVI: states of cells in which batches are mixed [lopez2018]_."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch

from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.run import RunContext
from cellula.engines.scvi.counts import Batches, counts_of
from cellula.engines.scvi.expression import ExpressionOptions, FittedExpression, registered
from cellula.engines.scvi.package import PACKAGE, scvi
from cellula.engines.scvi.training import Recipe, TrainOptions, trained

__all__ = ["Scvi", "ScviOptions", "plan"]


class ScviOptions(ExpressionOptions):
    """Options of :class:`Scvi`; all but ``is_embedding_only`` are defaults of scvi-tools."""

    train: TrainOptions = TrainOptions()
    """How the network is trained."""


@final
class Scvi:
    """scVI [lopez2018]_ of scvi-tools [gayoso2022]_: an autoencoder of counts that knows batches.

    Counts are negative binomial, zero-inflated by default, around the decoded state and batch of
    a cell times its depth. The mean state is what a cell is given; the encoder sees no batch.
    Trained on all cells given, for a fixed number of epochs, on one thread.
    """

    name: ClassVar[str] = "scvi"
    package: ClassVar[str] = PACKAGE
    options_type: ClassVar[type[Options]] = ScviOptions
    references: ClassVar[tuple[str, ...]] = ("lopez2018", "gayoso2022")

    def __init__(self, options: ScviOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedExpression:
        """Train on ``data``, which must hold no held-out profile.

        Raises DataError where there are no counts or no such batches, and where levels of the
        batch cannot be told from perturbations.
        """
        options = self.options
        counts = counts_of(data)
        batches = Batches.of(data, options.batch, options.max_confounding)
        codes = batches.codes(data)
        arguments = options.arguments(counts.shape[1], len(batches.levels))

        def make(_device: torch.device) -> Any:
            own = registered(counts, {"batch": codes})
            scvi.model.SCVI.setup_anndata(own, batch_key="batch")
            settings = {key: arguments[key] for key in arguments if key[:2] != "n_" or key in SIZES}
            return scvi.model.SCVI(own, **settings)

        recipe = Recipe("VAE", arguments, make, plan, counts.shape[0])
        network = trained(recipe, options.train, run, self.name)
        return FittedExpression(
            self.name, data.readouts, batches, "", (), options.is_embedding_only, network
        )

    def restore(self, state: State) -> FittedExpression:
        """The fitted transform whose state this is."""
        return FittedExpression.restore(state)


#: Arguments of the network that its model takes too; the others it takes from the data.
SIZES = ("n_hidden", "n_latent", "n_layers")


def plan(learning_rate: float, warm_up: int) -> Mapping[str, Any]:
    """The training plan of scVI and scANVI."""
    return {"plan_kwargs": {"lr": learning_rate, "n_epochs_kl_warmup": warm_up}}
