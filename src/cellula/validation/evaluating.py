"""Evaluating files without a study: exploratory, for nothing was registered."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from cellula.core import registry
from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset
from cellula.core.errors import StudyError
from cellula.core.metric import MetricDefinition
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, SilentProgress
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.effects import Effects, effects
from cellula.evaluation.embedding import Embedding, embed
from cellula.evaluation.gene_sets import match_gene_sets
from cellula.evaluation.interval_strata import interval_strata, strata_labels
from cellula.evaluation.panel import MODEL, evaluate
from cellula.evaluation.panels import FULL, PANELS, metrics_of
from cellula.evaluation.presets.evaluate import PRESETS, preset_of
from cellula.evaluation.risk_coverage import Doubt
from cellula.evaluation.sides import Side, Sides, sides_of
from cellula.evaluation.uncertainty.abstention import group_doubt
from cellula.io.digest import hash_source
from cellula.io.formats import read
from cellula.validation.exploratory import Declared, profiles_source
from cellula.validation.judging import judge
from cellula.validation.streaming import open_pair

__all__ = ["Asked", "Evaluated", "Pictures", "Setting", "evaluate_files"]

#: The packages whose version may move a number or a point.
PACKAGES = ("cellula", "numpy", "scipy", "pandas", "scikit-learn", "umap-learn", "numba")


@dataclass(frozen=True, slots=True)
class Asked:
    """Two files and what their columns are; predicted_columns None: those of the real file.

    preset: ``full``, a task whose panel is taken, or a challenge. gene_sets: a GMT file. repeats:
    how often folds and halves are drawn. memory_gb: what the process may take, None for most of
    what is free.
    """

    real: Path
    predicted: Path
    columns: Mapping[str, str]
    predicted_columns: Mapping[str, str] | None = None
    value_type: str = ValueType.LOG1P
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dose_unit: str | None = None
    time_unit: str | None = None
    unit: str | None = None
    metrics: tuple[str, ...] = ()
    preset: str = FULL
    has_embedding: bool = True
    gene_sets: Path | None = None
    repeats: int = 1
    memory_gb: float | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What was evaluated and with what: enough to do it again.

    real, predicted: names of the files; inputs: SHA-256 of each. n_cells: real controls, real
    treated, predicted profiles. has_replicate: whether the ceiling is one half of the real cells.
    """

    preset: str
    real: str
    predicted: str
    inputs: Mapping[str, str]
    versions: Mapping[str, str]
    n_cells: tuple[int, int, int]
    n_readouts: int
    unit: str
    n_units: int
    has_replicate: bool
    value_type: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """What there is to look at besides numbers, or why not: ``no_effects``, ``no_embedding``."""

    effects: tuple[Effects, ...]
    no_effects: str
    embedding: Embedding | None
    no_embedding: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation found.

    tables: ``scores``, a row a perturbation, context and metric; ``summary``, a row a metric of
    the prediction with its interval, baseline ``b``, ceiling ``r`` and anchored score (of the full
    panel, a row a contestant and metric); where there are such ``strata``, a row a metric and
    stratum, ``risk``, a row a share of questions answered, and ``intervals``, a row a stratum.
    cautions: what to read beside; definitions: of the metrics, by ``name@version``; doubts: what
    declining answers gains, where the prediction carries intervals.
    """

    tables: Mapping[str, pd.DataFrame]
    setting: Setting
    pictures: Pictures
    definitions: Mapping[str, MetricDefinition]
    cautions: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def scores(self) -> pd.DataFrame:
        """The rows of the prediction by perturbation, context and metric."""
        return _of_the_model(self.tables["scores"])

    @property
    def of_the_model(self) -> pd.DataFrame:
        """The summary of the prediction alone."""
        return _of_the_model(self.tables["summary"])

    @property
    def strata(self) -> pd.DataFrame | None:
        """The scores of the prediction within strata, None where they were not made."""
        table = self.tables.get("strata")
        return None if table is None else _of_the_model(table)


def _of_the_model(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["model"] == MODEL] if "model" in table else table


def evaluate_files(asked: Asked, run: RunContext) -> Evaluated:
    """A file of predictions beside a file of real profiles.

    Raises StudyError or DataError naming file, column and remedy.
    """
    if asked.preset in PRESETS:
        return _challenge(asked, run)
    if asked.preset not in (FULL, *PANELS):
        known = ", ".join((FULL, *PANELS, *PRESETS))
        raise StudyError(f"there is no preset {asked.preset!r}; there are {known}")
    return _panel(asked, run)


def _panel(asked: Asked, run: RunContext) -> Evaluated:
    real, predicted = _opened(asked, run)
    answers = [replace(part, value_type=real.value_type) for part in as_predictions(predicted)]
    panel = evaluate(
        real,
        answers,
        run,
        unit=asked.unit,
        metrics=asked.metrics or metrics_of(asked.preset),
        repeats=asked.repeats,
        gene_sets=_gene_sets(asked, real.readouts, run),
    )
    sides = _sides(real, predicted)
    setting = _setting(asked, sides, real.value_type)
    beside = _with_intervals(real, answers, panel.unit)
    doubts = _doubts(beside, run)
    held = _held(beside, run)
    names = [str(name).partition("@")[0] for name in panel.scores["metric"].unique()]
    known = [registry.load("metric", name)().definition for name in names]
    return Evaluated(
        tables={
            "scores": panel.scores,
            "summary": panel.summary,
            "strata": panel.strata,
            "paired": panel.paired,
            **({"spread": panel.spread} if len(panel.spread) else {}),
            **({"risk": doubts[0].curve.frame()} if doubts else {}),
            **({"intervals": held} if len(held) else {}),
        },
        setting=replace(
            setting,
            unit=panel.unit,
            n_units=panel.n_units,
            has_replicate=panel.has_replicate,
        ),
        pictures=_pictures(asked, sides, run),
        definitions={one.id: one for one in known},
        doubts=doubts,
    )


def _with_intervals(real: Dataset, answers: Sequence[Prediction], unit: str) -> Comparison | None:
    """Real beside predicted groups where the prediction carries intervals, else None."""
    if any(part.lower is None for part in answers) or not real.has_role(unit):
        return None
    return compare(real.treated, answers, controls=None, unit=unit)


def _doubts(found: Comparison | None, run: RunContext) -> tuple[Doubt, ...]:
    """How well the predicted interval orders the errors; () where there is none."""
    if found is None:
        return ()
    told = Doubt.of("interval", found, group_doubt(found, None), run.child("risk").rng)
    return (told,)


def _held(found: Comparison | None, run: RunContext) -> pd.DataFrame:
    """How often the intervals hold, a row a stratum; empty where there are none."""
    if found is None:
        return pd.DataFrame()
    rows = interval_strata(found, strata_labels(found), run.child("held").rng)
    return pd.DataFrame([asdict(row) for row in rows])


def _gene_sets(asked: Asked, readouts: tuple[str, ...], run: RunContext) -> GeneSets | None:
    if asked.gene_sets is None:
        return None
    table = read(asked.gene_sets)
    if not isinstance(table, pd.DataFrame):
        raise StudyError(f"{asked.gene_sets.name} holds no gene sets; give a GMT file")
    found = match_gene_sets(table, readouts)
    run.progress.say(found.describe())
    return found.sets


def _opened(asked: Asked, run: RunContext) -> tuple[Dataset, Dataset]:
    """Real and predicted profiles; of the predicted ones all numbers are taken as they are."""
    declared = Declared(
        asked.real,
        asked.columns,
        asked.value_type,
        asked.where,
        dose_unit=asked.dose_unit,
        time_unit=asked.time_unit,
    )
    given = asked.predicted_columns or asked.columns
    columns = {role: column for role, column in given.items() if role != "control"}
    # A prediction may leave the range of what can be measured; only measured values are checked.
    loose = replace(
        declared, path=asked.predicted, columns=columns, where={}, value_type=ValueType.QUANTITY
    )
    return open_pair(profiles_source(declared), profiles_source(loose), run, asked.memory_gb)


def _sides(real: Dataset, predicted: Dataset) -> Sides:
    own, told = (Side(part.obs, part.values, part.readouts) for part in (real, predicted))
    return sides_of(own, told, real.value_type)


def _challenge(asked: Asked, run: RunContext) -> Evaluated:
    """The rules of a challenge, context by context where the roles name one."""
    preset_of(asked.preset)
    _require_plain(asked)
    given = asked.predicted_columns or asked.columns
    found = judge(asked.preset, (asked.real, asked.predicted), asked.columns, given, run)
    return Evaluated(
        tables={"scores": found.scores, "summary": found.summary},
        setting=_setting(asked, found.sides, found.value_type),
        pictures=_pictures(asked, found.sides, run),
        definitions=found.definitions,
        cautions=found.cautions,
    )


def _require_plain(asked: Asked) -> None:
    """StudyError when something is asked that the rules of a challenge fix."""
    control = asked.columns.get("control", "")
    if "perturbation" not in asked.columns or not control or "=" in control:
        raise StudyError(
            f"{asked.preset} needs the roles perturbation=COLUMN and control=LABEL, the label of "
            "the controls in that column"
        )
    fixed = {"metrics": asked.metrics, "unit": asked.unit, "where": asked.where}
    given = [name for name, value in fixed.items() if value]
    if given:
        raise StudyError(f"{asked.preset} fixes {', '.join(given)}; leave them out, or use {FULL}")


def _setting(asked: Asked, sides: Sides, value_type: ValueType) -> Setting:
    """Files, hashes and versions; the unit is the perturbation, as in every challenge."""
    real, predicted = sides.n_cells
    paths = {"real": asked.real, "predicted": asked.predicted}
    packages = {name: version(name) for name in PACKAGES}
    return Setting(
        preset=asked.preset,
        real=asked.real.name,
        predicted=asked.predicted.name,
        inputs={side: hash_source(path) for side, path in paths.items()},
        versions={"python": platform.python_version(), **packages},
        n_cells=(int((sides.of_control >= 0).sum()), int(real.sum()), int(predicted.sum())),
        n_readouts=len(sides.readouts),
        unit="perturbation",
        n_units=int(sides.groups["perturbation"].nunique()),
        has_replicate=True,
        value_type=value_type.value,
    )


def _pictures(asked: Asked, sides: Sides, run: RunContext) -> Pictures:
    quiet = replace(run, progress=SilentProgress())
    changes, no_changes = effects(sides, quiet.child("effects"))
    points, no_points = None, "it was left out (--no-embedding)"
    if asked.has_embedding:
        points, no_points = embed(sides, run.child("embedding"))
    return Pictures(changes, no_changes, points, no_points)
