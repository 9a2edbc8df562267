"""What every table of a study file is: frozen, without unknown keys, without nan or infinity."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["NAME", "Strict"]

#: What an id of a study file may look like: it becomes part of file names.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Strict(BaseModel):
    """A table of a study file: an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
