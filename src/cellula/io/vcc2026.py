"""Submissions to the Virtual Cell Challenge 2026: one h5ad of raw counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.challenge_rules import CONTEXT, TARGET, require_accepted, violations_2026
from cellula.io.h5ad import H5ad
from cellula.io.parts import Reduced, reduced

__all__ = ["Vcc2026File"]

RULES = "the challenge of 2026"


@final
class Vcc2026File:
    """Reads and writes a submission; what the rules forbid is listed and refused.

    Raw whole counts in CSR, obs ``target_gene`` and ``context``, 400 cells of every perturbation
    in every context, no controls.
    """

    name: ClassVar[str] = "vcc2026"
    suffixes: ClassVar[tuple[str, ...]] = (".vcc2026.h5ad",)
    takes: ClassVar[str] = "annotated"

    def reduce(self, content: AnnData) -> Reduced:
        """X and the two columns of obs."""
        return reduced(content, obs=(TARGET, CONTEXT), var=(), is_dense=False)

    def read(self, path: Path) -> AnnData:
        """The submission. Raises DataError on a damaged file, or listing every violation."""
        content = H5ad().read(path)
        require_accepted(violations_2026(content), path.name, RULES)
        return content

    def write(self, content: Any, path: Path) -> None:
        """Write a submission atomically. Raises DataError listing every violation."""
        if not isinstance(content, AnnData):
            raise DataError(
                f"{path.name}: a submission holds an AnnData, not a {type(content).__name__}"
            )
        require_accepted(violations_2026(content), path.name, RULES)
        H5ad().write(content, path)
