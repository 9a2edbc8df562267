"""What a fit or an answer cost: size, time and memory. Measurements, which no result rests on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import final

from cellula.core.model import Fitted
from cellula.core.numerals import count, duration, size
from cellula.kernels.memory import peak_bytes

__all__ = ["Cost", "Meter", "n_parameters"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Size of a fitted model and what was spent since a meter began.

    n_parameters: see :func:`n_parameters`; seconds: by the clock; cpu_seconds: of the processor,
    all threads together; peak_bytes: the most memory of the process so far.
    """

    n_parameters: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int

    @property
    def words(self) -> str:
        """All of it in one line."""
        spent = f"{duration(self.seconds)}, {duration(self.cpu_seconds)} of processor time"
        return f"{count(self.n_parameters)} parameters; {spent}, {size(self.peak_bytes)} at most"


@final
class Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._clock = time.perf_counter()
        self._cpu = time.process_time()

    def cost(self, fitted: Fitted) -> Cost:
        """What was spent so far, and the size of the fitted model that it was spent on."""
        seconds, cpu = time.perf_counter() - self._clock, time.process_time() - self._cpu
        return Cost(n_parameters(fitted), round(seconds, 3), round(cpu, 3), peak_bytes())


def n_parameters(fitted: Fitted) -> int:
    """How many numbers a fitted model answers from: the sizes of all arrays of its state.

    Coefficients, and profiles too where a model keeps them: what it has learned, counted in one
    way for all models.
    """
    return sum(int(array.size) for array in fitted.state().arrays.values())
