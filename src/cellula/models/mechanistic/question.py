"""What a mechanistic model is asked, and how its options say what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, final

from pydantic import Field, model_validator

from cellula.core import registry
from cellula.core.model import Options
from cellula.models.mechanistic.fitted_parameters import ParameterRange
from cellula.models.mechanistic.readouts import Readout
from cellula.models.mechanistic.targets import Target

__all__ = ["CellOptions", "MechanisticModelOptions", "TimeOptions"]


@final
class TimeOptions(Options):
    """When the network starts, when the perturbation is given, and when it is looked at."""

    unit_s: float | None = Field(default=None, gt=0)
    """The network's unit of time in seconds; None takes what the network says."""
    start: float = 0.0
    """The network's time at which its cells start, in its unit."""
    before: float = Field(default=0.0, ge=0)
    """How long cells are left alone before they are perturbed, in the network's unit."""
    after_s: float | None = Field(default=None, gt=0)
    """Seconds from perturbation to readout, where the data have no role ``time_s``."""
    points: int = Field(default=101, ge=2)
    """How many times a course is read at from perturbation to readout, both included."""


@final
class CellOptions(Options):
    """How the cells of a population differ."""

    n: int = Field(default=1, ge=1)
    """How many cells answer a question."""
    spread: Mapping[str, float] = Field(default_factory=dict)
    """Id -> the standard deviation of its natural logarithm over cells; its median is the
    context's, or the network's, own value."""

    @model_validator(mode="after")
    def _is_population(self) -> Self:
        if self.spread and self.n < 2:
            raise ValueError("spread is given and n is 1; give cells.n of 2 at least")
        wrong = [id for id, sd in self.spread.items() if not sd > 0]
        if wrong:
            raise ValueError(f"the spread of {', '.join(wrong)} is not above 0")
        return self


@final
class MechanisticModelOptions(Options):
    """Options of :class:`~cellula.models.mechanistic.mechanistic_model.MechanisticModel`."""

    network: Path
    """The file of the network: SBML, CellML, .net, .bnet. In a study, from the folder of the
    data (``--data``)."""
    network_format: str | None = None
    """The reader of that file, where its name does not tell."""
    network_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The SHA-256 that the file must have; so a study registers what it is, not where."""
    simulator: str = "ode"
    """The simulator that solves it."""
    simulator_options: Mapping[str, Any] = Field(default_factory=dict)
    """The simulator's own options."""
    targets: Path | Mapping[str, tuple[Target, ...]]
    """Perturbation -> what it changes; or the file of a table that says so."""
    readouts: Mapping[str, Readout]
    """Readout of the data -> what is read off the network; every readout of the data."""
    contexts: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)
    """Context -> the values of ids at the start; without any, all contexts are the network."""
    time: TimeOptions = TimeOptions()
    """When what happens."""
    cells: CellOptions = CellOptions()
    """How cells differ."""
    scale: Literal["declared", "fitted"] = "declared"
    """Whether the readouts stand as declared, or a factor and an offset of each are fitted on the
    controls of training."""
    fitted: Mapping[str, ParameterRange] = Field(default_factory=dict)
    """Id -> between which bounds its value at the start is fitted to all profiles of training, by
    least squares from many starts; answers then have intervals."""
    optimiser: str = "fides"
    """The optimiser of that fit."""
    starts: int = Field(default=8, ge=1)
    """Its starts."""
    draws: int = Field(default=24, ge=2)
    """How many draws of the fitted values, from the Fisher information, an interval rests on."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.simulator not in registry.names("simulator"):
            known = ", ".join(registry.names("simulator"))
            raise ValueError(f"no simulator is called {self.simulator!r}; expected one of {known}")
        if not self.readouts:
            raise ValueError("no readout is declared; name every readout of the data")
        declared = {id for values in self.contexts.values() for id in values}
        if twice := sorted(declared & set(self.fitted)):
            raise ValueError(f"{twice[0]!r} is fitted and a context gives it; take it out of one")
        if self.fitted and self.scale == "fitted":
            raise ValueError('parameters are fitted and scale is "fitted"; take one of the two')
        return self
