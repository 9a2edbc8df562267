"""Options of the physics-informed solver."""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field

from cellula.core.model import Options

__all__ = ["PhysicsOptions"]


@final
class PhysicsOptions(Options):
    """Network, points, weights and steps."""

    widths: tuple[int, ...] = (24, 24, 24)
    """Widths of the hidden layers, tanh between them."""
    fourier: int = Field(0, ge=0)
    """So many random frequencies whose sines and cosines enter beside time and place."""
    frequency: float = Field(2.0, gt=0)
    """The standard deviation of those frequencies, in turns of radians over half the domain."""
    constraints: Literal["hard", "soft"] = "hard"
    """Initial and boundary values by construction (hard), or as terms of the loss (soft)."""
    points: int = Field(400, ge=10)
    """Where the residual is asked for, in the inside of every window."""
    edge_points: int = Field(64, ge=2)
    """Where initial and boundary values are asked for, if they are terms of the loss; a side."""
    weights: Literal["fixed", "balanced"] = "fixed"
    """Of the terms: as given below, or so balanced that every gradient has the residual's norm."""
    ramp: int = Field(1, ge=1)
    """Stages, each with its own L-BFGS, in which the residual's weight rises tenfold to its own.

    Adam has the weight of the first. With unknowns, a full weight from the start finds equations
    that hold far from the data."""
    data_weight: float = Field(1.0, ge=0)
    """Of the error of the data."""
    residual_weight: float = Field(1.0, ge=0)
    """Of the residual of the equations: the constraint weight."""
    initial_weight: float = Field(10.0, ge=0)
    """Of the initial values, where they are soft."""
    boundary_weight: float = Field(10.0, ge=0)
    """Of the boundary values that are soft, slopes always."""
    causality: float = Field(0.0, ge=0)
    """Weight of a slice of time in the residual: exp(-causality x the loss of earlier slices)."""
    windows: int = Field(1, ge=1)
    """Stretches of time that are solved one after the other."""
    adam_steps: int = Field(1000, ge=0)
    """Steps of Adam, of every window."""
    learning_rate: float = Field(5e-3, gt=0)
    """Of Adam at the start; it falls along half a cosine to a hundredth."""
    lbfgs_steps: int = Field(1000, ge=0)
    """Steps of L-BFGS after that, of every window and stage."""
    tolerance: float = Field(0.0, ge=0)
    """Training ends early when the loss is smaller."""
    patience: int = Field(10, ge=1)
    """Records of the convergence (every 50 steps) without a loss 0.1 % smaller that end L-BFGS."""
