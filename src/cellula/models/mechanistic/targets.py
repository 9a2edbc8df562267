"""The declared table of a mechanistic model: what a perturbation does to ids of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, final

import pandas as pd
from pydantic import Field, ValidationError, model_validator

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.simulation import Dose
from cellula.io.formats import read

__all__ = ["Target", "TargetTable", "read_targets"]

#: The column of a table of targets that holds the label of a perturbation.
LABEL = "perturbation"


@final
class Target(Options):
    """What a perturbation does to one id, from when it is given."""

    id: str
    """The id of the network that is changed: a parameter, species or compartment."""
    how: Literal["set", "scale", "add", "inhibit"] = "set"
    """Set to, multiplied by or raised by ``value``; ``inhibit`` multiplies by
    1 / (1 + (dose / ic50_molar)^hill)."""
    value: float | None = None
    """The number of set, scale and add."""
    is_per_molar: bool = False
    """Whether ``value`` is multiplied by the dose in mol/l, as for a compound that is a species."""
    ic50_molar: float | None = Field(default=None, gt=0)
    """The dose that inhibits by half, in mol/l."""
    hill: float = Field(default=1.0, gt=0)
    """The Hill coefficient of the inhibition."""
    lowest_dose_molar: float = Field(default=0.0, ge=0)
    """The lowest dose that the row is declared for, in mol/l."""
    highest_dose_molar: float | None = Field(default=None, ge=0)
    """The highest dose that the row is declared for, in mol/l; None for no bound."""
    latest_time_s: float | None = Field(default=None, ge=0)
    """The latest time after the perturbation that the row is declared for; None for no bound."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.how == "inhibit" and self.ic50_molar is None:
            raise ValueError(f"{self.id!r} is inhibited without ic50_molar; give it in mol/l")
        if self.how == "inhibit" and (self.value is not None or self.is_per_molar):
            raise ValueError(f"{self.id!r} is inhibited by ic50_molar and hill; leave value out")
        if self.how != "inhibit" and (self.value is None or self.ic50_molar is not None):
            raise ValueError(f"{self.id!r}: how = {self.how!r} needs value, and no ic50_molar")
        return self

    @property
    def needs_dose(self) -> bool:
        """Whether what is done depends on the dose."""
        return self.how == "inhibit" or self.is_per_molar

    def dose(self, time: float, dose_molar: float | None) -> Dose:
        """What is done at ``time`` of the network. Raises DataError where a dose is missing."""
        if self.needs_dose and dose_molar is None:
            raise DataError(
                f"{self.id!r} is changed by a dose and the question has none; give the data the "
                "role dose_molar"
            )
        told = 0.0 if dose_molar is None else dose_molar
        if self.how == "inhibit":
            return Dose(time, self.id, self._left(told), "scale")
        value = 0.0 if self.value is None else self.value
        return Dose(time, self.id, value * told if self.is_per_molar else value, self.how)

    def covers(self, dose_molar: float | None, after_s: float) -> bool:
        """Whether the row is declared for this dose and time after the perturbation."""
        highest = math.inf if self.highest_dose_molar is None else self.highest_dose_molar
        latest = math.inf if self.latest_time_s is None else self.latest_time_s
        is_dose = dose_molar is None or self.lowest_dose_molar <= dose_molar <= highest
        return is_dose and after_s <= latest

    def _left(self, dose_molar: float) -> float:
        if dose_molar <= 0 or self.ic50_molar is None:
            return 1.0
        power = self.hill * math.log(dose_molar / self.ic50_molar)
        return 1.0 / (1.0 + math.exp(power)) if power < 700 else 0.0


#: Label of a perturbation -> what it does, in the order in which it is done.
TargetTable: TypeAlias = Mapping[str, tuple[Target, ...]]


def read_targets(path: Path) -> TargetTable:
    """The table of a file: a column ``perturbation``, and columns named as the fields of
    :class:`Target`; an empty field takes its default. One perturbation may have several rows.

    Raises DataError, naming row and column, on what is no target.
    """
    content = read(path, labels=(LABEL, "id"))
    if not isinstance(content, pd.DataFrame) or LABEL not in content.columns:
        raise DataError(
            f"{path.name} is no table with a column {LABEL!r}; expected one row a target"
        )
    found: dict[str, tuple[Target, ...]] = {}
    for number, row in enumerate(content.to_dict("records")):
        label = row.pop(LABEL)
        if not isinstance(label, str) or not label:
            raise DataError(f"{path.name}, row {number + 1} names no perturbation")
        found[label] = (*found.get(label, ()), _target(row, f"{path.name}, row {number + 1}"))
    return found


def _target(row: Mapping[Any, Any], where: str) -> Target:
    given = {str(name): value for name, value in row.items() if not pd.isna(value)}
    try:
        return Target.model_validate(given)
    except ValidationError as error:
        raise DataError(f"{where}: {_first(error.errors())}") from error


def _first(errors: Sequence[Any]) -> str:
    """The first mistake in words."""
    return f"{'.'.join(map(str, errors[0]['loc'])) or 'target'}: {errors[0]['msg']}"
