"""From one format to another without a silent loss: what a file cannot hold is named first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from anndata import AnnData

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork, SignedGraph
from cellula.core.network import Network
from cellula.io.differences import differences
from cellula.io.formats import read, writer_of
from cellula.io.parts import reduced
from cellula.io.presence import is_there

__all__ = ["Conversion", "convert"]

#: The column of a table that the names of profiles become.
PROFILE = "profile"
#: The modality that one annotated matrix becomes.
ONE = "values"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion wrote: the formats, and the parts that were left out (with ``is_cut``).

    profiles: rows of a table, profiles of a matrix, ids of a model. readouts: of a matrix alone.
    became: in words, what a model is in the target where it says the same otherwise.
    """

    source: str
    target: str
    lost: tuple[str, ...]
    profiles: int
    readouts: int | None
    became: str = ""


def convert(
    source: Path,
    out: Path,
    *,
    format: str | None = None,
    to: str | None = None,
    modality: str | None = None,
    readouts: Sequence[str] = (),
    is_cut: bool = False,
    is_replaced: bool = False,
) -> Conversion:
    """Write the content of ``source`` as ``out``, in the format that its name, or ``to``, tells.

    modality: the one modality that is kept of several. readouts: the columns of a table that
    become the matrix. is_cut: leave out what the target cannot hold, instead of refusing it.
    is_replaced: whether ``out`` may be there. The result is written twice: first where it is
    read back and compared, so that nothing that the format changes goes unnoticed, then to
    ``out``, atomically. Raises DataError naming what would be lost, and writes nothing.
    """
    _require_free(source, out, is_replaced=is_replaced)
    writer = writer_of(out) if to is None else registry.load("writer", to)()
    content = read(source, format)
    lost: tuple[str, ...] = ()
    became = ""
    if is_dataclass(content):
        asks = modality is not None or bool(readouts)
        fitted = _model(content, writer, source.name, asks=asks)
        fitted, became = _formed(fitted, writer)
    else:
        fitted, lost = _fitted(content, writer, modality, readouts, source.name)
    if lost and not is_cut:
        raise DataError(_refusal(out, writer.name, lost))
    changed = _changed(fitted, writer, out)
    if changed and not is_cut:
        raise DataError(_refusal(out, writer.name, changed))
    writer.write(fitted, out)
    return Conversion(source.name, writer.name, (*lost, *changed), *_size(fitted), became)


def _size(content: Any) -> tuple[int, int | None]:
    if _is_model(content):
        return len(content.ids), None
    return content.shape[0], None if isinstance(content, pd.DataFrame) else content.shape[1]


def _model(content: Any, writer: Any, file: str, *, asks: bool) -> Any:
    """A model as it is; DataError where it is asked for what matrices have."""
    if hasattr(writer, "takes") or asks or not _is_model(content):
        raise DataError(
            f"{file} holds a {type(content).__name__}: it has no matrix, modality or readout "
            "column; write it in a format of its own kind (.sbml, .net, .bnet, .sif)"
        )
    return content


def _formed(content: Any, writer: Any) -> tuple[Any, str]:
    """A network in the form that the writer gives it, and what becomes of its reactions."""
    if not (isinstance(content, Network) and hasattr(writer, "form")):
        return content, ""
    formed = writer.form(content)
    if not (content.reactions or content.species or content.compartments):
        return formed, ""
    return formed, "equations: reactions, species and compartments are variables now"


def _is_model(content: Any) -> bool:
    return isinstance(content, Network | LogicNetwork | SignedGraph)


def _refusal(out: Path, format: str, lost: Sequence[str]) -> str:
    return (
        f"{out.name}: {format} cannot hold {'; '.join(lost)}; write another format (.h5ad holds "
        "all of a matrix, .h5mu several modalities), or leave them out: --drop"
    )


def _require_free(source: Path, out: Path, *, is_replaced: bool) -> None:
    if not is_there(source):
        raise DataError(f"{source} is not there; check the path")
    is_taken = is_there(out)
    if is_taken and out.resolve() == source.resolve():
        raise DataError(f"{out} is the source itself; give another name")
    if is_taken and not is_replaced:
        raise DataError(f"{out} is there already; give another name, or replace it: --force")


