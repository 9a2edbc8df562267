"""Training of a physics-informed network: Adam, then L-BFGS, every term watched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from cellula.core.errors import NotConverged
from cellula.core.run import RunContext
from cellula.models.hybrid.physics_loss import TERMS, Loss
from cellula.models.hybrid.physics_options import PhysicsOptions

__all__ = ["Convergence", "train"]

#: Steps between two records of the convergence, and between two balances of the weights.
EVERY = 50
#: How much of a weight stays when the weights are balanced anew.
KEPT = 0.9
#: A loss that is so much smaller counts as a step forward.
FORWARD = 0.999


@final
@dataclass(frozen=True, slots=True)
class Convergence:
    """The terms of the loss at one step, without weights; None where a problem lacks a term.

    window: which stretch of time; phase: ``adam`` or ``l-bfgs``; loss: with the weights.
    """

    window: int
    phase: str
    step: int
    loss: float
    residual: float
    data: float | None = None
    initial: float | None = None
    boundary: float | None = None


def train(loss: Loss, options: PhysicsOptions, window: int, run: RunContext) -> list[Convergence]:
    """Fit network and unknowns in place; the convergence, from the first step to the last.

    Weights are fixed, or balanced while Adam runs: the gradient of every term gets the norm of
    the residual's, with a moving mean [wang2021]_. Causal weights end with Adam, and L-BFGS sees
    every slice of time [wang2024]_. Raises NotConverged when a term is no number, naming the
    term and the step.
    """
    made = _Training(loss, options, window)
    for told in run.progress.track(range(options.adam_steps // EVERY + 1), f"window {window + 1}"):
        if not made.adam(told * EVERY, min((told + 1) * EVERY, options.adam_steps)):
            break
    loss.is_causal = False
    for stage in range(options.ramp):
        made.raise_to(stage)
        made.lbfgs()
    return made.told


@final
class _Training:
    """A training under way."""

    def __init__(self, loss: Loss, options: PhysicsOptions, window: int) -> None:
        self.loss, self.options, self.window = loss, options, window
        self.parameters = [*loss.trial.network.parameters(), *loss.sought.parameters()]
        self.weights = {name: getattr(options, f"{name}_weight") for name in TERMS}
        self.optimiser = torch.optim.Adam(self.parameters, lr=options.learning_rate)
        self.told: list[Convergence] = []
        self.done = 0
        self.raise_to(0)

    def raise_to(self, stage: int) -> None:
        """The residual's weight in a stage."""
        below = self.options.ramp - 1 - stage
        self.weights["residual"] = self.options.residual_weight * 10.0**-below

    def adam(self, first: int, last: int) -> bool:
        """Some steps; False where the tolerance is reached."""
        for step in range(first, last):
            share = step / self.options.adam_steps
            rate = self.options.learning_rate * (
                0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))
            )
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            terms = self._terms("adam", step)
            if self.options.weights == "balanced" and step % EVERY == 0:
                self._balance(terms)
            total = self._total(terms)
            if step % EVERY == 0:
                self._tell("adam", step, terms, total)
                if float(total.detach()) < self.options.tolerance:
                    return False
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(total)
            self.optimiser.step()
        return last > first

    def lbfgs(self) -> None:
        """L-BFGS with a line search that keeps the strong Wolfe conditions, in stretches."""
        best, since, end = math.inf, 0, self.done + self.options.lbfgs_steps
        optimiser = torch.optim.LBFGS(
            self.parameters,
            max_iter=EVERY,
            max_eval=2 * EVERY,
            history_size=50,
            tolerance_grad=1e-14,
            tolerance_change=1e-16,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimiser.zero_grad(set_to_none=True)
            total = self._total(self._terms("l-bfgs", self.done))
            torch.autograd.backward(total)
            return total

        while self.done < end and since < self.options.patience:
            optimiser.step(closure)  # type: ignore[no-untyped-call]
            self.done += EVERY
            terms = self._terms("l-bfgs", self.done)
            total = float(self._tell("l-bfgs", self.done, terms, self._total(terms)).loss)
            if total < self.options.tolerance:
                return
            best, since = (total, 0) if total < FORWARD * best else (best, since + 1)

    def _terms(self, phase: str, step: int) -> dict[str, Tensor]:
        terms = self.loss.terms()
        for name, value in terms.items():
            if not math.isfinite(float(value.detach())):
                raise NotConverged(
                    f"the {name} term of {self.loss.problem.id!r} is {float(value.detach())} at "
                    f"step {step} of {phase}, window {self.window + 1}; lower learning_rate (now "
                    f"{self.options.learning_rate:g}), take more windows, or look for a formula "
                    "that has no value somewhere in the domain"
                )
        return terms

    def _total(self, terms: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()

    def _balance(self, terms: dict[str, Tensor]) -> None:
        norms = {name: self._norm(value) for name, value in terms.items()}
        for name, norm in norms.items():
            if name != "residual" and norm > 0 and norms["residual"] > 0:
                wanted = self.weights["residual"] * norms["residual"] / norm
                self.weights[name] = KEPT * self.weights[name] + (1 - KEPT) * wanted

    def _norm(self, term: Tensor) -> float:
        slopes = torch.autograd.grad(term, self.parameters, retain_graph=True, allow_unused=True)
        return math.sqrt(sum(float(one.square().sum()) for one in slopes if one is not None))

    def _tell(self, phase: str, step: int, terms: dict[str, Tensor], total: Tensor) -> Convergence:
        numbers = {name: float(value.detach()) for name, value in terms.items()}
        told = Convergence(self.window, phase, step, float(total.detach()), **numbers)
        self.told.append(told)
        return told
