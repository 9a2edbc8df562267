"""The format of a file, by the longest suffix that a registered reader or writer claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cellula.core import registry
from cellula.core.errors import DataError, MissingExtra, PluginError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from cellula.core.network import Network

__all__ = ["read", "suffixes", "write"]


def read(path: Path) -> AnnData | MuData | pd.DataFrame | Network:
    """The content of a file of any registered format, e.g. ``.csv.gz`` before ``.gz``.

    Raises DataError, listing the suffixes there are, when no reader claims the name.
    """
    content: AnnData | MuData | pd.DataFrame | Network = _pick("reader", path).read(path)
    return content


def write(content: AnnData | MuData | pd.DataFrame | Network, path: Path) -> None:
    """Write in the format that the name asks for, atomically. Raises DataError as ``read``."""
    _pick("writer", path).write(content, path)


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
    fitting = [suffix for suffix in found if path.name.lower().endswith(suffix)]
    if not fitting:
        broken = f" (not available: {'; '.join(problems)})" if problems else ""
        raise DataError(
            f"no {kind} for {path.name!r}; expected a name ending in one of "
            f"{', '.join(sorted(found))}{broken}"
        )
    return found[max(fitting, key=len)][1]()
