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
    what: Annotated[str, typer.Argument(help="Name of a data set, or a file of data.")],
    as_json: Json = False,
) -> None:
    """Describe a data set of the catalogue, or what a file holds."""
    from cellula.core import registry

    if what in registry.names("source"):
        from cellula.data.catalogue import source as catalogue

        found = catalogue.describe(catalogue.source(what))
    else:
        found = _file(Path(what))
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        say(f"{key:<14} {shown}")


def _file(path: Path) -> dict[str, object]:
    """Shape, columns and value range of a file."""
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp

    from cellula.core.errors import DataError
    from cellula.io.formats import read

    if not path.is_file():
        raise DataError(f"there is no data set and no file {str(path)!r}; see: cellula data list")
    content: Any = read(path)
    if isinstance(content, pd.DataFrame):
        return {
            "file": path.name,
            "rows": len(content),
            "columns": [f"{name} ({kind})" for name, kind in content.dtypes.items()],
        }
    matrix = content.X
    stored = np.asarray(matrix.data if sp.issparse(matrix) else matrix)
    return {
        "file": path.name,
        "profiles": content.n_obs,
        "readouts": content.n_vars,
        "values": f"{stored.min():g} to {stored.max():g} ({stored.dtype})",
        "obs": [f"{name} ({content.obs[name].nunique()})" for name in content.obs.columns],
        "layers": sorted(content.layers),
        "coordinates": sorted(content.obsm),
    }
