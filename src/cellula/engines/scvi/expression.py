"""What networks of one matrix of counts give: states of cells, expression without batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, final

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset, Matrix
from cellula.core.model import Options, State
from cellula.core.transform import ExpectedCounts
from cellula.core.value_type import ValueType
from cellula.engines.scvi.counts import Batches, counts_of, require_readouts
from cellula.engines.scvi.network import Network, blocks
from cellula.engines.scvi.scope import foreign_scope

__all__ = ["ExpressionOptions", "FittedExpression", "registered"]

#: What the expression of a cell of counts is scaled to.
PER = 1e4


class ExpressionOptions(Options):
    """Options of networks of one matrix of counts."""

    batch: str = "batch"
    """The role whose levels are batches; "": there are none."""
    latent: int = Field(default=10, ge=1)
    """Coordinates of the state of a cell."""
    width: int = Field(default=128, ge=1)
    """Units of a hidden layer."""
    layers: int = Field(default=1, ge=1)
    """Hidden layers of encoder and decoder each."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the units that are dropped in training."""
    likelihood: Literal["zinb", "nb"] = "zinb"
    """Of counts: negative binomial, or with zeros besides (zinb)."""
    is_embedding_only: bool = True
    """Whether values stay as they are; else they become expression without batches."""
    max_confounding: float = Field(default=0.5, ge=0, le=1)
    """The largest squared canonical correlation of batches and perturbation."""

    def arguments(self, n_readouts: int, n_batches: int) -> dict[str, Any]:
        """What the network is made with."""
        return {
            "n_input": n_readouts,
            "n_batch": n_batches,
            "n_hidden": self.width,
            "n_latent": self.latent,
            "n_layers": self.layers,
            "dropout_rate": self.dropout,
            "gene_likelihood": self.likelihood,
        }


def registered(counts: sp.csr_matrix, codes: Mapping[str, NDArray[np.int64]]) -> AnnData:
    """A matrix of their own for scvi-tools, which writes into it.

    codes: by column; padded, so that scvi-tools, which sorts text, counts them as we do.
    """
    made = AnnData(counts.copy())
    for name, code in codes.items():
        made.obs[name] = [f"{number:06d}" for number in code]
    return made


