"""An experiment on a decay, and an archive of it: a course, a scan, a report and a plot."""

from __future__ import annotations

from dataclasses import replace

from cellula.core.combine_archive import (
    ArchiveDescription,
    ArchiveEntry,
    CombineArchive,
    Creator,
)
from cellula.core.experiment import (
    Algorithm,
    Curve,
    DataGenerator,
    DataSet,
    Experiment,
    ExperimentModel,
    ModelChange,
    OneStep,
    Plot2D,
    RepeatedTask,
    ReportTable,
    SetValue,
    SteadyState,
    SubTask,
    Target,
    Task,
    TaskRange,
    UniformTimeCourse,
    Variable,
)
from cellula.core.expression import Number, Symbol, apply
from cellula.io.omex import format_uri
from cellula.io.sbml import sbml_text
from cellula.io.sedml import sedml_text
from cellula.testing.simulator import decay

__all__ = ["ORCID", "A", "K", "decay_archive", "decay_experiment", "replaced"]

ORCID = "https://orcid.org/0000-0002-1825-0097"

A, K = Target("A", "species"), Target("k", "parameter")
CVODE = Algorithm("KISAO:0000019", {"KISAO:0000209": "1e-08", "KISAO:0000211": "1e-10"})


def seen(id: str, task: str, target: Target | None) -> DataGenerator:
    return DataGenerator(id, Symbol("v"), {"v": Variable(target, task)}, name=f"the {id}")


def decay_experiment(source: str = "decay.xml") -> Experiment:
    """``decay`` of the test kit with k = 0.7: A(t) = 2 exp(-k t)."""
    start = Target("A", "species", "initialConcentration")
    models = (
        ExperimentModel("m", source, "urn:sedml:language:sbml"),
        ExperimentModel(
            "more",
            "#m",
            "urn:sedml:language:sbml",
            (
                ModelChange(start, Number(6.0)),
                ModelChange(
                    Target("k", "parameter", "value"),
                    apply("divide", Symbol("old"), 2),
                    {"old": Variable(K, model="more")},
                ),
            ),
        ),
    )
    simulations = (
        UniformTimeCourse("course", CVODE, 0.0, 0.0, 4.0, 8),
        UniformTimeCourse("late", CVODE, 0.0, 2.0, 4.0, 2),
        OneStep("step", Algorithm("KISAO:0000033"), 0.5),
        SteadyState("end", Algorithm("KISAO:0000407")),
    )
    scan = SetValue("m", K, apply("times", Symbol("x"), 0.1), {})
    dose = SetValue("m", A, apply("plus", Symbol("now"), 1), {"now": Variable(A, model="m")})
    tasks = (
        Task("one", "m", "course"),
        Task("changed", "more", "late"),
        Task("stepped", "m", "step"),
        Task("settled", "m", "end"),
        RepeatedTask(
            "scan", "x", (TaskRange("x", (1.0, 3.0, 7.0)),), (scan,), (SubTask("one", 1),)
        ),
        RepeatedTask(
            "doses",
            "i",
            (TaskRange("i", (0.0, 1.0, 2.0)),),
            (dose,),
            (SubTask("stepped", 1),),
            False,
        ),
    )
    generators = (
        seen("time", "one", None),
        seen("A", "one", A),
        seen("A_changed", "changed", A),
        seen("A_step", "stepped", A),
        seen("A_settled", "settled", A),
        seen("scan_time", "scan", None),
        seen("A_scan", "scan", A),
        seen("dose_time", "doses", None),
        seen("A_doses", "doses", A),
        DataGenerator(
            "lost",
            apply("minus", 1, apply("divide", Symbol("a"), Symbol("all"))),
            {"a": Variable(A, "one"), "all": Variable(Target("k", "parameter"), "one")},
        ),
    )
    report = ReportTable("told", (DataSet("time", "time"), DataSet("A", "A")), "What is told")
    scanned = ReportTable("scanned", (DataSet("time", "scan_time"), DataSet("A", "A_scan")))
    plot = Plot2D(
        "drawn",
        (Curve("time", "A"), Curve("scan_time", "A_scan", "over k")),
        "A decay",
        False,
        True,
    )
    return Experiment("decay", models, simulations, tasks, generators, (report, scanned), (plot,))


def decay_archive() -> CombineArchive:
    """A model, an experiment on it and a picture of nothing."""
    model, experiment = sbml_text(decay()).encode(), sedml_text(decay_experiment()).encode()
    described = ArchiveDescription(
        "A decay & what it shows",
        (Creator("Josiah Carberry", ORCID), Creator("A. N. Other")),
        "https://creativecommons.org/publicdomain/zero/1.0/",
        "2026-11-23T07:00:00Z",
    )
    files = {"decay.xml": model, "e/run.sedml": experiment, "e/picture.svg": b"<svg/>"}
    return CombineArchive(
        "decay",
        tuple(
            ArchiveEntry(name, format_uri(name, data), data, name == "e/run.sedml")
            for name, data in files.items()
        ),
        described,
    )


def replaced(archive: CombineArchive, place: int, data: bytes) -> CombineArchive:
    """The archive with other bytes in one of its files."""
    entries = list(archive.entries)
    entries[place] = replace(entries[place], data=data)
    return replace(archive, entries=tuple(entries))
