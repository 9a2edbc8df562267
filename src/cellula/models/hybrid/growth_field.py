"""Growth under a drug as a differential equation: its kinetics, and what a small network adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellula.models.hybrid.integrator import states_at
from cellula.models.mechanistic.growth_fit import GrowthParameters
from cellula.models.mechanistic.growth_rates import PRIOR_SD

__all__ = ["GrowthBatch", "GrowthField"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GrowthBatch:
    """Conditions, a row each.

    drug, line: (conditions,) codes, -1 for an unknown one; log10_dose, division (doublings per
    hour of untreated cells): (conditions,).
    """

    drug: Tensor
    line: Tensor
    log10_dose: Tensor
    division: Tensor

    @classmethod
    def of(
        cls, drug: NDArray[np.int64], line: NDArray[np.int64], log10_dose: Floats, division: Floats
    ) -> GrowthBatch:
        """From arrays; numbers in double precision."""
        codes = (torch.from_numpy(np.ascontiguousarray(one)).long() for one in (drug, line))
        numbers = (
            torch.from_numpy(np.ascontiguousarray(one)).double() for one in (log10_dose, division)
        )
        return cls(*codes, *numbers)

    def take(self, rows: Tensor) -> GrowthBatch:
        """Some conditions, by position."""
        return GrowthBatch(
            self.drug[rows], self.line[rows], self.log10_dose[rows], self.division[rows]
        )


@final
class GrowthField(nn.Module):
    """dx/dt = -l(dose) (1 - exp(-k t)) + s g(x, t, condition), x the change of log2 cells.

    l and k as in :func:`~cellula.models.mechanistic.growth_rates.growth_change`, their parameters
    those of the kinetics plus s times a shift that is learned. g, in doublings an hour, is a
    network of one hidden layer that begins at 0 and sees x, t, the dose, the division rate and
    the parameters of drug and line.
    """

    core: Tensor
    unit: Tensor
    is_fitted: Tensor
    is_rate: Tensor
    place: Tensor
    dose_centre: Tensor
    dose_spread: Tensor

    def __init__(self, known: GrowthParameters, hours: Floats, width: int, step_h: float) -> None:
        super().__init__()
        self.known, self.step_h = known, step_h
        finite = np.isfinite(hours)
        self.times = tuple(float(one) for one in np.unique(hours[finite]))
        place = np.searchsorted(self.times, np.where(finite, hours, self.times[0]))
        self.register_buffer("is_rate", torch.from_numpy(~finite))
        self.register_buffer("place", torch.from_numpy(place))
        values = torch.from_numpy(known.values)
        self.register_buffer("core", values)
        self.register_buffer("unit", torch.from_numpy(PRIOR_SD))
        self.register_buffer("is_fitted", torch.from_numpy(known.is_fitted).double())
        doses = np.concatenate([known.least[:-1], known.most[:-1]])
        self.register_buffer("dose_centre", torch.tensor(float(doses.mean())).double())
        self.register_buffer("dose_spread", torch.tensor(max(float(doses.std()), 1e-3)).double())
        self.shift = nn.Parameter(torch.zeros_like(values))
        n_static = 2 + 2 * values.shape[-1]
        self.of_condition = nn.Linear(n_static, width).double()
        self.of_state = nn.Linear(2, width, bias=False).double()
        self.out = nn.Linear(width, 1, bias=False).double()
        nn.init.zeros_(self.out.weight)

    def forward(self, batch: GrowthBatch, belief: float = 1.0) -> tuple[Tensor, Tensor]:
        """Changes at the hours of the readouts (conditions, readouts), and what g adds to them.

        The second (conditions, times) is g times the last hour: doublings over a whole course.
        """
        parameters = self._kinetics(batch, belief)
        spent = self._spent(batch, parameters)
        onset = torch.exp(parameters[:, 6])
        hidden = self.of_condition(self._described(batch))
        last = self.times[-1]

        def learned(t: float, x: Tensor) -> Tensor:
            state = torch.stack([x, torch.full_like(x, t / last)], dim=1)
            added: Tensor = self.out(torch.tanh(hidden + self.of_state(state)))[:, 0]
            return added / last

        def field(t: float, x: Tensor) -> Tensor:
            return -spent * (1.0 - torch.exp(-onset * t)) + belief * learned(t, x)

        states = states_at(field, torch.zeros_like(spent), 0.0, self.times, self.step_h)
        added = torch.stack(
            [last * learned(t, x) for t, x in zip(self.times, states, strict=True)], dim=1
        )
        told = torch.stack(states, dim=1)[:, self.place]
        rate = field(last, states[-1])[:, None].expand_as(told)
        return torch.where(self.is_rate, rate, told), added

    def _kinetics(self, batch: GrowthBatch, belief: float) -> Tensor:
        where = (batch.drug, batch.line)
        shift = self.shift[where] * self.unit * self.is_fitted[where][:, None]
        return self.core[where] + belief * shift

    def _spent(self, batch: GrowthBatch, p: Tensor) -> Tensor:
        """Doublings an hour that are lost once the drug acts: (conditions,)."""
        ln10 = float(np.log(10.0))
        by_division = torch.sigmoid(torch.exp(p[:, 2]) * ln10 * (batch.log10_dose - p[:, 1]))
        by_death = torch.sigmoid(torch.exp(p[:, 5]) * ln10 * (batch.log10_dose - p[:, 4]))
        return batch.division * p[:, 0] * by_division + torch.exp(p[:, 3]) * by_death

    def _described(self, batch: GrowthBatch) -> Tensor:
        """What the network is told of every condition: (conditions, 16)."""
        of_drug = self.core[batch.drug, -1]
        centre = self.core[:, -1].mean(dim=0)
        own = (self.core[batch.drug, batch.line] - of_drug) / self.unit
        dose = (batch.log10_dose - self.dose_centre) / self.dose_spread
        division = batch.division * self.times[-1] / 4.0
        parts = [dose, division, *((of_drug - centre) / self.unit).T, *own.T]
        return torch.stack(parts, dim=1)
