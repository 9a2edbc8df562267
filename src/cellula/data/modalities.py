"""Profiles of several modalities: shared roles, one matrix a modality."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.door import check_values
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.matrix import matrix_part
from cellula.data.roles import keep_rows, require_columns, with_roles

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["profiles_of_modalities"]

SPATIAL = "spatial"


def profiles_of_modalities(content: MuData, source: DataSource) -> AnnData | MuData:
    """All modalities of a file under one obs with the roles, or the one that is asked for.

    A role may be a column of the shared obs or, as ``modality:column``, of one modality. A
    readout whose name several modalities share is called ``modality:readout``. Shared
    coordinates (``obsm["spatial"]``) go to every modality that has all its profiles in them and
    none of its own. Raises DataError naming file, column and row.
    """
    file = source.name
    names = list(content.mod)
    for name in (*source.value_types, *([source.modality] if source.modality else ())):
        if name not in names:
            raise DataError(f"{file} has no modality {name!r}; it has {', '.join(names)}")
    if source.layer is not None and not any(source.layer in p.layers for p in content.mod.values()):
        raise DataError(f"{file}: no modality has a layer {source.layer!r}; name one that it has")
    known = [str(name) for part in content.mod.values() for name in part.var_names]
    require_columns(pd.DataFrame(columns=list(dict.fromkeys(known))), source.exclude, file)
    obs = _shared_obs(content)
    if source.modality is not None:
        obs = obs.loc[content.mod[source.modality].obs_names]
    kept = obs[keep_rows(obs, source.where, file)] if source.where else obs
    roles = with_roles(kept, source)
    parts = {
        name: _part(content, name, roles, source)
        for name in ([source.modality] if source.modality is not None else names)
    }
    if source.modality is not None:
        return parts[source.modality]
    return _joined(_told_apart(parts), roles)


def _shared_obs(content: MuData) -> pd.DataFrame:
    """The shared obs and, as ``modality:column``, that of every modality beside it."""
    columns: dict[str, pd.Series[Any]] = {}
    for name, part in content.mod.items():
        for column in part.obs.columns:
            key = f"{name}:{column}"
            if key not in content.obs.columns:
                columns[key] = part.obs[column].reindex(content.obs_names)
    return pd.concat([content.obs, pd.DataFrame(columns, index=content.obs_names)], axis=1)


def _part(content: MuData, name: str, roles: pd.DataFrame, source: DataSource) -> AnnData:
    """One modality; the layer is that of every modality which has one of this name."""
    data, file = content.mod[name], f"{source.name}:{name}"
    is_asked = source.layer is not None and (source.modality or source.layer in data.layers)
    rows = data.obs_names.isin(roles.index)
    part = matrix_part(
        data,
        rows,
        roles.loc[data.obs_names[rows]],
        source.exclude,
        file,
        source.layer if is_asked else None,
    )
    if name in source.value_types:
        check_values(part, source.value_types[name])
    if SPATIAL in content.obsm and SPATIAL not in part.obsm:
        places = content.obs_names.get_indexer(part.obs_names)
        part.obsm[SPATIAL] = np.asarray(content.obsm[SPATIAL])[places]
    return part


def _told_apart(parts: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """The modalities, a readout that several of them have named after its modality too."""
    counts = pd.Series([name for part in parts.values() for name in part.var_names]).value_counts()
    shared = set(counts.index[counts > 1])
    for name, part in parts.items():
        part.var.index = pd.Index(
            [f"{name}:{readout}" if readout in shared else readout for readout in part.var_names]
        )
    return dict(parts)


def _joined(parts: Mapping[str, AnnData], roles: pd.DataFrame) -> MuData:
    """The modalities together; the roles stand in the shared obs alone."""
    from mudata import MuData, set_options

    for part in parts.values():
        part.obs = pd.DataFrame(index=part.obs_names)
    with warnings.catch_warnings(), set_options(pull_on_update=False):
        warnings.filterwarnings("ignore", message=".*not unique")
        both = MuData(dict(parts))
        both.obs = roles.loc[both.obs_names]
    return both
