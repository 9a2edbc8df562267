"""Commands of cellula in processes that are forked from one that has imported all.

Each may be killed after a time or at its n-th write, or meet a disk that is full from there on
(``full_disk.c``). Run as a program it is the process that forks, driven by lines of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("full_disk.c")
KILL = -9
ALL = -1
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended. code: -9 when it was killed. writes: its calls below the folder."""

    code: int
    out: str
    err: str
    writes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forked:
    """Runs commands with the folder ``disk`` as the disk that may refuse."""

    process: subprocess.Popen[str]
    disk: Path

    def __call__(
        self,
        *words: object,
        at: int = ALL,
        answer: int = KILL,
        after: float | None = None,
        typed: str = "",
        is_first: bool = False,
        out: str = "",
        **environment: str,
    ) -> Done:
        """Run ``cellula WORDS`` in the disk's folder.

        at: how many writes pass; answer: the errno of the later ones, or KILL. after: seconds
        until it is killed. typed: what stands on its standard input. is_first: run it in the
        process that forks, so that what it imports and compiles is there for all others. out:
        a device for its standard output.
        """
        asked = {
            "words": [str(word) for word in words],
            "disk": str(self.disk),
            "at": at,
            "answer": answer,
            "after": after,
            "typed": typed,
            "is_first": is_first,
            "out": out,
            "environment": {
                "HOME": str(self.disk / "home"),
                "XDG_CONFIG_HOME": str(self.disk / "home" / "config"),
                **environment,
            },
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Done(**json.loads(self.process.stdout.readline()))


@contextmanager
def forking(folder: Path, disk: Path) -> Iterator[Forked]:
    """The process that forks; skips, with the reason, where there is no way to refuse a write.

    folder: for the library and the outputs, outside ``disk``.
    """
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("a disk that refuses needs Linux and a C compiler (cc)")
    library = folder / "full_disk.so"
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-w", "-o", library, SOURCE, "-ldl"], check=True
    )
    figures = {"MPLCONFIGDIR": str(folder / "figures")}
    environment = {**os.environ, **ONE_THREAD, **figures, "LD_PRELOAD": str(library)}
    process = subprocess.Popen(
        [sys.executable, __file__, str(library), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield Forked(process, disk.resolve())
    finally:
        process.communicate(timeout=60)


def _serve(library: str, folder: Path) -> None:
    _import_all()
    shim = ctypes.CDLL(library)
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    counter = ctypes.c_long.from_buffer(shared)
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        if asked["is_first"]:
            _here(asked)
            continue
        counter.value = 0
        (folder / "in").write_text(asked["typed"])
        began = time.monotonic()
        process = os.fork()
        if process == 0:
            _become(asked, folder)
            shim.refuse_after(
                asked["disk"].encode(),
                ctypes.c_long(asked["at"]),
                asked["answer"],
                ctypes.byref(counter),
            )
            from cellula.cli import main

            main()
            return
        done = {
            "code": _ended(process, asked["after"]),
            "out": (folder / "out").read_text(),
            "err": (folder / "err").read_text(),
            "writes": counter.value,
            "seconds": time.monotonic() - began,
        }
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


def _import_all() -> None:
    """Import what the commands import, so that a fork is the work alone."""
    import scanpy  # noqa: F401

    import cellula.cli.app
    import cellula.evidence.verify
    import cellula.io.formats
    import cellula.io.prediction_file
    import cellula.report.crate
    import cellula.report.dossier
    import cellula.validation.exploratory
    import cellula.validation.inner  # noqa: F401
    from cellula.core import registry
    from cellula.core.errors import MissingExtra

    for kind in ("model", "metric", "gate", "reader", "writer", "uncertainty", "source"):
        for name in registry.names(kind):
            with contextlib.suppress(MissingExtra):
                registry.load(kind, name)


def _here(asked: dict[str, Any]) -> None:
    """Run a command in this process."""
    from typer.testing import CliRunner

    from cellula.cli.app import app

    os.chdir(asked["disk"])
    result = CliRunner().invoke(app, asked["words"], env=asked["environment"])
    gc.freeze()
    done = Done(result.exit_code, result.stdout, result.stderr, 0, 0.0)
    sys.stdout.write(json.dumps(asdict(done)) + "\n")
    sys.stdout.flush()


def _become(asked: dict[str, Any], folder: Path) -> None:
    """Be the command: its folder, its environment, its three streams."""
    os.chdir(asked["disk"])
    os.environ.update(asked["environment"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    streams = (
        os.open(folder / "in", os.O_RDONLY),
        os.open(asked["out"] or folder / "out", flags),
        os.open(folder / "err", flags),
    )
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["cellula", *asked["words"]]


def _ended(process: int, after: float | None) -> int:
    """Wait for the end, bringing it about when the time is over."""
    end = None if after is None else time.monotonic() + after
    while end is not None:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            os.kill(process, signal.SIGKILL)
            break
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
