"""From what is known of a condition to how fast each nutrient can be taken up, as a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.mechanistic.flux_problem import FluxProblem

__all__ = ["FluxFrontOptions", "UptakeFront", "Uptakes", "uptakes_of"]

Floats: TypeAlias = NDArray[np.float64]
#: What softplus turns into 1.
ONE = math.log(math.e - 1.0)
#: What files write where there is no bound, and what a greatest uptake then is, of the order of
#: what bacteria take up, in mmol per gram and hour.
NO_BOUND, USUAL = 1000.0, 10.0


@final
class FluxFrontOptions(Options):
    """Options of :class:`~cellula.models.hybrid.flux_front.FluxFront`."""

    network: Path
    """The file of the network, SBML with the package fbc. In a study, from the folder of the data
    (``--data``)."""
    network_format: str | None = None
    """The reader of that file, where its name does not tell."""
    network_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The SHA-256 that the file must have; so a study registers what it is, not where."""
    uptakes: Mapping[str, str]
    """Feature of contexts or perturbations, the concentration of a nutrient (0: absent) -> the
    reaction that takes it up."""
    readouts: Mapping[str, str]
    """Readout of the data -> the reaction whose flux it is; every readout of the data."""
    capacities: Mapping[str, float] = Field(default_factory=dict)
    """Feature of ``uptakes`` -> the greatest uptake before training, in the network's unit. Else
    the network's own bound, or 10 where that is 0 or 1000, which files write for none. One that is
    too great to matter in any condition of training stays as it is."""
    front: Literal["network", "constant"] = "network"
    """Whether a greatest uptake depends on the whole condition, or is one fitted number of the
    nutrient: flux balance with fitted bounds."""
    width: int = Field(default=32, ge=1)
    """Units of a hidden layer."""
    train: TrainOptions = TrainOptions(epochs=150, batch=64, learning_rate=1e-2)
    """How the front is trained; a batch is of conditions."""

    @model_validator(mode="after")
    def _is_told(self) -> Self:
        if not self.uptakes or not self.readouts:
            raise ValueError("name at least one uptake, and every readout of the data")
        strange = sorted(set(self.capacities) - set(self.uptakes))
        if strange or not all(0 < value < math.inf for value in self.capacities.values()):
            told = f"{strange[0]!r} is no feature of uptakes" if strange else "one is not above 0"
            raise ValueError(f"capacities: {told}")
        return self


@final
@dataclass(frozen=True, slots=True)
class Uptakes:
    """The bounds of all reactions before a condition, and which of them a front moves.

    lower, upper: (reactions,); places: (uptakes,) of reactions; is_back: (uptakes,) whether
    uptake is a negative flux; capacity: (uptakes,) before training.
    """

    lower: Floats
    upper: Floats
    places: tuple[int, ...]
    is_back: tuple[bool, ...]
    capacity: Floats

    def bounds(self, capacity: Tensor, is_stopped: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds (conditions, reactions) from what can be taken up, (conditions, uptakes)."""
        sides = []
        for own, is_back in ((self.lower, True), (self.upper, False)):
            side = torch.from_numpy(own).expand(len(capacity), -1)
            at = [k for k, back in enumerate(self.is_back) if back is is_back]
            if at:
                columns = torch.tensor([self.places[k] for k in at])
                told = -capacity[:, at] if is_back else capacity[:, at]
                side = side.index_copy(1, columns, told)
            sides.append(torch.where(is_stopped, torch.zeros_like(side), side))
        return sides[0], sides[1]


@final
class UptakeFront(nn.Module):
    """Greatest uptakes (conditions, uptakes) of conditions: those before training when new.

    c_i softplus(f_i(condition)) where the medium holds the nutrient, else 0; f is a network, or a
    number of the nutrient.
    """

    capacity: Tensor

    def __init__(self, n_inputs: int, uptakes: Uptakes, options: FluxFrontOptions) -> None:
        super().__init__()
        n = len(uptakes.places)
        self.register_buffer("capacity", torch.from_numpy(uptakes.capacity))
        self.base = nn.Parameter(torch.full((n,), ONE, dtype=torch.float64))
        self.network: nn.Sequential | None = None
        if options.front == "network":
            self.network = mlp((n_inputs, options.width, options.width, n)).double()
            for weights in self.network[-1].parameters():
                nn.init.zeros_(weights)

    def forward(self, inputs: Tensor, is_present: Tensor) -> Tensor:
        """Of inputs (conditions, features) and presence (conditions, uptakes)."""
        told = self.base.expand(len(inputs), -1)
        if self.network is not None:
            told = told + self.network(inputs)
        return self.capacity * nn.functional.softplus(told) * is_present


def uptakes_of(problem: FluxProblem, options: FluxFrontOptions) -> Uptakes:
    """The bounds of a linear program, of which those of some uptakes are free.

    Raises DataError on a reaction that the program lacks, or that both takes and makes.
    """
    places, is_back, own = [], [], []
    for feature, id in options.uptakes.items():
        if id not in problem.ids:
            raise DataError(f"the uptake {id!r} is no reaction of network {problem.id!r}")
        at = problem.ids.index(id)
        numbers = problem.stoichiometry[:, [at]].data
        if not len(numbers) or (numbers > 0).any() == (numbers < 0).any():
            raise DataError(
                f"the uptake {id!r} of network {problem.id!r} is no exchange with the medium: it "
                "takes and makes, or does neither; name the reaction of one species alone"
            )
        back = bool(numbers[0] < 0)
        bound = float(-problem.lower[at] if back else problem.upper[at])
        places.append(at)
        is_back.append(back)
        own.append(options.capacities.get(feature, bound if 0 < bound < NO_BOUND else USUAL))
    return Uptakes(
        problem.lower, problem.upper, tuple(places), tuple(is_back), np.array(own, np.float64)
    )
