"""What the numbers of a matrix are; the value type travels with the matrix."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ValueType"]


class ValueType(StrEnum):
    """The kind of number a readout holds.

    ``counts`` are non-negative integers; ``log1p`` is the natural log(1 + x) of normalised
    counts; ``log2`` and ``z_score`` are real; ``ln_ic50`` is the natural log of an IC50 in
    micromolar; ``viability`` and ``fraction`` lie in [0, 1] up to noise; ``concentration``
    is in mol/l; ``quantity`` is any other measured number, its unit in the readout's name.
    """

    COUNTS = "counts"
    LOG1P = "log1p"
    LOG2 = "log2"
    Z_SCORE = "z_score"
    LN_IC50 = "ln_ic50"
    VIABILITY = "viability"
    FRACTION = "fraction"
    CONCENTRATION = "concentration"
    QUANTITY = "quantity"

    @property
    def is_absolute(self) -> bool:
        """Whether a value has a meaning without a control beside it (an IC50 has)."""
        return self in {
            ValueType.LN_IC50,
            ValueType.Z_SCORE,
            ValueType.VIABILITY,
            ValueType.FRACTION,
            ValueType.CONCENTRATION,
            ValueType.QUANTITY,
        }

    @property
    def is_non_negative(self) -> bool:
        """Whether a negative number is a mistake."""
        return self in {ValueType.COUNTS, ValueType.LOG1P, ValueType.CONCENTRATION}
