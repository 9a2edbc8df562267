"""PEtab problems from files, and every mistake in them named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import symbols
from cellula.core.petab import PetabProblem
from cellula.io.formats import read

pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")

from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay

YAML = """format_version: 1
parameter_file: parameters.tsv
problems:
- condition_files: [conditions.tsv]
  measurement_files: [measurements.tsv]
  observable_files: [observables.tsv]
  sbml_files: [model.xml]
"""
TABLES = {
    "parameters.tsv": (
        "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate\n"
        "k\tlog10\t0.01\t10\t0.5\t1\n"
        "scale\tlin\t0\t10\t2\t0\n"
    ),
    "conditions.tsv": "conditionId\tconditionName\tA\nhigh\tmuch\t8\nlow\tlittle\tstart\n",
    "observables.tsv": (
        "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\n"
        "y\tobservableParameter1_y * B\tnoiseParameter1_y\tlin\n"
        "a\tA + 1\t0.1 * a\tlog10\n"
    ),
    "measurements.tsv": (
        "observableId\tsimulationConditionId\tmeasurement\ttime\tobservableParameters\t"
        "noiseParameters\n"
        "y\thigh\t3\t1\tscale\t0.5\n"
        "y\tlow\t1.5\t2\t1\tscale\n"
        "a\thigh\t9\t0\n"
        "a\tlow\t1\tinf\n"
    ),
}


def made(folder: Path, changed: dict[str, tuple[str, str]] | None = None) -> Path:
    """A problem in a folder; changed: file -> what is replaced, and by what."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {**TABLES, "problem.yaml": YAML, "model.xml": sbml_text(decay())}
    files["parameters.tsv"] += "start\tlin\t0\t10\t4\t0\n"
    for name, (old, new) in (changed or {}).items():
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "problem.yaml"


def problem(path: Path) -> PetabProblem:
    found = read(path)
    assert isinstance(found, PetabProblem)
    return found


@pytest.mark.requirement("S2")
def test_a_problem_is_read(tmp_path: Path) -> None:
    found = problem(made(tmp_path))
    assert found.id == "problem"
    assert len(found) == 4
    assert found.nominal == {"k": 0.5, "scale": 2.0, "start": 4.0}
    k = found.parameters[0]
    assert (k.scale, k.lower, k.upper, k.is_estimated) == ("log10", 0.01, 10.0, True)
    assert found.conditions == {"high": {"A": 8.0}, "low": {"A": "start"}}
    y, a = found.observables
    assert symbols(y.formula) == ("observableParameter1_y", "B")
    assert (y.placeholders("observable"), y.placeholders("noise")) == (1, 1)
    assert (a.transformation, a.distribution) == ("log10", "normal")
    assert found.measurements["preequilibrationConditionId"].tolist() == [""] * 4
    assert found.measurements["time"].tolist() == [1.0, 2.0, 0.0, float("inf")]


def test_an_empty_field_of_a_condition_sets_nothing(tmp_path: Path) -> None:
    changed = {"conditions.tsv": ("high\tmuch\t8", "high\tmuch\tNaN")}
    assert problem(made(tmp_path, changed)).conditions["high"] == {}


FAULTS = {
    "version": ("problem.yaml", "version: 1", "version: 2.0.0", "PEtab version 1"),
    "file": ("problem.yaml", "[model.xml]", "[absent.xml]", "absent.xml"),
    "models": ("problem.yaml", "[model.xml]", "[model.xml, model.xml]", "2 models"),
    "problems": ("problem.yaml", "problems:", "tasks:", "one problem"),
    "nested": ("problem.yaml", "[model.xml]", "[" * 3000, "levels deep"),
    "no yaml": ("problem.yaml", "[model.xml]", "[model.xml", "no YAML"),
    "column": ("parameters.tsv", "estimate\n", "guess\n", "estimate"),
    "estimate": ("parameters.tsv", "0.5\t1\n", "0.5\tyes\n", "expected 0 or 1"),
    "scale": ("parameters.tsv", "k\tlog10", "k\tlog2", "parameterScale"),
    "number": ("parameters.tsv", "0.5\t1\n", "half\t1\n", "nominalValue is 'half'"),
    "twice": ("parameters.tsv", "scale\tlin", "k\tlin", "defined twice"),
    "ragged": ("parameters.tsv", "\t0.5\t1\n", "\t0.5\t1\t2\n", "row 1 has 7 fields"),
    "condition target": ("conditions.tsv", "Name\tA", "Name\tZ", "'Z'"),
    "condition value": ("conditions.tsv", "\t8", "\teight", "'eight'"),
    "condition twice": ("conditions.tsv", "low", "high", "there before"),
    "formula": ("observables.tsv", "A + 1", "A + ", "observableFormula"),
    "symbol": ("observables.tsv", "A + 1", "A + Z", "'Z'"),
    "distribution": ("observables.tsv", "log10\n", "log2\n", "observableTransformation"),
    "observable": ("measurements.tsv", "a\thigh", "b\thigh", "no observable"),
    "experiment": ("measurements.tsv", "a\thigh", "a\tmiddle", "no condition"),
    "no condition": ("measurements.tsv", "a\thigh", "a\t", "no condition"),
    "overrides": ("measurements.tsv", "1\tscale\t0.5", "1\tscale;2\t0.5", "gives 2 observable"),
    "no noise": ("measurements.tsv", "1\tscale\t0.5", "1\tscale\t", "gives 0 noise"),
    "override": ("measurements.tsv", "1\tscale\t0.5", "1\tscales\t0.5", "'scales'"),
    "time": ("measurements.tsv", "9\t0\n", "9\t-1\n", "-1"),
    "no time": ("measurements.tsv", "9\t0\n", "9\t\n", "nan"),
    "measurement": ("measurements.tsv", "9\t0\n", "nine\t0\n", "'nine'"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_mistake_is_named(fault: str, tmp_path: Path) -> None:
    file, old, new, words = FAULTS[fault]
    with pytest.raises(DataError, match=words):
        problem(made(tmp_path, {file: (old, new)}))
