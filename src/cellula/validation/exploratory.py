"""Work without a study: fit, ask and explain one model. Exploratory, tier T0: no claim rests on it.

Nothing is registered, held out or recorded; a study does that.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
from pydantic import ValidationError

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra, PluginError, StudyError
from cellula.core.model import Explaining, Fitted, Model
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.roles import NUMERIC_ROLES
from cellula.core.run import RunContext
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.splits import Fraction, split
from cellula.io.formats import read, reader_of
from cellula.io.presence import is_there
from cellula.validation.fitted_folder import FittedCard, IntervalCard, Tuning, without_intervals
from cellula.validation.mistakes import mistakes_of

__all__ = [
    "Declared",
    "Explanation",
    "about",
    "answer",
    "control_labels",
    "explain",
    "fit",
    "open_controls",
    "open_declared",
    "profiles_source",
    "require_controls",
    "tuning_of",
]

#: Draws the labels that tune; which seed a model is fitted with does not move them.
TUNING_SEED = 1
#: Readers of tables, whose readouts must be named.
TABLES = ("delimited", "parquet")

PACKAGES = ("cellula", "numpy", "scipy", "pandas")


@dataclass(frozen=True, slots=True)
class Declared:
    """Profiles as the command line declares them: a file and what its columns are.

    columns: role -> column; where: column -> the values of the rows that are kept; the
    features are files whose rows are contexts or perturbations.
    """

    path: Path
    columns: Mapping[str, str]
    value_type: str
    where: Mapping[str, tuple[str, ...]]
    format: str | None = None
    readouts: tuple[str, ...] = ()
    dose_unit: str | None = None
    time_unit: str | None = None
    context_features: tuple[Path, ...] = ()
    perturbation_features: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The strongest features of a row (a treatment or a readout), or of all rows on average.

    features: (name, value), the strongest first, in units of the prediction, for a feature that
    turns from absent to present or rises by one standard deviation; of all rows the mean of the
    absolute values.
    """

    model: str
    method: str
    row: str | None
    n_rows: int
    n_features: int
    features: tuple[tuple[str, float], ...]


def open_declared(declared: Declared) -> Dataset:
    """The dataset that was declared.

    The rows of a table of features are found by the column that bears the name of the profiles'
    column, or of the role, else by its first column. Raises StudyError listing every mistake of
    the declaration, DataError where the file is not what was declared.
    """
    sources = [profiles_source(declared)]
    for label in ("context", "perturbation"):
        for path in getattr(declared, f"{label}_features"):
            column = _label_column(path, label, declared.columns.get(label))
            role = f"{label}_features"
            sources.append(_source(path=str(path), role=role, columns={label: column}))
    return open_dataset(sources, Path())


def profiles_source(declared: Declared) -> DataSource:
    """The declared profiles as a study would declare them. Raises StudyError listing mistakes."""
    return _source(
        path=str(declared.path),
        role="profiles",
        format=declared.format,
        value_type=declared.value_type,
        columns=dict(declared.columns),
        where=dict(declared.where),
        readouts=declared.readouts,
        dose_unit=declared.dose_unit,
        time_unit=declared.time_unit,
    )


def _source(**declaration: Any) -> DataSource:
    try:
        return DataSource.model_validate(declaration)
    except ValidationError as error:
        mistakes = mistakes_of(error, declaration)
        raise StudyError(
            f"{declaration['path']} is declared with {len(mistakes)} mistake(s):", mistakes
        ) from error


def _label_column(path: Path, label: str, column: str | None) -> str:
    if not is_there(path):
        raise DataError(f"{path}: no such file; check the path of the {label} features")
    content = read(path)
    if isinstance(content, pd.DataFrame):
        names = [str(name) for name in content.columns]
    else:
        names = [str(name) for name in getattr(content, "obs", pd.DataFrame()).columns]
    if not names:
        raise DataError(f"{path.name} has no column of {label} labels; expected one row a {label}")
    return next((name for name in (column, label) if name in names), names[0])


