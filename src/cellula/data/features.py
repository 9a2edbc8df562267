"""Feature tables of contexts and perturbations: read, joined, checked against the profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.core.numerals import plural
from cellula.core.perturbation import components
from cellula.core.roles import ROLES
from cellula.data.data_source import DataSource, Layout
from cellula.data.embedding import embedding_of
from cellula.data.layout import turn
from cellula.data.roles import CONTROL, keep_rows, label_text, require_columns
from cellula.data.structure_table import StructureTable

__all__ = ["feature_table", "join_labels", "join_tables", "matched_case", "require_coverage"]


def feature_table(content: object, source: DataSource) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The features (float64) and the labels of one source, both indexed by the label as text.

    content: a table, or an AnnData whose matrix holds the features; a table with a layout has
    one row a feature. Raises DataError on a
    missing column, a label without a value or twice, or a feature that is not a number.
    """
    if isinstance(content, StructureTable):
        return content.features, content.labels
    file, label = source.name, source.role.removesuffix("_features")
    if source.layout is not None:
        return _turned(content, source, source.layout)
    if source.embedding is not None:
        return _vectors(content, source, source.embedding)
    table = _as_table(content, file)
    if source.where:
        table = table[keep_rows(table, source.where, file)]
    column = source.columns[label]
    require_columns(table, [column, *source.exclude, *source.labels], file)
    index = _labels(label_text(table[column], column, file), label, f"{file}: column {column!r}")
    left_out = {column, *source.exclude, *source.labels}
    features = table[[name for name in table.columns if str(name) not in left_out]].set_axis(index)
    _require_numbers(features, file)
    return features.astype("float64"), table[list(source.labels)].set_axis(index)


def _labels(texts: Sequence[str], label: str, where: str) -> pd.Index:
    """The labels, those of combinations sorted; DataError when one occurs twice."""
    if label == "perturbation":
        texts = ["+".join(components(text)) or text for text in texts]
    index = pd.Index(texts, name=label)
    if not index.is_unique:
        repeated = index[index.duplicated()]
        raise DataError(
            f"{where} holds {repeated[0]!r} more than once ({len(repeated)} "
            "repeated rows); keep one row a label, e.g. with 'where'"
        )
    return index


