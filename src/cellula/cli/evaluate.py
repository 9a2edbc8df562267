"""``cellula evaluate``: predicted beside real profiles, every number in its context."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cellula.cli.fit import EXPLORATORY
from cellula.cli.pairs import pairs, repeated_pairs
from cellula.cli.scheduler import connected
from cellula.cli.terminal import TerminalProgress, print_json, say

if TYPE_CHECKING:
    from cellula.validation.evaluating import Asked, Evaluated

__all__ = ["evaluate"]


def evaluate(
    real: Annotated[Path, typer.Option("--real", help="Real profiles, controls among them.")],
    pred: Annotated[
        Path, typer.Option("--pred", help="Predicted profiles: cells, or one row a question.")
    ],
    roles: Annotated[
        str, typer.Option("--roles", help="perturbation=COLUMN,control=...,context=COLUMN,...")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for tables and report.html.")],
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="full; a task: perturbation, drug_response, time_course, integration, generation; "
            "or the rules of a challenge: vcc2025, vcc2026.",
        ),
    ] = "full",
    pred_roles: Annotated[
        str | None,
        typer.Option("--pred-roles", help="Columns of the predictions (default: as --roles)."),
    ] = None,
    value_type: Annotated[
        str, typer.Option("--value-type", help="What the numbers are: log1p, counts, ...")
    ] = "log1p",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value of the real rows to keep; may be repeated."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Name of a metric; may be repeated (default: all)."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Role of the unit of replication.")
    ] = None,
    gene_sets: Annotated[
        Path | None, typer.Option("--gene-sets", help="GMT file of sets, such as pathways.")
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="How often folds and halves are drawn.")
    ] = 1,
    dose_unit: Annotated[str | None, typer.Option("--dose-unit", help="M, uM, nM, ...")] = None,
    time_unit: Annotated[str | None, typer.Option("--time-unit", help="s, min, h, d.")] = None,
    format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Of the tables.")
    ] = "csv",
    no_embedding: Annotated[
        bool, typer.Option("--no-embedding", help="No UMAP and t-SNE in the report.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory", min=0, help="GB that may be used (default: most of what is free)."
        ),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(
            "--scratch", exists=True, file_okay=False, help="Folder for what exceeds the memory."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="tcp://... of a Dask scheduler; shares --scratch."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace tables and report.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions beside the best trivial answer and a replicate of the real cells."""
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from cellula.core.run import run_context
    from cellula.report.evaluation import render_evaluation
    from cellula.validation.evaluating import Asked, evaluate_files
    from cellula.validation.evaluation_folder import require_free, write_evaluation

    require_free(out, is_replaced=force)
    asked = Asked(
        real=real,
        predicted=pred,
        columns=pairs(roles, "--roles"),
        predicted_columns=None if pred_roles is None else pairs(pred_roles, "--pred-roles"),
        value_type=value_type,
        where=repeated_pairs(where or (), "--where"),
        dose_unit=dose_unit,
        time_unit=time_unit,
        unit=unit,
        metrics=tuple(metric or ()),
        preset=preset,
        has_embedding=not no_embedding,
        gene_sets=gene_sets,
        repeats=repeats,
        memory_gb=memory,
    )
    began = _clocks()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=scratch)))
        cluster = stack.enter_context(connected(scheduler))
        run = run_context(
            seed, folder, threads=threads, progress=TerminalProgress(), cluster=cluster
        )
        found = evaluate_files(asked, run)
    page = render_evaluation(found, _command(asked, seed))
    cost = _cost(began)
    paths = write_evaluation(found, page, cost, out, format)
    if as_json:
        print_json(_told(found, cost, paths))
        return
    _print(found, cost, paths)


def _clocks() -> tuple[float, float]:
    from time import perf_counter, process_time

    return process_time(), perf_counter()


def _cost(began: tuple[float, float]) -> dict[str, float]:
    """CPU and wall seconds since ``began``, and the most memory that the process held."""
    from cellula.kernels.memory import peak_bytes

    cpu, wall = (now - then for now, then in zip(_clocks(), began, strict=True))
    return {"cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "peak_bytes": peak_bytes()}


def _command(asked: Asked, seed: int) -> str:
    """The command line with bare names of files: where they lay is nobody else's business."""
    from cellula.evaluation.presets.evaluate import PRESETS

    words = ["cellula", "evaluate", "--real", asked.real.name, "--pred", asked.predicted.name]
    words += ["--roles", _joined(asked.columns)]
    if asked.predicted_columns is not None:
        words += ["--pred-roles", _joined(asked.predicted_columns)]
    given = {
        "--preset": asked.preset,
        "--value-type": None if asked.preset in PRESETS else str(asked.value_type),
        "--unit": asked.unit,
        "--gene-sets": None if asked.gene_sets is None else asked.gene_sets.name,
        "--repeats": None if asked.repeats == 1 else str(asked.repeats),
        "--dose-unit": asked.dose_unit,
        "--time-unit": asked.time_unit,
        "--seed": str(seed),
    }
    words += [word for name, value in given.items() if value for word in (name, value)]
    for name, values in asked.where.items():
        words += [word for value in values for word in ("--where", f"{name}={value}")]
    words += [word for name in asked.metrics for word in ("--metric", name)]
    words += [] if asked.has_embedding else ["--no-embedding"]
    return shlex.join([*words, "--out", "scored"])


def _joined(columns: Any) -> str:
    return ",".join(f"{role}={column}" for role, column in columns.items())


def _told(found: Evaluated, cost: dict[str, float], paths: tuple[Path, ...]) -> dict[str, Any]:
    return {
        "out": [str(path) for path in paths],
        "tier": "T0",
        "preset": found.setting.preset,
        "unit": found.setting.unit,
        "n_units": found.setting.n_units,
        "inputs": found.setting.inputs,
        "cost": cost,
        "cautions": found.cautions,
        "summary": found.tables["summary"].to_dict("records"),
    }


def _print(found: Evaluated, cost: dict[str, float], paths: tuple[Path, ...]) -> None:
    from cellula.core.numerals import duration, size

    say(f"{found.setting.preset}, intervals over the {found.setting.unit}")
    say(f"{'metric':34}{'value':>9}{'baseline':>10}{'ceiling':>9}{'anchored':>10}  its interval")
    for row in found.of_the_model.to_dict("records"):
        say(_line(row))
    for caution in found.cautions:
        say(f"caution  {caution}")
    for path in paths:
        say(f"wrote    {path}")
    say(f"took     {duration(cost['cpu_s'])} of CPU, at most {size(cost['peak_bytes'])} of memory")
    say(EXPLORATORY)


def _line(row: dict[Any, Any]) -> str:
    """A metric of the prediction between its baseline and its ceiling."""
    lower, upper = (row[f"anchored_{side}"] for side in ("lower", "upper"))
    numbers = f"{row['value']:9.3g}{row['b']:10.3g}{row['r']:9.3g}{row['anchored']:10.3g}"
    told = row.get("context"), row["reason"] or row.get("anchored_reason")
    name = f"{row['metric']} {told[0] or ''}"
    interval = "" if lower != lower else f"{lower:.3g} to {upper:.3g}"
    return f"{name:34}{numbers}  {interval}  {told[1] or ''}".rstrip()
