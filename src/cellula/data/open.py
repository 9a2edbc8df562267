"""The door of the data: declared files in, one checked dataset out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.data.catalogue import source as catalogue
from cellula.data.data_source import DataSource, Layout
from cellula.data.derived import derived_features
from cellula.data.embedding import provenance_of
from cellula.data.features import (
    feature_table,
    join_labels,
    join_tables,
    matched_case,
    require_coverage,
)
from cellula.data.knowledge.embedding import require_independent, sources_of
from cellula.data.profiles import profiles_of
from cellula.data.structure_table import StructureTable, structure_table
from cellula.io.digest import hash_source
from cellula.io.formats import read
from cellula.io.presence import is_there

__all__ = ["DataSource", "Layout", "open_dataset", "require_control"]


def open_dataset(sources: Sequence[DataSource], folder: Path, cache: Path | None = None) -> Dataset:
    """Open the files that a study declares as one dataset.

    folder: what relative paths start from. cache: where sources of the catalogue were put by
    ``cellula data get`` (default: the user's cache folder). Exactly one source holds the
    profiles; tables of features are joined by label and must cover every label of the
    profiles. X becomes a dense float array or a CSR matrix, doses mol/l, times seconds.
    The provenance lists the SHA-256 of every file. Raises DataError naming file, column, row
    and remedy; nothing is written.
    """
    profiles = _the_profiles(sources)
    paths = {item.name: _locate(item, folder, cache) for item in sources}
    hashes = {item.name: _checked_hash(paths[item.name], item) for item in sources}
    data = profiles_of(_content(profiles, paths), profiles)
    require_control(data.obs, profiles)
    joined: dict[str, pd.DataFrame | None] = {}
    vectors: dict[str, Mapping[str, Any]] = {}
    structures: dict[str, str] = {}
    for role in ("context", "perturbation"):
        tables = [item for item in sources if item.role == f"{role}_features"]
        known = {profiles.name: hashes[profiles.name]}
        contents = [_features(item, paths, known) for item in tables]
        parts = []
        for one, item in zip(contents, tables, strict=True):
            if item.is_derived:
                frame = derived_features(
                    one, item, hashes[item.name], lambda: Dataset(data, _value_type(profiles))
                )
                parts.append((frame, pd.DataFrame(index=frame.index)))
            else:
                parts.append(_as_written(feature_table(one, item), item, data.obs))
        structures |= _structures(contents, parts)
        vectors |= _embeddings(contents, tables)
        names = [item.name for item in tables]
        joined[role] = join_tables([features for features, _ in parts], names)
        require_coverage(joined[role], data.obs, role)
        for name, (_, labels) in zip(names, parts, strict=True):
            data.obs = join_labels(data.obs, labels, name)
    return Dataset(
        data,
        _value_type(profiles),
        joined["context"],
        joined["perturbation"],
        replace(_provenance(sources, hashes), embeddings=vectors),
        {} if isinstance(data, AnnData) else dict(profiles.value_types),
        structures=structures,
    )


def _as_written(
    part: tuple[pd.DataFrame, pd.DataFrame], item: DataSource, obs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and labels under the labels of the profiles."""
    if not item.ignore_case:
        return part
    index = matched_case(part[0].index, obs, item.name)
    return part[0].set_axis(index), part[1].set_axis(index)


def _structures(
    contents: Sequence[object], parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]]
) -> dict[str, str]:
    """Standard SMILES by compound, of all tables of structures."""
    found: dict[str, str] = {}
    for content, (features, _) in zip(contents, parts, strict=True):
        if isinstance(content, StructureTable):
            found |= dict(zip(map(str, features.index), content.structures.values(), strict=True))
    return found


def _content(item: DataSource, paths: Mapping[str, Path]) -> object:
    return read(paths[item.name], item.format, item.label_columns)


def _embeddings(
    contents: Sequence[object], sources: Sequence[DataSource]
) -> dict[str, Mapping[str, Any]]:
    """What the files tell of the vectors that are features, by name; nothing told is unknown."""
    return {
        item.name: {"entry": item.embedding, **provenance_of(content, item.embedding)}
        for content, item in zip(contents, sources, strict=True)
        if item.embedding is not None and isinstance(content, AnnData)
    }


