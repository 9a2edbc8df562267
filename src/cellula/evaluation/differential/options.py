"""What a differential test is asked to do."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cellula.core.model import Options
from cellula.core.value_type import ValueType

__all__ = ["DifferentialOptions"]

TAKEN = (ValueType.COUNTS, ValueType.LOG1P, ValueType.LOG2, ValueType.Z_SCORE, ValueType.QUANTITY)


class DifferentialOptions(Options):
    """Options of :func:`cellula.evaluation.differential.differential`.

    Options that contradict one another are refused with a sentence (a ValueError).
    """

    test: Literal["wilcoxon", "t", "pseudobulk"] = "wilcoxon"
    """Rank sums of cells, Welch's t of cells, or Welch's t of donors (needs counts)."""

    value_type: ValueType = ValueType.LOG1P
    """What the matrix holds."""

    layer: str | None = None
    """The layer to test; X where there is none."""

    normalise_to: float | None = Field(default=None, gt=0)
    """Scale the counts of each cell to this total and take log1p, before a test of cells."""

    donor: str | None = None
    """The column of donors; needed by the test pseudobulk."""

    pseudocount: float = Field(default=1e-9, gt=0)
    """Added to both means before their log2 ratio."""

    memory_gb: float = Field(default=2.0, gt=0)
    """What the values of one pass may take; more passes are made where they do not fit."""

    rows_at_once: int = Field(default=8192, ge=1)
    """Cells read at once from a disk."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.value_type not in TAKEN:
            taken = ", ".join(TAKEN)
            raise ValueError(f"value_type {self.value_type} cannot be tested; expected {taken}")
        is_counts = self.value_type is ValueType.COUNTS
        if self.normalise_to is not None and (not is_counts or self.test == "pseudobulk"):
            raise ValueError(
                "normalise_to scales the counts of cells for the tests wilcoxon and t; leave it out"
            )
        if self.test == "pseudobulk" and not (is_counts and self.donor):
            raise ValueError(
                "the test pseudobulk sums the counts of each donor: say value_type = counts (of "
                "X or a layer) and name the column of donors"
            )
        return self
