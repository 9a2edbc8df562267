"""totalVI: one state of a cell from transcripts and surface proteins [gayoso2021]_."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch

from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.run import RunContext
from cellula.engines.scvi.counts import Batches
from cellula.engines.scvi.joint import FittedJoint, JointOptions, both_counts, registered_pair
from cellula.engines.scvi.package import PACKAGE, scvi
from cellula.engines.scvi.training import Recipe, TrainOptions, trained

__all__ = ["Totalvi", "TotalviOptions"]


class TotalviOptions(JointOptions):
    """Options of :class:`Totalvi`."""

    protein: str = "protein"
    """The modality of proteins, counts of antibodies."""
    train: TrainOptions = TrainOptions(learning_rate=4e-3, batch=256)
    """How the network is trained."""


@final
class Totalvi:
    """totalVI [gayoso2021]_ of scvi-tools [gayoso2022]_: transcripts and surface proteins.

    A protein's counts are a mixture of background and foreground. Its encoder sees the batch. A
    protein that is 0 in a whole batch is taken for absent there, not for unmeasured. The rate of
    learning does not fall and training does not stop early: all cells are trained on.
    """

    name: ClassVar[str] = "totalvi"
    package: ClassVar[str] = PACKAGE
    options_type: ClassVar[type[Options]] = TotalviOptions
    references: ClassVar[tuple[str, ...]] = ("gayoso2021", "gayoso2022")

    def __init__(self, options: TotalviOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedJoint:
        """Train on ``data``, which must hold no held-out profile.

        Raises DataError where a modality, counts or batches are missing, and where levels of the
        batch cannot be told from perturbations.
        """
        options = self.options
        names = (options.rna, options.protein)
        counts = both_counts(data, names)
        batches = Batches.of(data, options.batch, options.max_confounding)
        codes = batches.codes(data)
        own: dict[str, Any] = {"n_latent": options.latent, "n_hidden": options.width}

        def make(_device: torch.device) -> Any:
            both = registered_pair((counts[0], counts[1].toarray()), codes)
            modalities = {"rna_layer": "first", "protein_layer": "second"}
            scvi.model.TOTALVI.setup_mudata(both, batch_key="batch", modalities=modalities)
            return scvi.model.TOTALVI(both, override_missing_proteins=True, **own)

        arguments = own | {
            "n_input_genes": counts[0].shape[1],
            "n_input_proteins": counts[1].shape[1],
            "n_batch": len(batches.levels),
            "n_panel": len(batches.levels),
        }
        recipe = Recipe("TOTALVAE", arguments, make, _plan, len(codes))
        network = trained(recipe, options.train, run, self.name)
        readouts = {name: data.modality(name).readouts for name in names}
        return FittedJoint(self.name, readouts, batches, network)

    def restore(self, state: State) -> FittedJoint:
        """The fitted transform whose state this is."""
        return FittedJoint.restore(state)


def _plan(learning_rate: float, warm_up: int) -> Mapping[str, Any]:
    return {"lr": learning_rate, "n_epochs_kl_warmup": warm_up, "reduce_lr_on_plateau": False}
