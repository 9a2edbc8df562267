"""What is done to cells: kinds, single perturbations and combinations of them.

In a table a perturbation is a label. ``+`` joins the components of a combination
(``KLF1+MAP2K6``); the order of the components does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cellula.core.errors import DataError

__all__ = ["Perturbation", "PerturbationKind", "components"]


class PerturbationKind(StrEnum):
    """How cells are perturbed."""

    KNOCK_OUT = "knock_out"
    INTERFERENCE = "interference"
    ACTIVATION = "activation"
    OVER_EXPRESSION = "over_expression"
    MUTATION = "mutation"
    COMPOUND = "compound"
    CYTOKINE = "cytokine"


def components(label: str) -> tuple[str, ...]:
    """The components of a perturbation label, sorted: ``"B+A"`` gives ``("A", "B")``."""
    return tuple(sorted(part.strip() for part in label.split("+") if part.strip()))


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One perturbation or a combination.

    targets: the perturbed genes or compounds, one a component. dose_molar: mol/l, one a
    component, or None where a dose has no meaning. start_s, stop_s: the schedule in seconds
    after the start of the experiment; stop_s is None for a permanent change.
    """

    kind: PerturbationKind
    targets: tuple[str, ...]
    dose_molar: tuple[float, ...] | None = None
    start_s: float = 0.0
    stop_s: float | None = None

    def __post_init__(self) -> None:
        if not self.targets or any(not target for target in self.targets):
            raise DataError("a perturbation needs at least one target, each with a name")
        if self.dose_molar is not None:
            if len(self.dose_molar) != len(self.targets):
                raise DataError(
                    f"{len(self.dose_molar)} doses for {len(self.targets)} targets; "
                    "give one dose a target, in mol/l"
                )
            if any(not dose >= 0 for dose in self.dose_molar):
                raise DataError(f"doses {self.dose_molar} include a negative or missing dose")
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise DataError(f"the perturbation stops at {self.stop_s} s, before it starts")

    @property
    def label(self) -> str:
        """The label used in tables: the sorted targets joined by ``+``."""
        return "+".join(sorted(self.targets))
