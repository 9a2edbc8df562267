"""``cellula data pretrain``: a small foundation model from cells of one's own, as a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellula.cli.pairs import repeated_pairs, typed_pairs
from cellula.cli.terminal import TerminalProgress, print_json, say
from cellula.core.errors import DataError, MissingExtra, StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cellula.core.dataset import Dataset

__all__ = ["pretrain"]

#: Every so many-th cell tells when to stop, and is not trained on.
HELD = 10


def pretrain(
    source: Annotated[Path, typer.Argument(help="The file or folder of cells.")],
    to: Annotated[Path, typer.Option("--to", help="Folder of the checkpoint, a new one.")],
    name: Annotated[str, typer.Option("--name", help="What the checkpoint is called.")],
    license: Annotated[
        str, typer.Option("--license", help="SPDX expression of its licence.")
    ] = "unknown",
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: counts or log1p.")
    ] = "counts",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the cells to train on; may be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="name=value: genes, width, layers, train={...}, ..."),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Reader, where the name does not tell it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:N.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train a network to tell hidden genes, on the cells that are kept; no label is read."""
    from tempfile import TemporaryDirectory

    import numpy as np

    from cellula.core.run import run_context
    from cellula.validation.exploratory import Declared, open_declared

    train, options = _training(), typed_pairs(option or (), "--option")
    if to.exists():
        raise DataError(f"{to} is there already; give the folder another name")
    rows = repeated_pairs(where or (), "--where")
    data: Dataset = open_declared(Declared(source, {}, value_type, rows, format))
    held = np.arange(data.n_profiles) % HELD == HELD - 1
    valid = data.take(held) if held.any() else None
    with TemporaryDirectory() as scratch:
        run = run_context(seed, Path(scratch), device=device, progress=TerminalProgress())
        made = train.pretrain(data.take(~held), valid, _options(train, options), run)
    made.write(to, name=name, license=license)
    told = {"cells": int((~held).sum()), "genes": len(made.genes), "error": made.error}
    if as_json:
        print_json({"out": str(to), **told})
        return
    say(
        f"{name}: {told['cells']} cells, {told['genes']} genes; hidden values of other cells are "
        f"told with an error of {made.error:.2f} of their variance"
    )
    say(f"wrote    {to}")


def _training() -> Any:
    """The module of the pretraining. Raises MissingExtra where torch is not installed."""
    try:
        from cellula.models.learned import pretraining
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"a pretraining needs the package {error.name}: pip install 'cellula[learned]'"
        ) from error
    return pretraining


def _options(train: Any, options: Mapping[str, object]) -> Any:
    from pydantic import ValidationError

    from cellula.validation.mistakes import mistakes_of

    try:
        return train.PretrainOptions(**options)
    except ValidationError as error:
        known = ", ".join(train.PretrainOptions.model_fields)
        raise StudyError(
            f"the options of the pretraining are wrong (it has: {known}):",
            mistakes_of(error, options),
        ) from error
