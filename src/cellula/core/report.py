"""What an application or a command hands to the reader: text, tables, figures as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """A title, one sentence that answers the question, tables by name and cautions.

    numbers: the few that the sentence rests on. cautions: what the reader must not overlook.
    """

    title: str
    answer: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
