"""Importing costs nothing that was not asked for, and every module is what it says."""

from __future__ import annotations

import ast
import contextlib
import importlib
import pkgutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

import cellula
from cellula.core import registry
from cellula.core.errors import MissingExtra

PREFIX = "cellula."
#: Packages of engines that are no part of what tests install -> their extra.
APART = {"scvi": "scvi"}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cellula.__path__, PREFIX)
    if not module.name.endswith("__main__")
)


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_cellula_loads_nothing_else() -> None:
    loaded = loaded_by("import cellula")
    heavy = {"numpy", "pandas", "anndata", "pydantic", "scipy", "torch", "typer", "rich"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith(PREFIX)}


def test_core_loads_no_plotting_and_no_models() -> None:
    names = ", ".join(name for name in MODULES if name.startswith("cellula.core."))
    loaded = loaded_by(f"import {names}")
    heavy = {"matplotlib.pyplot", "scanpy", "sklearn", "torch", "numba", "mudata", "sqlalchemy"}
    assert not loaded & heavy
    above = {name for name in loaded if name.startswith(PREFIX)} - {"cellula.core"}
    assert not {name for name in above if not name.startswith("cellula.core.")}


def test_listing_plugins_imports_none() -> None:
    kinds = "[registry.names(kind) for kind in registry.KINDS]"
    loaded = loaded_by(f"from cellula.core import registry\n{kinds}")
    assert not {name for name in loaded if name.startswith("cellula.models")}


def imported(name: str) -> ModuleType:
    """A module; a skip with its reason where it needs an engine that is not here."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = APART.get(str(error.name))
        if extra is None or not name.startswith("cellula.engines."):
            raise
        pytest.skip(f"{name} needs the extra {extra}")


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_and_exports_what_it_says(name: str) -> None:
    module = imported(name)
    assert module.__doc__, f"{name} says nothing about itself"
    exported = list(getattr(module, "__all__", ()))
    assert len(exported) == len(set(exported)), f"{name}: __all__ names something twice"
    missing = [item for item in exported if not hasattr(module, item)]
    assert not missing, f"{name}: __all__ names {missing}, which it does not have"
    private = [item for item in exported if item.startswith("_")]
    assert not private, f"{name}: __all__ names {private}, which are private"
    is_package = hasattr(module, "__path__")
    assert is_package or exported, f"{name} has no __all__"


@pytest.mark.parametrize("name", MODULES)
def test_it_takes_from_others_only_what_they_export(name: str) -> None:
    source = Path(str(imported(name).__file__)).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            giver = importlib.import_module(str(node.module))
            if hasattr(giver, "__path__"):
                continue
            hidden = {alias.name for alias in node.names} - set(giver.__all__)
            assert not hidden, f"{name} imports {sorted(hidden)}, not in {node.module}.__all__"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_builtin_plugin_loads(kind: str) -> None:
    for name in registry.names(kind):
        with contextlib.suppress(MissingExtra):
            registry.load(kind, name)


def test_the_command_line_starts(capsys: pytest.CaptureFixture[str]) -> None:
    command = Path(sys.executable).with_name("cellula")
    start = time.perf_counter()
    result = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    with capsys.disabled():
        print(f"\ncellula --help: {seconds:.2f} s (aim 0.6 s)")
    assert result.returncode == 0, result.stderr
