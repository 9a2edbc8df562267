"""A virtual environment an engine, in the user's data folder: there whole or not at all."""

from __future__ import annotations

import json
import shutil
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from cellula.core.canonical import canonical_json
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.pip import require_pip
from cellula.core.run import Progress
from cellula.engines.outside.child import finished
from cellula.io.atomic import told, write_atomically
from cellula.io.lock import locked

__all__ = ["Environment", "default_folder", "install", "installed", "python_of", "require"]

#: What was installed; written last, so that an environment without it is no environment.
MARK = "installed.json"
#: What pip tells of that is worth a line.
TOLD = ("Collecting ", "Downloading ", "Building ", "Installing ")


@dataclass(frozen=True, slots=True)
class Environment:
    """An engine that has packages to itself.

    name: as ``cellula engine install`` takes it. package: the one whose version is told; pins:
    all that pip installs, each with its version. has_dependencies: whether pip also installs what
    those ask for. python: the versions of Python that it runs on, lowest and highest. needs:
    programs that must be there. seconds: what installing may take. builds: with which versions
    pip builds what comes as source, where the engine later needs the same.
    """

    name: str
    what: str
    package: str
    pins: tuple[str, ...]
    license: str
    has_dependencies: bool = True
    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 11), (3, 13))
    needs: tuple[str, ...] = ()
    seconds: float = 1800.0
    builds: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version that is pinned."""
        pinned = dict(pin.split("==", 1) for pin in self.pins if "==" in pin)
        return pinned[self.package]


def default_folder() -> Path:
    """Where the environments of the user's engines are."""
    return user_data_path("cellula") / "engines"


def installed(environment: Environment, folder: Path | None = None) -> Path | None:
    """The environment's folder where all of it is there, in the version that is pinned."""
    place = _place(environment, folder)
    try:
        mark = json.loads((place / MARK).read_bytes())
    except (OSError, ValueError):
        return None
    is_whole = mark == _mark(environment) and python_of(place).exists()
    return place if is_whole else None


def require(environment: Environment, folder: Path | None = None) -> Path:
    """The environment's folder. Raises MissingExtra, with the command, where it is not there."""
    found = installed(environment, folder)
    if found is None:
        raise MissingExtra(
            f"{environment.name} {environment.version} is not installed; it runs in an "
            f"environment of its own: cellula engine install {environment.name}"
        )
    return found


def install(environment: Environment, progress: Progress, folder: Path | None = None) -> Path:
    """Make the environment, unless it is there; its folder.

    Raises EngineError, with what pip said, where it cannot be made (no pip, no network, a program
    is missing, it took too long, another process is at it), DataError on a Python that the engine
    does not run on. Then nothing that looks like an environment is left.
    """
    ready = installed(environment, folder)
    if ready is not None:
        return ready
    _check(environment)
    place = _place(environment, folder)
    with locked(place.with_suffix(".lock")) as is_ours:
        if not is_ours:
            raise EngineError(
                f"another process is installing {environment.name}; wait for it and try again"
            )
        with told(place):
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, symlinks=sys.platform != "win32", with_pip=False)
        try:
            _fill(environment, place, progress)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        write_atomically(place / MARK, canonical_json(_mark(environment)))
    return place


def python_of(place: Path) -> Path:
    """The interpreter of an environment."""
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _place(environment: Environment, folder: Path | None) -> Path:
    root = default_folder() if folder is None else folder
    return root / f"{environment.name}-{environment.version}"


def _mark(environment: Environment) -> dict[str, object]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = [*environment.pins, *(f"{one} (build)" for one in environment.builds)]
    return {"pins": pins, "python": own}


def _check(environment: Environment) -> None:
    lowest, highest = environment.python
    if not lowest <= sys.version_info[:2] <= highest:
        own = ".".join(map(str, sys.version_info[:2]))
        raise DataError(
            f"{environment.name} {environment.version} runs on Python "
            f"{'.'.join(map(str, lowest))} to {'.'.join(map(str, highest))}; this is {own}"
        )
    for program in environment.needs:
        if shutil.which(program) is None:
            raise EngineError(
                f"{environment.name} needs the program {program!r}, which is not on this machine; "
                "install it with your system's package manager"
            )
    require_pip(f"installing {environment.name}")


def _fill(environment: Environment, place: Path, progress: Progress) -> None:
    """Install the pins with the pip that runs us, into the environment."""
    command = [sys.executable, "-m", "pip", "--python", str(python_of(place)), "install"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += [] if environment.has_dependencies else ["--no-deps"]
    progress.say(f"installing {environment.name} {environment.version} into {place}")

    def tell(line: str) -> None:
        if line.startswith(TOLD):
            progress.say(f"  {line}")

    asked = [*command, *environment.pins]
    variables = _build_variables(environment, place)
    code, said = finished(asked, place, environment.seconds, tell, variables)
    if code != 0:
        raise EngineError(
            f"pip could not install {environment.name} {environment.version}; nothing was kept; "
            f"check the network and pip's index settings. pip said:\n{_last(said)}"
        )


def _build_variables(environment: Environment, place: Path) -> dict[str, str]:
    """What tells pip, old and new, with which versions it is to build."""
    if not environment.builds:
        return {}
    pins = place / "builds.txt"
    pins.write_text("\n".join(environment.builds) + "\n", encoding="utf-8")
    return {"PIP_CONSTRAINT": str(pins), "PIP_BUILD_CONSTRAINT": str(pins)}


def _last(said: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in said[-8:])
