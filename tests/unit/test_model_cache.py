"""Models that were prepared before: the same numbers, whatever became of their files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import EngineError
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.formats import read
from cellula.models.mechanistic import model_cache
from cellula.models.mechanistic.model_cache import MAGIC, TYPES, ModelCache, default_folder
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.prepared import Prepared, prepared
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.stored_values import from_bytes, to_bytes
from cellula.testing.sbml_suite import cases
from cellula.testing.simulator import decay

sbml = pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")
TIMES = np.linspace(0.0, 4.0, 5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "decay.xml").write_text(sbml.sbml_text(decay()))
    return tmp_path / "decay.xml"


def entry(cache: ModelCache) -> Path:
    (found,) = cache.folder.glob("*.model")
    return found


def course(made: Prepared, tmp_path: Path) -> bytes:
    ode, run = Ode(SolverOptions()), run_context(0, tmp_path)  # type: ignore[call-arg]
    cells = ParameterTable(("k",), np.array([[0.3], [0.9]]))
    ready = ode.with_equations(made)
    return ready.simulate(made.system.network, cells, Schedule(), TIMES, run).values.tobytes()


@pytest.mark.requirement("K9")
def test_a_model_from_the_cache_has_the_same_course(model: Path, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "cache")
    first, made = cache.read(model)
    again, kept = cache.read(model)
    assert first == again == read(model)
    assert made is not None
    assert kept is not None
    assert kept is not made
    assert kept.system.network is again
    assert course(kept, tmp_path) == course(made, tmp_path)


def test_what_is_in_the_cache_is_not_prepared(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ModelCache(tmp_path / "cache")
    cache.read(model)
    monkeypatch.setattr(model_cache, "read", None)
    monkeypatch.setattr(model_cache, "prepared", None)
    assert cache.read(model)[1] is not None
    model.write_bytes(model.read_bytes() + b"\n")
    with pytest.raises(TypeError):
        cache.read(model)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_damaged_entry_is_made_anew(model: Path, tmp_path: Path, share: float) -> None:
    cache = ModelCache(tmp_path / "cache")
    cache.read(model)
    place = entry(cache)
    whole = place.read_bytes()
    place.write_bytes(whole[: int(share * len(whole))])
    assert cache.read(model)[1] is not None
    assert place.read_bytes() == whole
    place.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert cache.read(model)[1] is not None
    assert place.read_bytes() == whole


@pytest.mark.parametrize(
    "content", [b"", b"\x02" + bytes(7) + b"{}", to_bytes((1.0, "a"), ()), to_bytes(decay(), TYPES)]
)
def test_an_entry_that_is_something_else_is_made_anew(
    model: Path, tmp_path: Path, content: bytes
) -> None:
    cache = ModelCache(tmp_path / "cache")
    cache.read(model)
    place = entry(cache)
    whole = place.read_bytes()
    place.write_bytes(MAGIC + hashlib.sha256(content).digest() + content)
    assert cache.read(model)[1] is not None
    assert place.read_bytes() == whole


def test_a_cache_that_cannot_be_written_stops_nobody(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert ModelCache(tmp_path / "file").read(model)[1] is not None


def test_what_takes_in_other_files_is_read_anew(model: Path, tmp_path: Path) -> None:
    model.write_bytes(model.read_bytes() + b"<!-- xlink:href -->")
    cache = ModelCache(tmp_path / "cache")
    assert cache.read(model) == (read(model), None)
    assert not cache.folder.exists()


def test_the_longest_unused_goes_first(model: Path, tmp_path: Path) -> None:
    whole = ModelCache(tmp_path / "cache")
    whole.read(model)
    first = entry(whole)
    os.utime(first, (1.0, 1.0))
    small = ModelCache(whole.folder, limit=first.stat().st_size + 1)
    model.write_bytes(model.read_bytes() + b"\n")
    small.read(model)
    assert not first.exists()
    assert entry(whole).exists()


def test_a_model_without_equations_is_read(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: object) -> Prepared:
        raise EngineError("a fast reaction")

    monkeypatch.setattr(model_cache, "prepared", refuses)
    assert ModelCache(tmp_path / "cache").read(model) == (read(model), None)


def test_the_folder_is_the_users() -> None:
    assert default_folder().parts[-2:] == ("cellula", "models")


def test_only_known_classes_are_stored() -> None:
    @dataclass(frozen=True)
    class Other:
        x: float

    with pytest.raises(TypeError, match="Other"):
        to_bytes(Other(1.0), TYPES)


@pytest.mark.requirement("K9")
def test_every_kind_of_model_comes_back(data_dir: Path) -> None:
    """Events, delays, algebraic rules, functions, initial assignments ...: the suite's."""
    archive = data_dir / "models" / "sbml_suite_semantic.zip"
    every = [one for one in cases(archive) if one.is_time_course and "FastReaction" not in one.tags]
    chosen = every[::60]
    for case in chosen:
        made = prepared(sbml.network_of(case.text))
        stored = to_bytes(made, TYPES)
        again = from_bytes(stored, TYPES)
        assert again.system.network == made.system.network, case.number
        assert again.system == made.system, case.number
        assert to_bytes(again, TYPES) == stored, case.number
        assert again.problem.local.operations.flags.writeable
    assert len(chosen) > 10
