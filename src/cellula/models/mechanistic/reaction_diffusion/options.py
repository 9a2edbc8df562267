"""What a reaction-diffusion simulation is asked."""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field

from cellula.core.model import Options

__all__ = ["ReactionDiffusionOptions"]


@final
class ReactionDiffusionOptions(Options):
    """Tolerances and bounds of :class:`~cellula.models.mechanistic.reaction_diffusion.simulation.
    ReactionDiffusion`.
    """

    rtol: float = Field(1e-4, gt=0, lt=1)
    """Error of a step that is allowed, relative to the greatest value of each field; of what
    differs from the mean of a field, at most the root of this times the range of the field."""
    atol: float = Field(1e-9, gt=0)
    """Error of a step that is allowed beside it, in units of each field."""
    step: float | None = Field(None, gt=0)
    """The length of every step; None where the error is to decide."""
    max_steps: int = Field(100_000, ge=1)
    """Steps, accepted or not, between two times before it is given up."""
    outer: Literal["diffusion", "reaction"] = "diffusion"
    """What a step begins and ends with. Diffusion costs three reaction steps in place of five;
    reaction keeps fast equilibria at the end of every step."""
    is_extrapolated: bool = True
    """Order 4 from a whole step and two halves; where False, the two halves alone, of order 2."""
    largest_jump: float = Field(0.5, gt=0, le=1)
    """The largest difference between neighbouring voxels, as a share of the field's range, that a
    diffusing field may have at a time that is told; 1 allows all."""
