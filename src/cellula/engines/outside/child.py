"""A child process that ends with us: within its time, its own children included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cellula.core.errors import EngineError

__all__ = ["finished"]

#: So many lines of what a child says are kept.
KEPT = 200


def finished(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    tell: Callable[[str], None] | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """The exit code of a command run in a folder, and the last lines that it said.

    tell: called with every line as it comes. variables: of the environment, beside ours. Raises
    EngineError where the command cannot be started, or takes longer than ``seconds``; it and all
    that it started are killed then, and when we are interrupted.
    """
    name = Path(command[0]).name
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(variables or {})},
            start_new_session=sys.platform != "win32",
        )
    except OSError as error:
        raise EngineError(f"{name} cannot be started: {error}") from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(child)

    clock = threading.Timer(seconds, stop)
    clock.start()
    try:
        said = _listen(child, tell)
        code = child.wait()
    except BaseException:
        _kill(child)
        child.wait()
        raise
    finally:
        clock.cancel()
        if child.stdout is not None:
            child.stdout.close()
    if late.is_set():
        last = said[-1] if said else "nothing"
        raise EngineError(
            f"{name} did not end within {seconds:g} s and was stopped; it last said: {last}"
        )
    _kill(child)
    return code, said


def _listen(child: subprocess.Popen[str], tell: Callable[[str], None] | None) -> list[str]:
    said: list[str] = []
    for line in child.stdout or ():
        text = line.rstrip()
        if not text:
            continue
        said.append(text)
        del said[:-KEPT]
        if tell is not None:
            tell(text)
    return said


def _kill(child: subprocess.Popen[str]) -> None:
    """Kill the child and its process group; what has ended already is no error."""
    try:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
