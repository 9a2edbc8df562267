"""Which readouts differ between a perturbation and its control."""

from cellula.evaluation.differential.comparison import differential
from cellula.evaluation.differential.options import DifferentialOptions

__all__ = ["DifferentialOptions", "differential"]
