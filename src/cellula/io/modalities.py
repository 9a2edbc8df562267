"""One matrix of several kinds of readouts apart, as the modalities of the same profiles."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from anndata import AnnData

from cellula.core.errors import MissingExtra

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["MODALITIES", "by_feature_type"]

#: The feature types of 10x Genomics -> the names of modalities.
MODALITIES: Mapping[str, str] = {
    "Gene Expression": "rna",
    "Antibody Capture": "protein",
    "CRISPR Guide Capture": "guide",
    "Multiplexing Capture": "hashtag",
    "Antigen Capture": "antigen",
    "Peaks": "atac",
    "Custom": "custom",
}


def by_feature_type(data: AnnData, file: str) -> AnnData | MuData:
    """The matrix itself when ``var["feature_types"]`` has one value, else one modality a value.

    An unknown feature type names its modality itself. Raises MissingExtra, with the command
    that installs it, where several modalities need the package mudata and it is missing.
    """
    if "feature_types" not in data.var:
        return data
    types = list(dict.fromkeys(data.var["feature_types"].astype(str)))
    if len(types) < 2:
        return data
    try:
        from mudata import MuData, set_options
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{file} holds {', '.join(types)}; several modalities need the package mudata: "
            "pip install 'cellula[multimodal]'"
        ) from error
    kinds = data.var["feature_types"].astype(str).to_numpy()
    parts = {MODALITIES.get(kind, kind): data[:, kinds == kind].copy() for kind in types}
    with warnings.catch_warnings(), set_options(pull_on_update=False):
        warnings.filterwarnings("ignore", message=".*not unique")  # the door tells them apart
        joined = MuData(parts)
    joined.obs = pd.DataFrame(index=data.obs_names)
    return joined
