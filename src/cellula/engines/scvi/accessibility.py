"""MultiVI: one state of a cell from transcripts and open chromatin [ashuach2023]_."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import torch
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.run import RunContext
from cellula.engines.scvi.counts import Batches
from cellula.engines.scvi.joint import FittedJoint, JointOptions, both_counts, registered_pair
from cellula.engines.scvi.package import PACKAGE, scvi
from cellula.engines.scvi.training import Recipe, TrainOptions, trained

__all__ = ["Multivi", "MultiviOptions"]


class MultiviOptions(JointOptions):
    """Options of :class:`Multivi`."""

    atac: str = "atac"
    """The modality of open regions, counts of fragments."""
    latent: int = Field(default=10, ge=1)
    """Coordinates of the state of a cell."""
    width: int = Field(default=128, ge=1)
    """Units of a hidden layer."""
    train: TrainOptions = TrainOptions(learning_rate=1e-4, warm_up=0.1)
    """How the network is trained."""


@final
class Multivi:
    """MultiVI [ashuach2023]_ of scvi-tools [gayoso2022]_: transcripts and open chromatin.

    Every modality has an encoder, their states are averaged and kept alike. Every cell must have
    counts of both. Training does not stop early: all cells are trained on.
    """

    name: ClassVar[str] = "multivi"
    package: ClassVar[str] = PACKAGE
    options_type: ClassVar[type[Options]] = MultiviOptions
    references: ClassVar[tuple[str, ...]] = ("ashuach2023", "gayoso2022")

    def __init__(self, options: MultiviOptions) -> None:
        self.options = options

    def fit(self, data: Dataset, run: RunContext) -> FittedJoint:
        """Train on ``data``, which must hold no held-out profile.

        Raises DataError where a modality, counts or batches are missing, and where levels of the
        batch cannot be told from perturbations.
        """
        options = self.options
        names = (options.rna, options.atac)
        counts = both_counts(data, names)
        batches = Batches.of(data, options.batch, options.max_confounding)
        codes = batches.codes(data)
        own: dict[str, Any] = {"n_latent": options.latent, "n_hidden": options.width}

        def make(_device: torch.device) -> Any:
            both = registered_pair(counts, codes)
            modalities = {"rna_layer": "first", "atac_layer": "second"}
            scvi.model.MULTIVI.setup_mudata(both, batch_key="batch", modalities=modalities)
            return scvi.model.MULTIVI(both, **own)

        arguments = own | {
            "n_input_genes": counts[0].shape[1],
            "n_input_regions": counts[1].shape[1],
            "n_batch": len(batches.levels),
            "n_obs": len(codes),
            "n_cats_per_cov": [],
        }
        recipe = Recipe("MULTIVAE", arguments, make, _plan, len(codes))
        network = trained(recipe, options.train, run, self.name)
        readouts = {name: data.modality(name).readouts for name in names}
        return FittedJoint(self.name, readouts, batches, network)

    def restore(self, state: State) -> FittedJoint:
        """The fitted transform whose state this is."""
        return FittedJoint.restore(state)


def _plan(learning_rate: float, warm_up: int) -> Mapping[str, Any]:
    return {"lr": learning_rate, "n_epochs_kl_warmup": warm_up}
