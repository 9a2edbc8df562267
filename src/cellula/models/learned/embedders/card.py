"""Whose weights or vectors these are, and which files are never opened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cellula.core.embedding import Checkpoint
from cellula.core.errors import DataError
from cellula.data.data_source import spdx_expression

__all__ = ["SOURCE", "checkpoint_card", "json_object", "refuse_pickle", "require_there"]

#: The file beside weights or vectors that tells whose they are.
SOURCE = "source.json"
#: What it may tell.
KEYS = ("citation", "license", "name", "trained_on", "version")
#: Endings of files that run code when they are read.
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
CONVERT = (
    "read them once where you trust them and write them anew: python -c 'import torch; from "
    "safetensors.torch import save_file; save_file({k: v.clone() for k, v in "
    'torch.load("pytorch_model.bin", weights_only=True).items()}, "model.safetensors")\'; '
    "a dictionary of genes is converted with json.dump"
)


def checkpoint_card(kind: str, path: Path, fingerprint: str, told: Mapping[str, Any]) -> Checkpoint:
    """The provenance that ``source.json`` tells; a licence that it does not tell is unknown.

    Raises DataError on a key that it cannot have, a value that is no text, or a licence that SPDX
    does not know.
    """
    if strange := sorted(set(told) - set(KEYS)):
        raise DataError(
            f"{SOURCE} of {path} has {', '.join(map(repr, strange))}; it may have {', '.join(KEYS)}"
        )
    trained_on = told.get("trained_on", {})
    texts = [value for key, value in told.items() if key != "trained_on"]
    if not isinstance(trained_on, dict) or not all(
        isinstance(text, str) for text in [*texts, *trained_on.values()]
    ):
        raise DataError(
            f"{SOURCE} of {path}: every value is text, and trained_on the SHA-256 of files by name"
        )
    try:
        licence = spdx_expression(told.get("license", "unknown"))
    except ValueError as error:
        raise DataError(f"{SOURCE} of {path}: {error}") from error
    return Checkpoint(
        kind,
        told.get("name") or path.name.split(".")[0],
        told.get("version", ""),
        licence,
        fingerprint,
        told.get("citation", ""),
        dict(trained_on),
    )


def require_there(path: Path) -> None:
    """Raise DataError where there is no such file or folder; nothing is ever fetched by name."""
    if path.exists():
        return
    raise DataError(
        f"there is no file or folder {str(path)!r}; a checkpoint is a path on this disk, never the "
        "name of a hub: download it yourself, look at its licence, and name the folder"
    )


def refuse_pickle(path: Path, files: Sequence[Path]) -> None:
    """Raise DataError, telling how to convert it, where one of the files is pickle."""
    pickled = [file.name for file in files if file.suffix.lower() in PICKLED]
    if pickled:
        raise DataError(
            f"{path} holds {', '.join(pickled[:3])}: pickle, which may run anybody's code when "
            f"it is read and is never opened here; {CONVERT}"
        )


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises DataError, naming it, where it is not one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a {type(found).__name__}; expected an object {{...}}")
    return found