def fit(
    name: str,
    options: Mapping[str, Any],
    data: Dataset,
    declared: Declared,
    run: RunContext,
    *,
    seed: int,
    tuning: Tuning | None = None,
) -> tuple[Fitted, FittedCard]:
    """A model fitted on all of the data, and its card.

    seed: the one that ``run`` was made from. tuning: the share of the labels that tunes the
    options first, as claims of that kind hold it out; None leaves the options as they stand.
    Raises StudyError on wrong options, DataError when the data lack what the model needs.
    """
    model: Model = registry.create("model", name, options)
    if tuning is None:
        fitted = model.fit(data, None, run)
    else:
        valid = split(data, tuning.kind, Fraction(fraction=tuning.share, seed=TUNING_SEED))[0].test
        others = np.setdiff1d(np.arange(data.n_profiles), valid)
        fitted = model.fit(data.take(others), data.take(valid), run)
    return fitted, _card(model, data, declared, seed, tuning)


def tuning_of(share: float, kind: str) -> Tuning:
    """The tuning that was asked for; StudyError on a share outside (0, 1) or an unknown kind."""
    try:
        return Tuning.model_validate({"share": share, "kind": kind})
    except ValidationError as error:
        raise StudyError(
            "the tuning is wrong:", mistakes_of(error, {"share": share, "kind": kind})
        ) from error


def _card(
    model: Model, data: Dataset, declared: Declared, seed: int, tuning: Tuning | None
) -> FittedCard:
    controls = data.controls
    contexts = () if controls is None else controls.queries().context.categories
    return FittedCard(
        model=model.name,
        options=model.options.model_dump(mode="json"),
        seed=seed,
        tuning=tuning,
        value_type=data.value_type,
        readouts=data.readouts,
        columns=dict(declared.columns),
        dose_unit=declared.dose_unit,
        time_unit=declared.time_unit,
        roles=data.roles,
        numbers={
            role: tuple(np.unique(data.role(role).to_numpy(np.float64)).tolist())
            for role in NUMERIC_ROLES
            if data.has_role(role)
        },
        n_profiles=data.n_profiles,
        n_controls=int(data.is_control.sum()),
        control_contexts=tuple(map(str, contexts)),
        data_digest=data.digest(),
        sources=_file_names(data.provenance.sources),
        license=data.provenance.license,
        citation=data.provenance.citation,
        references=model.references,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
    )


def _file_names(sources: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 by file name: where the files lay is nobody else's business."""
    names = [Path(path).name for path in sources]
    if len(set(names)) < len(names):
        names = [f"{number}:{name}" for number, name in enumerate(names, 1)]
    return dict(zip(names, sources.values(), strict=True))


def about(card: FittedCard, seed: int) -> dict[str, str]:
    """What a file of this model's predictions says of them."""
    return {
        "tier": card.tier,
        "status": card.status,
        "model": card.model,
        "state_sha256": card.state_sha256,
        "data_digest": card.data_digest,
        "seed": str(seed),
        "cellula": version("cellula"),
        **_intervals(card.intervals),
    }


def _intervals(told: IntervalCard | None) -> dict[str, str]:
    """What made the intervals, and at which level; nothing where nobody calibrated them."""
    if told is None or told.reason:
        return {}
    return {"intervals": told.method, "interval_level": str(told.options.get("level", ""))}


def control_labels(card: FittedCard) -> tuple[str, ...]:
    """What the training data may have called their controls in the column of perturbations."""
    declared = card.columns.get("control", "")
    column, _, value = declared.partition("=")
    own = (value,) if value and column == card.columns.get("perturbation") else ()
    return (declared, *own) if declared else ()


def open_controls(
    path: Path,
    card: FittedCard,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, tuple[str, ...]] | None = None,
) -> Dataset:
    """The control profiles of a file, with the readouts that the model was fitted on.

    columns: role -> column, None where they are those of the training data. Without the roles
    ``perturbation`` and ``control`` all profiles are controls. Raises DataError when a readout
    is missing or no profile is a control.
    """
    same = card.columns if columns is None else columns
    declared = Declared(
        path,
        same,
        card.value_type.value,
        where or {},
        readouts=card.readouts if reader_of(path).name in TABLES else (),
        dose_unit=card.dose_unit if "dose_molar" in same else None,
        time_unit=card.time_unit if "time_s" in same else None,
    )
    data = open_declared(declared)
    missing = [name for name in card.readouts if name not in set(data.readouts)]
    if missing:
        raise DataError(
            f"{path.name} lacks {len(missing)} of the {len(card.readouts)} readouts that the model "
            f"was fitted on: {', '.join(missing[:5])}; give controls measured on the same readouts"
        )
    if data.readouts != card.readouts:
        data = replace(data, data=data.data[:, list(card.readouts)].copy())
    if not data.has_role("is_control"):
        return data
    controls = data.controls
    if controls is None:
        raise DataError(f"{path.name}: none of the {data.n_profiles} profiles is a control")
    return controls


