"""A workspace: the folder of one ledger, its blobs and the results of its studies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cellula.core.errors import EvidenceError
from cellula.evidence.blobs import BlobStore
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.ledger import Ledger
from cellula.io.atomic import told
from cellula.io.lock import locked

__all__ = ["LEDGER", "Workspace", "find_workspace", "open_workspace"]

LEDGER = "ledger.sqlite"


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

    @contextmanager
    def running(self, study_id: str) -> Iterator[None]:
        """Run a study alone: EvidenceError while another process runs it in this workspace."""
        with locked(self.scratch / f"{study_id}.lock") as is_mine:
            if not is_mine:
                raise EvidenceError(
                    f"another process is running the study {study_id!r} in {self.folder}; wait "
                    "until it has ended, or use another workspace"
                )
            yield

    @property
    def scratch(self) -> Path:
        """A folder that may be deleted after a run."""
        return self.folder / "scratch"


def open_workspace(folder: Path, key_folder: Path | None = None) -> Workspace:
    """Open or make a workspace; the signing key is made on first use (see evidence.keys)."""
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    key = signing_key(key_folder)
    ledger = Ledger(folder / LEDGER, key)
    return Workspace(folder, key, ledger, BlobStore(folder / "blobs"))


def find_workspace(folder: Path, key_folder: Path | None = None) -> Workspace:
    """Open a workspace that is there; nothing is made.

    Raises EvidenceError where there is none: then no study is registered in it.
    """
    if not (folder / LEDGER).is_file():
        raise EvidenceError(
            f"the study is not registered: {folder} is no workspace, it holds no ledger; register "
            "the study first (cellula register FILE), or name the workspace that it is in"
        )
    return open_workspace(folder, key_folder)