def _vectors(content: object, source: DataSource, entry: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The vectors of genes, or the mean of those of the cells of every label."""
    file, label = source.name, source.role.removesuffix("_features")
    is_genes = entry.startswith("varm:")
    if not isinstance(content, AnnData):
        raise DataError(f"{file} is no annotated matrix; 'embedding' names an entry of one")
    matrix: AnnData = content
    if source.where:
        matrix = matrix[keep_rows(matrix.obs, source.where, file)]
    side, column = (matrix.var if is_genes else matrix.obs), source.columns.get(label)
    if column is not None:
        require_columns(side, [column], file)
    table = embedding_of(matrix, entry, None if column is None else side[column], file)
    index = _labels([str(name) for name in table.index], label, f"{file}: {entry}")
    kept = table.drop(columns=list(source.exclude), errors="ignore").set_axis(index)
    return kept, pd.DataFrame(index=index)


def _turned(
    content: object, source: DataSource, layout: Layout
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The features of a table whose rows are features and whose columns are labels."""
    if not isinstance(content, pd.DataFrame):
        raise DataError(f"{source.name} is no table; a layout is for tables: remove it")
    if source.where:
        content = content[keep_rows(content, source.where, source.name)]
    obs, features, values = turn(content, layout, source.exclude, source.name)
    texts = [str(label) for label in obs[layout.columns]]
    index = _labels(texts, layout.columns, f"{source.name}: the header")
    return pd.DataFrame(values, index, features), pd.DataFrame(index=index)


def _as_table(content: object, file: str) -> pd.DataFrame:
    if isinstance(content, pd.DataFrame):
        return content
    if isinstance(content, AnnData) and content.X is not None:
        matrix: Any = content.X
        dense = matrix.toarray() if sp.issparse(matrix) else matrix
        values = pd.DataFrame(dense, index=content.obs_names, columns=content.var_names.astype(str))
        return pd.concat([content.obs, values], axis=1)
    raise DataError(f"{file} holds no table of features; expected a table or an AnnData with X")


def _require_numbers(features: pd.DataFrame, file: str) -> None:
    if not features.columns.is_unique:
        repeated = features.columns[features.columns.duplicated()][0]
        raise DataError(f"{file}: feature {str(repeated)!r} occurs twice; keep one")
    for name in features.columns:
        column = features[name]
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            continue
        raise DataError(
            f"{file}: column {str(name)!r} holds text (e.g. {column.iloc[0]!r}), not a feature; "
            f"name it in labels = [{str(name)!r}] or exclude = [{str(name)!r}]"
        )


def join_tables(tables: Sequence[pd.DataFrame], files: Sequence[str]) -> pd.DataFrame | None:
    """Several tables of the same labels side by side: the labels that all of them have.

    Raises DataError when a feature is in two of them.
    """
    if not tables:
        return None
    joined, owner = tables[0], dict.fromkeys(tables[0].columns, files[0])
    for table, file in zip(tables[1:], files[1:], strict=True):
        both = [name for name in table.columns if name in owner]
        if both:
            raise DataError(
                f"feature {both[0]!r} is in {owner[both[0]]} and in {file}; "
                f"leave it out of one of them: exclude = [{both[0]!r}]"
            )
        owner.update(dict.fromkeys(table.columns, file))
        joined = joined.join(table, how="inner")
    return joined


def matched_case(index: pd.Index, obs: pd.DataFrame, file: str) -> pd.Index:
    """The labels of features as the profiles write them, where only the case of letters differs.

    index: labels, named after their role. A label that no profile has stays. Raises DataError where
    two labels of one side differ by case alone.
    """
    role = str(index.name)
    labels = [str(name) for name in obs[role].cat.categories] if role in obs else []
    known = [part for label in labels for part in (label, *components(label))]
    written = {name.casefold(): name for name in dict.fromkeys(known)}
    lower = pd.Index([str(name).casefold() for name in index])
    for where, is_clear in (
        (file, lower.is_unique),
        ("the profiles", len(written) == len(set(known))),
    ):
        if not is_clear:
            raise DataError(
                f"{where}: two labels of {role} differ by the case of their letters alone; "
                "rename one, or leave ignore_case out"
            )
    found = [written.get(low, str(own)) for low, own in zip(lower, index, strict=True)]
    return pd.Index(found, name=role)


def join_labels(obs: pd.DataFrame, labels: pd.DataFrame, file: str) -> pd.DataFrame:
    """Label columns of a context or perturbation table beside the profiles, as categoricals.

    Raises DataError when the name is taken or a profile would have no label.
    """
    role = str(labels.index.name)
    joined = obs.copy(deep=False)
    for name in labels.columns:
        if name in joined.columns or name in ROLES:
            raise DataError(
                f"{file}: the label {str(name)!r} is already a column of the profiles or a role; "
                "rename it in one of the files"
            )
        by_category = labels[name].reindex(obs[role].cat.categories)
        values = pd.Categorical(by_category.astype(object).to_numpy()[obs[role].cat.codes])
        missing = obs[role][values.isna()].unique()
        if role == "perturbation":
            missing = [label for label in missing if label != CONTROL]
        if len(missing):
            raise DataError(
                f"{file}: {len(missing)} {role}(s) have no {str(name)!r}: {_few(missing)}; add the "
                "rows or leave the label out"
            )
        joined[name] = values
    return joined


def require_coverage(features: pd.DataFrame | None, obs: pd.DataFrame, role: str) -> None:
    """Raise DataError, naming how many and which, when a label of the profiles has no features.

    A control needs none; a combination has them when it or each of its components has a row.
    """
    if features is None:
        return
    if role not in obs.columns:
        raise DataError(
            f"there are {role} features but the profiles have no {role}; "
            f"name its column in the profiles: columns = {{ {role} = ... }}"
        )
    known = set(features.index)
    absent = [
        str(label)
        for label in obs[role].cat.categories
        if label not in known
        and not (
            role == "perturbation"
            and (label == CONTROL or all(part in known for part in components(str(label))))
        )
    ]
    if absent:
        raise DataError(
            f"{len(absent)} of {plural(len(obs[role].cat.categories), role)} have no row of "
            f"features: {_few(absent)}; add the rows or keep other profiles with 'where'"
        )


def _few(labels: Sequence[Any]) -> str:
    shown = ", ".join(map(str, labels[:5]))
    return shown + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