def _changed(content: Any, writer: Any, out: Path) -> tuple[str, ...]:
    """What is read back otherwise than it was written; () where no reader has this name."""
    if writer.name not in registry.names("reader"):
        return ()
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / out.name
        writer.write(content, path)
        again = registry.load("reader", writer.name)().read(path)
    return differences(content, again)


def _fitted(
    content: Any, writer: Any, modality: str | None, readouts: Sequence[str], file: str
) -> tuple[Any, tuple[str, ...]]:
    """The content as the kind of thing that the writer takes, and what it leaves out."""
    takes = getattr(writer, "takes", None)
    is_table = isinstance(content, pd.DataFrame)
    is_several = not is_table and hasattr(content, "mod")
    if modality is not None:
        if not is_several:
            raise DataError(f"{file} has no modalities; leave --modality out")
        content, is_several = _modality(content, modality, file), False
    if readouts and not is_table:
        raise DataError(f"{file} is no table: its readouts are known; leave --readouts out")
    if takes is None:
        return content, ()
    if is_table:
        if takes == "table":
            return content, ()
        content = _from_table(content, readouts, file)
    if takes == "modalities":
        return (content if is_several else _one_modality(content)), ()
    if is_several:
        names = list(content.mod)
        if len(names) > 1:
            raise DataError(
                f"{file} holds the modalities {', '.join(names)}, and {writer.name} one matrix; "
                "write .h5mu, or take one of them: --modality NAME"
            )
        content = _modality(content, names[0], file)
    if takes == "table":
        return _as_table(content, file)
    if not hasattr(writer, "reduce"):
        return content, ()
    found = writer.reduce(content)
    return found.content, found.lost


def _modality(content: Any, name: str, file: str) -> AnnData:
    """One modality, with the columns of the shared obs."""
    if name not in content.mod:
        raise DataError(f"{file} has no modality {name!r}; it has {', '.join(content.mod)}")
    part = content.mod[name].copy()
    shared = content.obs.loc[part.obs_names]
    for column in shared.columns:
        if column not in part.obs:
            part.obs[column] = shared[column]
    return part


def _one_modality(content: AnnData) -> Any:
    from mudata import MuData, set_options

    with set_options(pull_on_update=False):
        joined = MuData({ONE: content})
    joined.obs = pd.DataFrame(index=content.obs_names)
    return joined


def _from_table(table: pd.DataFrame, readouts: Sequence[str], file: str) -> AnnData:
    """A matrix of the readout columns; the others are obs, ``profile`` names the profiles."""
    if not readouts:
        raise DataError(
            f"{file} is a table, which does not say which columns are readouts: name them, "
            "--readouts a,b,..."
        )
    absent = [name for name in readouts if name not in table.columns]
    if absent:
        raise DataError(f"{file} has no column {absent[0]!r}; name columns that it has")
    text = [name for name in readouts if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise DataError(f"{file}: the readout {text[0]!r} holds text; expected numbers")
    obs = table.drop(columns=list(readouts))
    names = obs.pop(PROFILE) if PROFILE in obs else pd.Series(table.index)
    obs.index = pd.Index(names.astype(str).to_numpy())
    matrix = table[list(readouts)].to_numpy()
    return AnnData(matrix, obs=obs, var=pd.DataFrame(index=pd.Index(map(str, readouts))))


def _as_table(data: AnnData, file: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row a profile: its name, its obs, its values."""
    found = reduced(data, obs=data.obs.columns, var=(), is_dense=True)
    if data.X is None:
        raise DataError(f"{file} has no matrix X; a table has nothing to hold")
    columns = [PROFILE, *map(str, data.obs.columns), *map(str, data.var_names)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(
            f"{file}: {twice[0]!r} would be the name of two columns of the table; rename one"
        )
    values = pd.DataFrame(found.content.X, columns=data.var_names.astype(str))
    obs = _plain(data.obs).reset_index(drop=True)
    names = pd.DataFrame({PROFILE: data.obs_names.astype(str).to_numpy()})
    return pd.concat([names, obs, values], axis=1), found.lost


def _plain(obs: pd.DataFrame) -> pd.DataFrame:
    """The columns with categoricals as what their categories are."""
    plain = {
        str(name): column.astype(column.cat.categories.dtype)
        if isinstance(column.dtype, pd.CategoricalDtype)
        and not (column.isna().any() and column.cat.categories.dtype.kind in "iub")
        else column
        for name, column in obs.items()
    }
    return pd.DataFrame(plain, index=obs.index)
