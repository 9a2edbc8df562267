"""What a training that was killed goes on from: one file of tensors and JSON, whole or not there.

The file lies in the run's scratch under a hash of everything the training depends on, so that the
same fit finds it and another never does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cellula.core.canonical import canonical_json, hash_array, hash_frame, hash_json
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.io.atomic import told, write_atomically

__all__ = ["Checkpoint", "Snapshot", "data_fingerprint", "fingerprint", "module_fingerprint"]

FOLDER = "training"
VERSION = 1
#: A training is written down when so many seconds went by since the last time.
EVERY_S = 5.0
#: Profiles on disk that are hashed together.
ROWS = 4096
#: What nobody came back for in so many seconds is swept by the next that writes.
STALE_S = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A training between two epochs: tensors by name on the CPU, and numbers as JSON."""

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]


@dataclass(slots=True)
class Checkpoint:
    """Where one training is written down; ``path`` None keeps nothing.

    written: the clock when it was last written, or when it was opened.
    """

    path: Path | None
    written: float

    @classmethod
    def of(cls, scratch: Path, key: str) -> Checkpoint:
        """The place of the training whose hash is ``key``; nowhere where it is empty."""
        path = scratch / FOLDER / f"{key}.safetensors" if key else None
        return cls(path, time.monotonic())

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again; the moment changes no number."""
        return self.path is not None and time.monotonic() - self.written >= EVERY_S

    def read(self) -> Snapshot | None:
        """What was written, or None; a file that cannot be read counts as none."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                meta = json.loads((file.metadata() or {})["training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError, OSError):
            return None
        return Snapshot(tensors, meta) if meta.get("version") == VERSION else None

    def write(self, snapshot: Snapshot) -> None:
        """Replace what was written, in one step. Raises StorageError when the disk refuses."""
        if self.path is None:
            return
        meta = canonical_json({**snapshot.meta, "version": VERSION}).decode()
        # copies: safetensors refuses two names for one memory, such as tied weights
        tensors = {name: one.contiguous().clone() for name, one in snapshot.tensors.items()}
        write_atomically(self.path, save(tensors, {"training": meta}))
        _sweep(self.path.parent)
        self.written = time.monotonic()

    def remove(self) -> None:
        """The training is done, or can never be: nothing is left."""
        if self.path is None:
            return
        with told(self.path):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # others are training, or nobody ever wrote
            self.path.parent.rmdir()


def fingerprint(*parts: object) -> str:
    """SHA-256 of tensors, arrays, options and JSON values, and of dataclasses of them.

    Raises DataError on what has no canonical form.
    """
    return hash_json([_plain(part) for part in parts])


def data_fingerprint(*parts: Dataset | None) -> str:
    """SHA-256 of datasets, in memory or on disk, block by block; None counts as itself."""
    return hash_json([None if part is None else _data(part) for part in parts])


def module_fingerprint(module: torch.nn.Module) -> str:
    """SHA-256 of the form and the weights of a network."""
    return fingerprint(repr(module), {n: t.detach() for n, t in module.state_dict().items()})


def _plain(part: object) -> object:
    if isinstance(part, Tensor):
        return hash_array(part.detach().cpu().numpy())
    if isinstance(part, np.ndarray):
        return hash_array(part) if part.dtype.kind in "biuf" else part.tolist()
    if sp.issparse(part):
        csr = sp.csr_matrix(part)
        return [list(csr.shape), _plain([csr.data, csr.indices, csr.indptr])]
    if isinstance(part, Mapping):
        return {str(name): _plain(one) for name, one in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(one) for one in part]
    if is_dataclass(part) and not isinstance(part, type):
        own = {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
        return [type(part).__name__, own]
    if isinstance(part, torch.nn.Module | torch.Generator):
        raise DataError(
            f"a {type(part).__name__} has no canonical form; name what it was made from"
        )
    return part


def _data(part: Dataset) -> str:
    if part.stored is None:
        return part.digest()
    matrices = [one for one in (part.stored, part.stored_counts) if one is not None]
    rows = [
        _plain(loaded(matrix[start : start + ROWS]))
        for matrix in matrices
        for start in range(0, part.n_profiles, ROWS)
    ]
    tables = [part.context_features, part.perturbation_features]
    frames = [None if table is None else hash_frame(table) for table in tables]
    names = list(part.readouts)
    own = [part.value_type.value, names, hash_frame(part.obs), frames, rows]
    return hash_json([*own, dict(part.structures)] if part.structures else own)


def _sweep(folder: Path) -> None:
    """Remove trainings that nobody came back for."""
    latest = time.time() - STALE_S
    for path in folder.glob("*.safetensors"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < latest:
                path.unlink()