def _features(item: DataSource, paths: Mapping[str, Path], held_out: Mapping[str, str]) -> object:
    """A table of features. Raises DataError where it says that it was made from the profiles."""
    content = _content(item, paths)
    require_independent(sources_of(content), held_out, item.name)
    return structure_table(content, item) if item.is_structures else content


def _the_profiles(sources: Sequence[DataSource]) -> DataSource:
    profiles = [item for item in sources if item.role == "profiles"]
    if len(profiles) != 1:
        found = ", ".join(item.name for item in profiles) or "none"
        raise DataError(
            f"{len(profiles)} sources have role 'profiles' ({found}); expected exactly one"
        )
    names = [item.name for item in sources]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{twice[0]} is declared twice; declare each file once")
    return profiles[0]


def _value_type(profiles: DataSource) -> ValueType:
    if profiles.value_type is None:
        raise DataError(f"{profiles.name}: value_type is missing; say what the numbers are")
    return profiles.value_types.get(profiles.modality or "", profiles.value_type)


def _locate(item: DataSource, folder: Path, cache: Path | None) -> Path:
    """The file of a source. Raises DataError when it is not there."""
    if item.catalogue is None:
        path = folder / item.path
        if not is_there(path):
            raise DataError(f"{item.path}: no such file in {folder}; check path")
        return path
    known = catalogue.source(item.catalogue)
    if item.path not in known.files:
        raise DataError(
            f"{item.catalogue} has no file {item.path!r}; it has {', '.join(sorted(known.files))}"
        )
    found = catalogue.cached(known, cache)
    if found is None:
        raise DataError(
            f"{item.catalogue} is not in the cache; get it with: cellula data get {item.catalogue}"
        )
    return found / item.path


def _checked_hash(path: Path, item: DataSource) -> str:
    """SHA-256 of a file or folder. Raises DataError with both hashes if another was declared."""
    found = hash_source(path)
    if item.sha256 is not None and found != item.sha256:
        raise DataError(
            f"{item.name} has SHA-256 {found}, the study expects {item.sha256}: this is another "
            "file; get the right one or, if the change is meant, write the new hash"
        )
    return found


def require_control(obs: pd.DataFrame, profiles: DataSource) -> None:
    """Raise DataError where relative values of perturbations come without controls."""
    value_type = _value_type(profiles)
    if value_type.is_absolute or "perturbation" not in obs or "is_control" in obs:
        return
    raise DataError(
        f"{profiles.name}: {value_type.value} values tell a response only beside controls, and no "
        'control is declared; add control = "..." to columns, the label of the controls in '
        f"column {profiles.columns['perturbation']!r} or a true/false column"
    )


def _provenance(sources: Sequence[DataSource], hashes: dict[str, str]) -> Provenance:
    """What may be done with the whole: the licenses of all parts together, the common residency."""
    licenses, citations = [], []
    for item in sources:
        known = catalogue.source(item.catalogue) if item.catalogue else None
        inherits = known is not None and item.license == "unknown"
        licenses.append(known.license if known is not None and inherits else item.license)
        citations.append(item.citation or (known.citation if known is not None else ""))
    unique = list(dict.fromkeys(licenses))
    return Provenance(
        sources=hashes,
        license="unknown" if "unknown" in unique else _all_of(unique),
        duo=tuple(sorted({code for item in sources for code in item.duo})),
        jurisdiction=_one_law(sources),
        residency=_common_residency(sources),
        citation="; ".join(dict.fromkeys(text for text in citations if text)),
    )


def _all_of(licenses: Sequence[str]) -> str:
    if len(licenses) == 1:
        return licenses[0]
    return " AND ".join(f"({text})" if " OR " in text else text for text in licenses)


def _one_law(sources: Sequence[DataSource]) -> str:
    laws = sorted({item.jurisdiction for item in sources if item.jurisdiction})
    if len(laws) > 1:
        raise DataError(
            f"the sources are under the law of {' and '.join(laws)}; a dataset has one "
            "jurisdiction: declare the one that governs their combination"
        )
    return laws[0] if laws else ""


def _common_residency(sources: Sequence[DataSource]) -> tuple[str, ...]:
    limits = [set(item.residency) for item in sources if item.residency]
    common = set.intersection(*limits) if limits else set()
    if limits and not common:
        raise DataError(
            "no country may keep all sources together: "
            + "; ".join(f"{i.name}: {', '.join(i.residency)}" for i in sources if i.residency)
        )
    return tuple(sorted(common))
