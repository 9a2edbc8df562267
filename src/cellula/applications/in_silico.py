"""A perturbation done in silico: what it makes of a population, gene by gene and set by set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.comparison import GeneSets
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Fitted
from cellula.core.numerals import plural
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.report import Report
from cellula.core.run import RunContext

__all__ = ["InSilico", "run"]

Floats = NDArray[np.float64]

#: A population of fewer cells is told as a caution.
FEW_CELLS = 10


@dataclass(frozen=True, slots=True)
class InSilico:
    """What was predicted, and what it says.

    prediction: one question, with cells where the model predicts them. report: the tables ``genes``
    and, where sets were given, ``gene_sets``, ranked.
    """

    prediction: Prediction
    report: Report


def run(
    fitted: Fitted,
    query: QueryTable,
    population: Dataset,
    run: RunContext,
    gene_sets: GeneSets | None = None,
) -> InSilico:
    """One perturbation, of any kind that the model was fitted on, of one population of cells.

    query: one question; population: the control cells, whose context is that of the question.
    A change is predicted less control mean, in units of the values. Genes are ranked by change
    over half the interval's width where there is an interval, else by change. A set's change is
    the mean of its genes'; its interval joins theirs as if all erred together, so it is wide.
    ``is_clear``: the interval does not hold 0. Raises DataError where there is not one question,
    or no cell of its context.
    """
    if len(query) != 1:
        raise DataError(f"{len(query)} questions; one perturbation is done at a time")
    context = str(query.context[0])
    rows = np.asarray(population.queries().context, object) == context
    if not rows.any():
        known = ", ".join(map(str, population.queries().context.categories[:5]))
        raise DataError(
            f"the population has no cell of the context {context!r} (it has: {known}); name one of "
            "these, or give the cells of that context"
        )
    (prediction,) = fitted.predict(query, population, run)
    control = population.dense(np.flatnonzero(rows)).mean(axis=0)
    genes = _genes(prediction, control)
    tables = {"genes": _ranked(genes)}
    if gene_sets is not None:
        tables["gene_sets"] = _ranked(_sets(genes, gene_sets))
    cautions = _cautions(prediction, int(rows.sum()))
    return InSilico(prediction, _report(prediction, tables, cautions, int(rows.sum())))


def _genes(prediction: Prediction, control: Floats) -> pd.DataFrame:
    """One row a readout in its order."""
    table = pd.DataFrame({"gene": list(prediction.readouts), "control": control})
    table["predicted"] = prediction.mean[0]
    table["change"] = prediction.mean[0] - control
    if prediction.lower is not None and prediction.upper is not None:
        table["lower"] = prediction.lower[0] - control
        table["upper"] = prediction.upper[0] - control
    else:
        table["lower"], table["upper"] = np.nan, np.nan
    return table


def _sets(genes: pd.DataFrame, gene_sets: GeneSets) -> pd.DataFrame:
    """One row a set: the mean of its genes, bounds included."""
    members = gene_sets.members.astype(np.float64)
    size = members.sum(axis=1)
    table = pd.DataFrame({"set": list(gene_sets.names), "n_genes": size.astype(np.int64)})
    for name in ("change", "lower", "upper"):
        sums = (members * np.nan_to_num(genes[name].to_numpy(np.float64))).sum(axis=1)
        whole = np.isfinite(genes[name]).all()
        table[name] = sums / np.maximum(size, 1.0) if whole else np.nan
    return table


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The strongest first; ties in their order."""
    half = (table["upper"] - table["lower"]).to_numpy(np.float64) / 2.0
    change = table["change"].to_numpy(np.float64)
    least = np.nanmean(half) * 0.01 if np.isfinite(half).any() else 1.0
    strength = np.abs(change) / np.where(np.isfinite(half), half + max(least, 1e-12), 1.0)
    found = table.assign(
        strength=strength, is_clear=((table["lower"] > 0) | (table["upper"] < 0)).to_numpy(bool)
    )
    found = found.iloc[np.argsort(-strength, kind="stable")].reset_index(drop=True)
    found.insert(0, "rank", np.arange(1, len(found) + 1))
    return found


def _cautions(prediction: Prediction, n_cells: int) -> tuple[str, ...]:
    told = []
    if not prediction.in_domain[0]:
        told.append(
            "the question is out of the model's domain: perturbation, context, dose or time lie "
            "beyond what it was fitted on, so the ranks may mean nothing"
        )
    if prediction.lower is None:
        told.append(
            "the model gives no interval, so genes are ranked by their change alone; fit it with "
            "--intervals adaptive_conformal to see what is clear"
        )
    if n_cells < FEW_CELLS:
        told.append(
            f"{plural(n_cells, 'control profile')}: fewer than {FEW_CELLS} are samples, "
            "no population"
        )
    return tuple(told)


def _report(
    prediction: Prediction, tables: dict[str, pd.DataFrame], cautions: tuple[str, ...], n_cells: int
) -> Report:
    query, genes = prediction.queries, tables["genes"]
    name, context = str(query.perturbation[0]), str(query.context[0])
    n_clear = int(genes["is_clear"].sum())
    first = ", ".join(genes["gene"].head(3))
    clear = (
        f"{n_clear} of {plural(len(genes), 'gene')} change clearly"
        if prediction.lower is not None
        else f"{plural(len(genes), 'gene')}, none with an interval"
    )
    predicted = 0 if prediction.cells is None else int(prediction.cells.values.shape[0])
    return Report(
        title=f"{name} in {context}",
        answer=f"{clear}; the strongest: {first}.",
        numbers={
            "perturbation": name,
            "context": context,
            "is_in_domain": bool(prediction.in_domain[0]),
            "n_controls": n_cells,
            "n_predicted_cells": predicted,
            "n_clear": n_clear,
        },
        tables=tables,
        cautions=cautions,
    )
