"""Batches corrected in all of the data, without a study: the values and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anndata import AnnData

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.run import RunContext
from cellula.data.harmonise.mixing import batch_before_after

__all__ = ["integrate"]


def integrate(
    data: Dataset, method: str, options: Mapping[str, Any], run: RunContext
) -> tuple[Dataset, Evidence]:
    """The corrected dataset, and mixing and biology before and after.

    method: name of a transform; options: its options. Exploratory: the transform sees every
    profile, so that no claim may rest on what it gives. Raises StudyError on wrong options,
    DataError where there is no batch, several modalities, or nothing that can be corrected.
    """
    if not isinstance(data.data, AnnData):
        raise DataError(
            f"the data have the modalities {', '.join(data.modalities)}; a correction takes one: "
            "write it to a file of its own (cellula data convert --modality)"
        )
    data.role("batch")
    transform = registry.create("transform", method, options)
    corrected = transform.fit(data, run).apply(data)
    return corrected, batch_before_after(data, corrected)
