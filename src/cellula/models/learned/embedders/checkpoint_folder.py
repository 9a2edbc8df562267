"""A checkpoint on this disk: weights as safetensors, all else as JSON; pickle is never read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cellula.core.canonical import hash_json
from cellula.core.embedding import Checkpoint
from cellula.core.errors import DataError
from cellula.io.digest import hash_source
from cellula.models.learned.embedders.card import (
    SOURCE,
    checkpoint_card,
    json_object,
    refuse_pickle,
    require_there,
)

__all__ = ["CheckpointFolder", "fill", "whole"]

#: What the weights are called; all files of this ending are read as one.
WEIGHTS = ".safetensors"
CONFIG, VOCABULARY = "config.json", "vocab.json"


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """A folder of safetensors and JSON: ``config.json``, ``vocab.json`` (gene -> token) and
    ``source.json`` (name, version, license, citation), the last one optional.
    """

    path: Path

    def __post_init__(self) -> None:
        require_there(self.path)
        if not self.path.is_dir():
            refuse_pickle(self.path, [self.path])
            raise DataError(
                f"{self.path} is a file; expected the folder that holds {CONFIG}, {VOCABULARY} "
                f"and the weights as *{WEIGHTS}"
            )
        if not self.weights:
            refuse_pickle(self.path, self._files())
            raise DataError(
                f"{self.path} holds no weights (*{WEIGHTS}); found: {self._few()}; get the "
                "checkpoint in that format"
            )

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files of weights, sorted."""
        return tuple(path for path in self._files() if path.name.endswith(WEIGHTS))

    def json(self, name: str) -> dict[str, Any]:
        """The object in a JSON file. Raises DataError, naming it, where it is not one."""
        path = self.path / name
        if not path.is_file():
            refuse_pickle(self.path, self._files())
            raise DataError(f"{self.path} has no {name}; found: {self._few()}")
        return json_object(path)

    def vocabulary(self) -> dict[str, int]:
        """``vocab.json``: gene -> token. Raises DataError where a token is no whole number."""
        found = self.json(VOCABULARY)
        for gene, token in found.items():
            if not isinstance(token, int) or isinstance(token, bool) or token < 0:
                raise DataError(
                    f"{VOCABULARY} gives {gene!r} the token {token!r}; expected a whole number "
                    "that is not negative"
                )
        return found

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as float32. Raises DataError on a damaged file."""
        found: dict[str, Tensor] = {}
        for path in self.weights:
            try:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 -- no mapping
                        found[name] = file.get_tensor(name).float()
            except (SafetensorError, OSError) as error:
                raise DataError(
                    f"{path} is no file of safetensors: {error}; get it once more"
                ) from error
        return found

    def card(self, kind: str) -> Checkpoint:
        """The provenance of what this folder holds; the fingerprint is that of all its weights
        and JSON files.
        """
        names = [*self.weights, *(path for path in self._files() if path.suffix == ".json")]
        fingerprint = hash_json([[path.name, hash_source(path)] for path in names])
        source = self.path / SOURCE
        told = json_object(source) if source.is_file() else {}
        return checkpoint_card(kind, self.path, fingerprint, told)

    def _files(self) -> list[Path]:
        return sorted(self.path.iterdir())

    def _few(self) -> str:
        names = [path.name for path in self._files()]
        return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "nothing"


def fill(module: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Give a network that was made without memory the weights of a checkpoint, by its own names.

    Raises DataError, naming examples, where one is missing or has another shape.
    """
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise DataError(
            f"{folder} lacks {len(missing)} of {len(wanted)} weights, e.g. "
            f"{', '.join(missing[:3])}; is it a checkpoint of this kind, and does {CONFIG} "
            "belong to it?"
        )
    for name, tensor in wanted.items():
        if tensors[name].shape != tensor.shape:
            raise DataError(
                f"{folder}: weight {name!r} has shape {tuple(tensors[name].shape)}, {CONFIG} "
                f"tells {tuple(tensor.shape)}; the two do not belong together"
            )
    module.load_state_dict({name: tensors[name] for name in wanted}, assign=True)
    module.requires_grad_(False)
    module.eval()


def whole(config: Mapping[str, Any], key: str) -> int:
    """A whole number above 0 of ``config.json``. Raises DataError where it is none."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DataError(f"{CONFIG}: {key} is {value!r}; expected a whole number, 1 or more")
    return value
