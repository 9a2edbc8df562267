"""A workspace: the folder of one ledger, its blobs and the results of its studies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cellula.evidence.blobs import BlobStore
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.ledger import Ledger

__all__ = ["Workspace", "open_workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where evidence is kept: ``ledger.sqlite``, ``blobs/``, ``studies/<id>/``, ``scratch/``."""

    folder: Path
    key: SigningKey
    ledger: Ledger
    blobs: BlobStore

    def results(self, study_id: str) -> Path:
        """The folder of a study's bundle and dossier."""
        return self.folder / "studies" / study_id

    @property
    def scratch(self) -> Path:
        """A folder that may be deleted after a run."""
        return self.folder / "scratch"


def open_workspace(folder: Path, key_folder: Path | None = None) -> Workspace:
    """Open or make a workspace; the signing key is made on first use (see evidence.keys)."""
    folder.mkdir(parents=True, exist_ok=True)
    key = signing_key(key_folder)
    ledger = Ledger(folder / "ledger.sqlite", key)
    return Workspace(folder, key, ledger, BlobStore(folder / "blobs"))
