"""The format of a file or folder: as named, or by the longest suffix that a plug-in claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cellula.core import registry
from cellula.core.errors import DataError, MissingExtra, PluginError
from cellula.io.damage import readable, require_sound

if TYPE_CHECKING:
    from cellula.core.reader import Content

__all__ = ["read", "reader_of", "suffixes", "write", "writer_of"]


def read(path: Path, format: str | None = None, labels: Sequence[str] = ()) -> Content:
    """The content of a file, or of a folder that is read as one thing (Zarr, 10x).

    format: the name of a reader, for files whose name does not tell (a DepMap ``.csv``); None
    takes the longest suffix, e.g. ``.csv.gz`` before ``.gz``. labels: columns of a text table
    that hold labels, where ``1.10`` is no number. Raises PluginError, with the
    nearest names, on an unknown format, and DataError, listing the suffixes there are, when no
    reader claims the name, or naming the file, when what it holds is damaged.
    """
    reader = reader_of(path) if format is None else registry.load("reader", format)()
    is_told = bool(labels) and hasattr(reader, "read_labelled")
    with readable(path):
        content: Content = reader.read_labelled(path, labels) if is_told else reader.read(path)
        require_sound(content, path.name)
    return content


def write(content: Content, path: Path) -> None:
    """Write in the format that the name asks for, atomically. Raises DataError as ``read``."""
    writer_of(path).write(content, path)


def reader_of(path: Path) -> Any:
    """The reader that claims a file's name; errors as :func:`read`."""
    return _pick("reader", path)


def writer_of(path: Path) -> Any:
    """The writer that the name asks for. Raises DataError, listing the suffixes, on none."""
    return _pick("writer", path)


def suffixes(kind: Literal["reader", "writer"] = "reader") -> dict[str, str]:
    """Suffix -> the name of the plug-in that reads (or writes) it."""
    return {suffix: name for suffix, (name, _) in _known(kind)[0].items()}


def _known(kind: str) -> tuple[dict[str, tuple[str, Any]], list[str]]:
    """Suffix -> (name, class), and the problems of the plug-ins that cannot be loaded."""
    found: dict[str, tuple[str, Any]] = {}
    problems: list[str] = []
    for name in registry.names(kind):
        try:
            plugin = registry.load(kind, name)
        except (MissingExtra, PluginError) as error:
            problems.append(str(error))
            continue
        for suffix in plugin.suffixes:
            other = found.setdefault(suffix, (name, plugin))
            if other[0] != name:
                raise PluginError(
                    f"two {kind} plug-ins claim {suffix}: {other[0]} and {name}; uninstall one"
                )
    return found, problems


def _pick(kind: str, path: Path) -> Any:
    found, problems = _known(kind)
    fitting = [suffix for suffix in found if _ends(path.name.lower(), suffix)]
    if not fitting:
        broken = f" (not available: {'; '.join(problems)})" if problems else ""
        named = sorted({name for name, _ in found.values()})
        remedy = f", or format = one of {', '.join(named)}" if kind == "reader" else ""
        raise DataError(
            f"no {kind} for {path.name!r}; expected a name ending in one of "
            f"{', '.join(sorted(found))}{remedy}{broken}"
        )
    return found[max(fitting, key=len)][1]()


def _ends(name: str, suffix: str) -> bool:
    """Whether the name ends in a suffix; one of several words may also follow an underscore.

    So ``GSE1_series_matrix.txt.gz`` ends in ``.series_matrix.txt.gz``, and the folder
    ``filtered_feature_bc_matrix`` in ``.feature_bc_matrix``.
    """
    words = suffix.removeprefix(".")
    return name.endswith(suffix) or (("." in words or "_" in words) and name.endswith(f"_{words}"))
