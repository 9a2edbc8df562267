"""One distribution from the package index through pip, its SHA-256 required."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cellula.core.errors import DataError, EngineError
from cellula.core.pip import require_pip
from cellula.io.atomic import FULL_WORDS, storage_error

__all__ = ["download", "require_hash"]

#: How long pip may take, in seconds.
TIMEOUT_S = 600
#: What pip says when a file is not the one whose hash is required.
MISMATCH = "DO NOT MATCH THE HASHES"


def download(
    package: str, version: str, sha256: str, form: Literal["sdist", "wheel"], folder: Path
) -> Path:
    """Fetch ``package==version`` into an empty folder; the archive's path.

    pip checks the hash and it is checked here again; nothing is installed. Raises EngineError
    when there is no pip or it reaches no index, DataError when the hash is another.
    """
    require_pip(f"fetching {package} {version}")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
    archives = folder / "archives"
    only = "--no-binary=:all:" if form == "sdist" else "--only-binary=:all:"
    options = ["--no-deps", only, "--require-hashes", "--no-input", "--disable-pip-version-check"]
    _run(
        [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(archives)],
        f"{package} {version}",
    )
    found = sorted(archives.iterdir()) if archives.is_dir() else []
    if len(found) != 1:
        raise EngineError(
            f"pip fetched {len(found)} files for {package} {version}; expected one; "
            "run the command again"
        )
    require_hash(found[0], sha256)
    return found[0]


def _run(command: Sequence[str], what: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"pip did not fetch {what} within {TIMEOUT_S} s; check the network and try again"
        ) from error
    if done.returncode == 0:
        return
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    last = "\n".join(f"  {line.strip()}" for line in said[-6:])
    if MISMATCH in done.stdout + done.stderr:
        raise DataError(
            f"{what} on the package index is not the file that was pinned (wrong SHA-256); nothing "
            f"was kept; ask your index for the original file. pip said:\n{last}"
        )
    if any(word in (done.stdout + done.stderr).lower() for word in FULL_WORDS):
        raise storage_error(Path(command[-1]), f"download ({what})", OSError(said[-1].strip()))
    raise EngineError(
        f"pip could not fetch {what}: offline, or the index does not have it; check the network "
        f"and pip's index settings, then try again. pip said:\n{last}"
    )


def require_hash(path: Path, sha256: str) -> None:
    """Raise DataError with both hashes when the file is not the pinned one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path.name} has SHA-256 {found}, expected {sha256}: not the pinned file; "
            "nothing was kept; fetch it again or ask your index for the original"
        )