def answer(
    fitted: Fitted, card: FittedCard, queries: QueryTable, control: Dataset | None, run: RunContext
) -> Iterator[Prediction]:
    """The answers to the queries, in batches.

    Raises DataError at once, naming the contexts, where the model needs controls and neither
    ``control`` nor its training data hold any of a queried context.
    """
    require_controls(card, queries, control)
    return fitted.predict(queries, control, run)


def require_controls(card: FittedCard, queries: QueryTable, control: Dataset | None) -> None:
    """Raise DataError, naming the contexts, where a model that needs controls has none of one."""
    plugin = registry.load("model", card.model)
    if plugin.capabilities.needs_control and not card.value_type.is_absolute:
        known = set(card.control_contexts)
        if control is not None:
            known |= set(map(str, control.queries().context.categories))
        asked = queries.context.remove_unused_categories().categories
        lost = [str(name) for name in asked if str(name) not in known]
        if lost:
            raise DataError(
                f"the model {card.model!r} needs control profiles, and there are none of "
                f"{len(lost)} queried context(s): {', '.join(lost[:5])}; give a file that holds "
                f"them with --control (known: {', '.join(sorted(known)[:5]) or 'none'})"
            )


def explain(fitted: Fitted, card: FittedCard, row: str | None = None, top: int = 10) -> Explanation:
    """The strongest features of one row of the attribution, or of all rows on average.

    Raises DataError when the model cannot explain itself, naming those that can, or when it has
    no such row.
    """
    fitted = without_intervals(fitted, card)
    if not isinstance(fitted, Explaining):
        raise DataError(
            f"the model {card.model!r} cannot explain itself; fit one that can: "
            f"{', '.join(_explaining()) or 'none is installed'}"
        )
    told = fitted.attribute()
    if row is None:
        effect = np.abs(told.values).mean(axis=0)
    elif row in told.rows:
        effect = told.values[told.rows.index(row)]
    else:
        near = get_close_matches(row, told.rows, n=3) or told.rows[:5]
        raise DataError(
            f"the model {card.model!r} explains {len(told.rows)} rows, and none is {row!r}; there "
            f"are e.g. {', '.join(near)}"
        )
    order = np.argsort(-np.abs(effect), kind="stable")[:top]
    strongest = tuple((told.features[place], float(effect[place])) for place in order)
    return Explanation(card.model, told.method, row, len(told.rows), len(told.features), strongest)


def _explaining() -> Sequence[str]:
    """The models that restore something that explains itself, by their annotations."""
    found = []
    for name in registry.names("model"):
        try:
            restored = get_type_hints(registry.load("model", name).restore).get("return")
        except (PluginError, MissingExtra, NameError):
            continue
        kinds = get_args(restored) or (restored,)
        if any(hasattr(kind, "attribute") for kind in kinds):
            found.append(name)
    return found
