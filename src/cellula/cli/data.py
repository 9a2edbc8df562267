"""``cellula data``: public data sets that can be fetched, and what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cellula.cli.terminal import print_json, say

__all__ = ["app"]

app = typer.Typer(help="Public data sets: list, get, describe.", no_args_is_help=True)

Cache = Annotated[
    Path | None, typer.Option("--cache", help="Where fetched data are kept (default: yours).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_sources(as_json: Json = False, cache: Cache = None) -> None:
    """List the public data sets that can be fetched, and which are here already."""
    from cellula.core import registry
    from cellula.data.catalogue import source as catalogue

    sources = [catalogue.source(name) for name in registry.names("source")]
    here = {one.name: catalogue.cached(one, cache) for one in sources}
    if as_json:
        print_json([catalogue.describe(one) | {"cached": here[one.name]} for one in sources])
        return
    for one in sources:
        state = "cached" if here[one.name] else "not fetched"
        say(f"{one.name:<14} {state:<12} {one.license:<28} {one.title}")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Name of a data set (see: cellula data list).")],
    cache: Cache = None,
) -> None:
    """Fetch a public data set; its SHA-256 is required and a partial download is never used."""
    from cellula.data.catalogue import source as catalogue

    one = catalogue.source(name)
    folder = catalogue.fetch(one, cache)
    say(f"{one.name}: {', '.join(sorted(one.files))} in {folder}")


@app.command("describe")
def describe(
    what: Annotated[str, typer.Argument(help="Name of a data set, or a file or folder of data.")],
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a data set of the catalogue, or what a file holds."""
    from cellula.core import registry

    if what in registry.names("source"):
        from cellula.data.catalogue import source as catalogue

        found = catalogue.describe(catalogue.source(what))
    else:
        found = _file(Path(what), format)
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        say(f"{key:<14} {shown}")


def _file(path: Path, format: str | None) -> dict[str, object]:
    """Shape, columns and value range of a file or folder."""
    import pandas as pd
    from anndata import AnnData

    from cellula.core.errors import DataError
    from cellula.io.formats import read

    if not path.exists():
        raise DataError(f"there is no data set and no file {str(path)!r}; see: cellula data list")
    content: Any = read(path, format)
    if isinstance(content, pd.DataFrame):
        return {
            "file": path.name,
            "rows": len(content),
            "columns": [f"{name} ({kind})" for name, kind in content.dtypes.items()],
        }
    if isinstance(content, AnnData):
        return {"file": path.name} | _matrix(content)
    found: dict[str, object] = {
        "file": path.name,
        "profiles": content.n_obs,
        "modalities": list(content.mod),
        "obs": _columns(content.obs),
    }
    for name, part in content.mod.items():
        found |= {f"{name}:{key}": value for key, value in _matrix(part).items()}
    return found


def _matrix(content: Any) -> dict[str, object]:
    return {
        "profiles": content.n_obs,
        "readouts": content.n_vars,
        "values": _range(content.X),
        "obs": _columns(content.obs),
        "layers": sorted(content.layers),
        "coordinates": sorted(content.obsm),
    }


def _columns(obs: Any) -> list[str]:
    return [f"{name} ({obs[name].nunique()})" for name in obs.columns]


def _range(matrix: Any) -> str:
    """The least and the greatest value, missing ones aside, and the number type."""
    import numpy as np
    import scipy.sparse as sp

    if matrix is None:
        return "none: X is empty, the values stand in a layer"
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    there = stored[~np.isnan(stored)]
    if not there.size:
        return f"all missing ({stored.dtype})" if stored.size else f"none ({stored.dtype})"
    missing = stored.size - there.size
    less = f", {missing:,} missing" if missing else ""
    return f"{there.min():g} to {there.max():g} ({stored.dtype}{less})"
