"""What networks of two kinds of readouts give: one state of a cell from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from anndata import AnnData
from mudata import MuData, set_options
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset, Matrix
from cellula.core.errors import DataError
from cellula.core.model import Options, State
from cellula.core.turn import TURN
from cellula.engines.scvi.counts import Batches, counts_of, require_readouts
from cellula.engines.scvi.network import Network, blocks
from cellula.engines.scvi.package import streams_kept
from cellula.engines.scvi.scope import foreign_scope

__all__ = ["FittedJoint", "JointOptions", "both_counts", "registered_pair"]


class JointOptions(Options):
    """Options of networks of two kinds of readouts."""

    rna: str = "rna"
    """The modality of transcripts."""
    batch: str = "batch"
    """The role whose levels are batches; "": there are none."""
    latent: int = Field(default=20, ge=1)
    """Coordinates of the state of a cell."""
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer."""
    max_confounding: float = Field(default=0.5, ge=0, le=1)
    """The largest squared canonical correlation of batches and perturbation."""


def both_counts(data: Dataset, names: tuple[str, str]) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """The counts of two modalities of the same profiles in the same order.

    Raises DataError where a modality is missing, lacks a profile or has no counts.
    """
    if isinstance(data.data, AnnData):
        raise DataError(f"the data have one modality; expected two, {names[0]!r} and {names[1]!r}")
    found = []
    for name in names:
        part = data.modality(name)
        if list(part.obs.index) != list(data.obs.index):
            raise DataError(
                f"modality {name!r} has {part.n_profiles} profiles, all together have "
                f"{data.n_profiles}; keep the profiles that every modality has, in one order"
            )
        found.append(counts_of(part, f"the profiles of modality {name!r}"))
    return found[0], found[1]


def registered_pair(counts: tuple[Matrix, Matrix], codes: NDArray[np.int64]) -> MuData:
    """Two matrices of their own for scvi-tools: modalities ``first`` and ``second``."""
    names = [str(i) for i in range(len(codes))]
    parts = {
        key: AnnData(
            part.copy(),
            pd.DataFrame(index=names),
            pd.DataFrame(index=[f"{key}{i}" for i in range(part.shape[1])]),
        )
        for key, part in zip(("first", "second"), counts, strict=True)
    }
    with set_options(pull_on_update=False):
        both = MuData(parts)
    both.obs["batch"] = [f"{code:06d}" for code in codes]
    return both


@final
@dataclass(frozen=True, slots=True)
class FittedJoint:
    """A network of two modalities.

    name: of the transform; states go to ``obsm["X_NAME"]`` of the profiles that the modalities
    share. readouts: by modality, transcripts first.
    """

    name: str
    readouts: Mapping[str, tuple[str, ...]]
    batches: Batches
    network: Network

    def apply(self, data: Dataset) -> Dataset:
        """The dataset with states in the shared ``obsm``; values stay.

        Raises DataError on other modalities or readouts, levels that were not seen and where
        there are no counts.
        """
        first, second = self.readouts
        counts = both_counts(data, (first, second))
        for name in self.readouts:
            found = tuple(data.data.mod[name].var_names.astype(str))
            require_readouts(found, self.readouts[name], f"{self.name}, modality {name!r},")
        states = self._states(counts, self.batches.codes(data))
        with TURN, streams_kept(), set_options(pull_on_update=False):  # mudata draws names
            made = data.data.copy()
        made.obsm[f"X_{self.name}"] = states
        return replace(data, data=made)

    def state(self) -> State:
        """Weights as arrays, the rest as JSON."""
        own = self.network.state()
        meta = {
            "name": self.name,
            "readouts": [[name, list(readouts)] for name, readouts in self.readouts.items()],
            "batch": self.batches.role,
            "levels": list(self.batches.levels),
        }
        return State(own.arrays, {**own.meta, **meta})

    @classmethod
    def restore(cls, state: State) -> FittedJoint:
        """The network of a state."""
        meta = state.meta
        return cls(
            str(meta["name"]),
            {str(name): tuple(readouts) for name, readouts in meta["readouts"]},
            Batches(str(meta["batch"]), tuple(meta["levels"])),
            Network.restore(state),
        )

    def _states(
        self, counts: tuple[sp.csr_matrix, sp.csr_matrix], codes: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        states = np.zeros((len(codes), int(self.network.arguments["n_latent"])))
        with foreign_scope(0), torch.no_grad():
            for rows in blocks(len(codes)):
                dense = [torch.from_numpy(part[rows].toarray()) for part in counts]
                batch = torch.from_numpy(codes[rows])[:, None]
                states[rows] = self._mean_state(dense[0], dense[1], batch).double().numpy()
        return states

    def _mean_state(self, x: torch.Tensor, y: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """The mean of a cell's state given both modalities: (cells, latent)."""
        module = self.network.module
        found: torch.Tensor
        if self.network.kind == "TOTALVAE":
            found = module.inference(x=x, y=y, batch_index=batch, panel_index=batch)["qz"].loc
            return found
        found = module.inference(
            x=torch.cat([x, y], dim=1),
            y=torch.zeros(len(x), 1),
            batch_index=batch,
            cont_covs=None,
            cat_covs=None,
            label=torch.zeros_like(batch),
            cell_idx=torch.arange(len(x)),
            size_factor=None,
        )["qz_m"]
        return found