@final
@dataclass(frozen=True, slots=True)
class FittedExpression:
    """A network of one matrix of counts.

    name: of the transform; states go to ``obsm["X_NAME"]``. label_role, labels: what ``scanvi``
    learned to tell, "" and () of ``scvi``.
    """

    name: str
    readouts: tuple[str, ...]
    batches: Batches
    label_role: str
    labels: tuple[str, ...]
    is_embedding_only: bool
    network: Network

    def apply(self, data: Dataset) -> Dataset:
        """The dataset with states in ``obsm`` and, of labels, the likeliest in ``obs``.

        Without ``is_embedding_only`` the values become the expected expression of the state,
        averaged over the batches of training: log(1 + expected share * total), the total that of
        the profile's own values, of counts 10,000. Raises DataError on other readouts, on levels
        that were not seen and where there are no counts.
        """
        require_readouts(data.readouts, self.readouts, self.name)
        counts, codes = counts_of(data), self.batches.codes(data)
        states, label = self._read(counts, codes)
        old = cast("AnnData", data.data)
        obs, obsm = old.obs.copy(), {key: old.obsm[key] for key in old.obsm}
        obsm[f"X_{self.name}"] = states
        if self.labels:
            obs[f"{self.name}_{self.label_role}"] = np.array(self.labels)[label]
        if self.is_embedding_only:
            layers = {key: old.layers[key] for key in old.layers}
            made = AnnData(data.values.copy(), obs, old.var.copy(), obsm=obsm, layers=layers)
            return replace(data, data=made)
        total = np.full(len(states), PER)
        if data.value_type is ValueType.LOG1P:
            for rows in blocks(len(total)):
                total[rows] = np.expm1(data.dense(rows)).sum(axis=1)
        values = np.log1p(self._share(states) * total[:, None])
        made = AnnData(values, obs, old.var.copy(), obsm=obsm)
        return replace(data, data=made, value_type=ValueType.LOG1P)

    def encode(self, counts: Matrix) -> NDArray[np.float64]:
        """See :meth:`cellula.core.transform.CountSpace.encode`; the encoder sees no batch."""
        matrix = sp.csr_matrix(counts, dtype=np.float32)
        return self._read(matrix, np.zeros(matrix.shape[0], np.int64))[0]

    def decode(self, states: NDArray[np.float64], depth: NDArray[np.float64]) -> ExpectedCounts:
        """See :meth:`cellula.core.transform.CountSpace.decode`; averaged over the batches."""
        mean, absent = np.zeros((2, len(states), len(self.readouts)))
        inverse = np.ones_like(mean)
        with foreign_scope(0), torch.no_grad():
            for rows in blocks(len(states)):
                for code in range(len(self.batches.levels)):
                    found = self._generated(states[rows], depth[rows], code)
                    mean[rows] += _double(found.mu) / len(self.batches.levels)
                    inverse[rows] = _double(found.theta)
                    if hasattr(found, "zi_probs"):
                        absent[rows] += _double(found.zi_probs) / len(self.batches.levels)
        return ExpectedCounts(mean, inverse, absent)

    def state(self) -> State:
        """Weights as arrays, the rest as JSON."""
        own = self.network.state()
        meta = {
            "name": self.name,
            "readouts": list(self.readouts),
            "batch": self.batches.role,
            "levels": list(self.batches.levels),
            "label_role": self.label_role,
            "labels": list(self.labels),
            "is_embedding_only": self.is_embedding_only,
        }
        return State(own.arrays, {**own.meta, **meta})

    @classmethod
    def restore(cls, state: State) -> FittedExpression:
        """The network of a state."""
        meta = state.meta
        return cls(
            str(meta["name"]),
            tuple(meta["readouts"]),
            Batches(str(meta["batch"]), tuple(meta["levels"])),
            str(meta["label_role"]),
            tuple(meta["labels"]),
            bool(meta["is_embedding_only"]),
            Network.restore(state),
        )

    def _read(
        self, counts: sp.csr_matrix, codes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mean states (profiles, latent) and the codes of the likeliest labels (profiles,)."""
        states = np.zeros((counts.shape[0], int(self.network.arguments["n_latent"])))
        label = np.zeros(len(states), np.int64)
        module = self.network.module
        with foreign_scope(0), torch.no_grad():
            for rows in blocks(len(states)):
                x = torch.from_numpy(counts[rows].toarray())
                batch = torch.from_numpy(codes[rows])[:, None]
                states[rows] = _double(module.inference(x=x, batch_index=batch)["qz"].loc)
                if self.labels:
                    told = module.classify(x, batch_index=batch)
                    label[rows] = told.argmax(dim=1).numpy()
        return states, label

    def _share(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """The expected share of every readout in a cell's counts, averaged over the batches."""
        found = np.zeros((len(states), len(self.readouts)))
        one = np.ones(len(states))
        with foreign_scope(0), torch.no_grad():
            for rows in blocks(len(states)):
                for code in range(len(self.batches.levels)):
                    found[rows] += _double(self._generated(states[rows], one[rows], code).scale)
        return found / len(self.batches.levels)

    def _generated(self, states: NDArray[np.float64], depth: NDArray[np.float64], code: int) -> Any:
        """The distribution of counts of cells in these states, of one batch."""
        module = self.network.module
        batch = torch.full((len(states), 1), code)
        library = torch.from_numpy(np.log(depth)).float()[:, None]
        return module.generative(
            z=torch.from_numpy(states).float(),
            library=library,
            batch_index=batch,
            y=torch.zeros_like(batch),
        )["px"]


def _double(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().double().numpy())
