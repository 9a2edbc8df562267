"""How features are computed from a file that holds no table of them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Fingerprint", "Pairs"]


class Fingerprint(BaseModel):
    """How structures become numbers: Morgan fingerprints, folded to so many bits."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    radius: int = Field(default=2, ge=0, le=6)
    """How many bonds a substructure reaches from its atom."""
    bits: int = Field(default=1024, ge=16, le=65536)
    """How many numbers describe a molecule."""
    counts: bool = False
    """Whether a number counts substructures, or says only whether there is one."""
    chirality: bool = False
    """Whether mirror images differ."""


class Pairs(BaseModel):
    """A table of pairs of genes whose graph gives every gene its coordinates."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    left: str = Field(min_length=1)
    """The column of one gene of a pair."""
    right: str = Field(min_length=1)
    """The column of the other."""
    weight: str | None = None
    """The column that tells how sure or strong a pair is; None: all weigh the same."""
    least: float = Field(default=0.0, ge=0)
    """Pairs of a lower weight are left out."""
    dimensions: int = Field(default=10, ge=1)
    """How many coordinates a gene has."""
