"""Training of membranes on voltage traces by multiple shooting with growing stretches.

A spike that comes too early costs as much as one that never comes, so a whole trace teaches
little at first. Traces are cut into short stretches, solved side by side; each begins at the
measured voltage and at a memory that is trained with the network, and must end where the next
begins. Stretches grow until they are whole traces.
"""

from __future__ import annotations

import math
from typing import final

import torch
from pydantic import Field
from torch import Tensor, nn

from cellula.core.errors import DataError, NotConverged
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.models.hybrid.membrane import FreeMembrane, LearnedGates, simulated
from cellula.models.hybrid.squid_axon import Traces

__all__ = ["MembraneOptions", "fit_membrane", "predicted"]

#: Errors of the voltage are told in units of so many mV, of the memory at a cut in its own.
V_UNIT = 10.0
#: How much a gap of the memory at a cut counts.
GAP = 10.0


@final
class MembraneOptions(Options):
    """Stretches and steps."""

    stretches: tuple[int, ...] = (10, 25, 50, 100, 200)
    """Steps of time in a stretch, phase after phase; longer ones are cut at the trace's end."""
    iterations: tuple[int, ...] = (800, 300, 150, 60, 50)
    """Steps of Adam in every phase."""
    learning_rate: float = Field(1e-2, gt=0)
    """Of Adam in the first phase; every phase begins with 0.7 of the one before and falls."""
    clip: float = Field(1.0, gt=0)
    """The largest norm of a member's gradient."""


def fit_membrane(
    membrane: LearnedGates | FreeMembrane,
    traces: Traces,
    options: MembraneOptions,
    run: RunContext,
) -> tuple[tuple[float, ...], ...]:
    """Fit all members in place; the root mean square error in mV after each phase, a member.

    Raises DataError where phases do not fit the traces, NotConverged where the error of a member
    is no number, naming the phase.
    """
    _check(options, traces)
    told = []
    phases = list(zip(options.stretches, options.iterations, strict=True))
    for place, (length, count) in enumerate(run.progress.track(phases, "stretches")):
        phase = _Phase(membrane, traces, length)
        told.append(phase.train(count, options.learning_rate * 0.7**place, options.clip))
    return tuple(told)


def predicted(membrane: LearnedGates | FreeMembrane, traces: Traces) -> Tensor:
    """Voltages (members, cells, times) from the first of a trace's, at rest, and its current."""
    v = torch.as_tensor(traces.v[:, 0])
    first = v.expand(len(membrane.first), -1)
    with torch.no_grad():
        return simulated(membrane, first, membrane.start(first), *_driven(traces), _step(traces))[0]


def _driven(traces: Traces) -> tuple[Tensor, Tensor]:
    """Currents (cells, times) and what is open (cells, 2)."""
    share = [(one.open_na, one.open_k) for one in traces.steps]
    return torch.as_tensor(traces.current), torch.tensor(share, dtype=torch.float64)


def _step(traces: Traces) -> float:
    return float(traces.times[1] - traces.times[0])


def _check(options: MembraneOptions, traces: Traces) -> None:
    n = len(traces.times) - 1
    if len(options.stretches) != len(options.iterations):
        raise DataError(
            f"{len(options.stretches)} stretches and {len(options.iterations)} iterations; "
            "expected as many"
        )
    odd = [length for length in options.stretches if length < 1 or n % length]
    if odd:
        raise DataError(f"traces of {n} steps are not cut into stretches of {odd[0]}")


@final
class _Phase:
    """One length of stretches: every part of every trace, side by side."""

    def __init__(self, membrane: LearnedGates | FreeMembrane, traces: Traces, length: int) -> None:
        self.membrane, self.length, self.dt = membrane, length, _step(traces)
        current, open = _driven(traces)
        self.v = _cut(torch.as_tensor(traces.v), length)
        self.current = _cut(current, length)
        self.count = self.v.shape[1]
        self.open = open.repeat_interleave(self.count, dim=0)
        self.start = self.v[:, :, 0].reshape(1, -1).expand(len(membrane.first), -1)
        with torch.no_grad():
            rest = membrane.start(self.start)
            self.first = membrane.start(self.start[:, :: self.count])
            known = self._walked() if self.count > 1 else rest
        self.memory = nn.Parameter(known.clone())

    def _walked(self) -> Tensor:
        """The memory at every cut when the measured voltage drives the membrane."""
        cells = len(self.v)
        members = len(self.membrane.first)
        memory, found = self.first, []
        for part in range(self.count):
            found.append(memory)
            for k in range(self.length):
                v = self.v[:, part, k].expand(members, -1)
                open = self.open[:: self.count]
                _, memory = self.membrane.step(v, memory, self.current[:, part, k], open, self.dt)
        return torch.stack(found, dim=2).reshape(members, cells * self.count, -1)

    def train(self, count: int, rate: float, clip: float) -> tuple[float, ...]:
        """Adam; the error of every member in mV at its last step."""
        weights = list(self.membrane.parameters())
        parameters = [*weights, self.memory]
        optimiser = torch.optim.Adam(parameters, lr=rate)
        error = torch.zeros(())
        for step in range(count):
            for group in optimiser.param_groups:
                group["lr"] = rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / count)))
            loss, error = self._loss()
            if not torch.isfinite(loss).all():
                raise NotConverged(
                    f"the error of a membrane is no number at step {step} of stretches of "
                    f"{self.length}; lower the learning rate (now {rate:g})"
                )
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss.sum())
            _clip(parameters, clip)
            optimiser.step()
        return tuple(error.detach().tolist())

    def _loss(self) -> tuple[Tensor, Tensor]:
        """Of every member: what is made small, and the error in mV."""
        members, cells = len(self.membrane.first), len(self.v)
        memory = self.memory.reshape(members, cells, self.count, -1)
        first = self.membrane.start(self.start[:, :: self.count])[:, :, None]
        begin = torch.cat([first, memory[:, :, 1:]], dim=2)
        flat = self.current.reshape(cells * self.count, -1)
        start = begin.reshape(members, cells * self.count, -1)
        found, last = simulated(self.membrane, self.start, start, flat, self.open, self.dt)
        gap = found - self.v.reshape(cells * self.count, -1)
        square = gap.square().mean(dim=(1, 2))
        loss = square / V_UNIT**2
        if self.count > 1:
            end = last.reshape(members, cells, self.count, -1)[:, :, :-1]
            loss = loss + GAP * (end - begin[:, :, 1:]).square().mean(dim=(1, 2, 3))
        return loss, square.sqrt()


def _cut(rows: Tensor, length: int) -> Tensor:
    """(cells, times) as (cells, stretches, length + 1); a stretch ends where the next begins."""
    return rows.unfold(1, length + 1, length)


def _clip(parameters: list[nn.Parameter], largest: float) -> None:
    """Scale every member's gradient to a norm of at most ``largest``."""
    slopes = [one.grad for one in parameters if one.grad is not None]
    square = torch.stack([one.reshape(len(one), -1).square().sum(dim=1) for one in slopes])
    factor = (largest / square.sum(dim=0).sqrt()).clamp(max=1.0)
    for one in slopes:
        one.mul_(factor.reshape(-1, *[1] * (one.ndim - 1)))
