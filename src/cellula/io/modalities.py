"""One matrix of several kinds of readouts apart, as the modalities of the same profiles."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.errors import MissingExtra
from cellula.io.damage import require_sound

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["MODALITIES", "WHOLE", "by_feature_type", "by_measured_table", "measured_tables"]

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

#: The entry of obsm, and the one of uns that names its columns, that scvi-tools writes.
SCVI = ("protein_expression", "protein_names")
#: How X is called beside the tables of obsm.
WHOLE = "X"


def measured_tables(data: AnnData) -> dict[str, list[str]]:
    """The entries of obsm that are readouts, and their names: proteins beside RNA, say.

    Such an entry is a table with named columns, or a matrix whose names stand in ``uns`` as
    ``protein_names`` (where scvi-tools puts them).
    """
    found: dict[str, list[str]] = {}
    for key, entry in data.obsm.items():
        if isinstance(entry, pd.DataFrame):
            found[str(key)] = [str(name) for name in entry.columns]
        elif key == SCVI[0] and SCVI[1] in data.uns and len(data.uns[SCVI[1]]) == entry.shape[1]:
            found[str(key)] = [str(name) for name in data.uns[SCVI[1]]]
    return found


def by_measured_table(data: AnnData, file: str) -> AnnData | MuData:
    """X and every table of named readouts in obsm as modalities; the matrix where there is none.

    X is the modality ``X``, a table is called as in obsm. Other entries (coordinates) stay in
    the obsm of ``X``. Raises MissingExtra as :func:`by_feature_type` does.
    """
    tables = measured_tables(data)
    if not tables:
        return data
    rest = data.copy()
    for key in tables:
        del rest.obsm[key]
    rest.obs = pd.DataFrame(index=data.obs_names)
    parts = {WHOLE: rest}
    for key, names in tables.items():
        values = np.asarray(data.obsm[key])
        obs = pd.DataFrame(index=data.obs_names)
        parts[key] = AnnData(values, obs=obs, var=pd.DataFrame(index=pd.Index(names)))
    joined = _joined(parts, f"{WHOLE}, {', '.join(tables)}", file)
    joined.obs = data.obs.copy()
    return joined


def by_feature_type(data: AnnData, file: str) -> AnnData | MuData:
    """The matrix itself when ``var["feature_types"]`` has one value, else one modality a value.

    An unknown feature type names its modality itself. Raises MissingExtra, with the command
    that installs it, where several modalities need the package mudata and it is missing;
    DataError where the matrix is damaged, before it is divided.
    """
    if "feature_types" not in data.var:
        return data
    types = list(dict.fromkeys(data.var["feature_types"].astype(str)))
    if len(types) < 2:
        return data
    require_sound(data, file)
    kinds = data.var["feature_types"].astype(str).to_numpy()
    parts = {MODALITIES.get(kind, kind): data[:, kinds == kind].copy() for kind in types}
    joined = _joined(parts, ", ".join(types), file)
    joined.obs = pd.DataFrame(index=data.obs_names)
    return joined


def _joined(parts: Mapping[str, AnnData], what: str, file: str) -> MuData:
    try:
        from mudata import MuData, set_options
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{file} holds {what}; several modalities need the package mudata: "
            "pip install 'cellula[multimodal]'"
        ) from error
    with warnings.catch_warnings(), set_options(pull_on_update=False):
        warnings.filterwarnings("ignore", message=".*not unique")  # the door tells them apart
        return MuData(dict(parts))
