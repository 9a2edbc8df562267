"""Sections of an evaluation that are looked at: genes of three perturbations, cells in a plane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.core.numerals import count, number, percent, plural
from cellula.evaluation.effects import LEVEL, Agreement, Effects
from cellula.evaluation.embedding import CONTROL, Embedding
from cellula.evaluation.thirds import THIRDS
from cellula.report.blocks import Absent, Block, Cell, Column, Facts, Figure, Section, Table, Text
from cellula.report.effects import ChangePanel, effects_figure
from cellula.report.embedding import DotClass, DotPanel, embedding_figure
from cellula.validation.evaluating import Evaluated

__all__ = ["cells", "genes"]

#: So many contexts are named in an embedding.
MOST_CONTEXTS = 8


# -- genes ------------------------------------------------------------------------------------
def genes(found: Evaluated) -> Section:
    """Real against predicted changes of the largest, a middle and the smallest response."""
    title, short = "Do the same genes respond?", "Genes"
    shown = found.pictures.effects
    if not shown:
        told = f"No test of genes: {found.pictures.no_effects}."
        return Section("genes", title, short, (Absent(told),))
    what = "log₂ fold change" if shown[0].is_fold else "change of the mean"
    contexts = found.scores["context"].nunique()
    panels = [
        ChangePanel(
            title=_title(one, contexts),
            subtitle=f"{one.place} response",
            names=one.readouts,
            real=one.real,
            predicted=one.predicted,
            is_real=one.is_real,
            is_predicted=one.is_predicted,
        )
        for one in shown
    ]
    told = " ".join(_told(one) for one in shown)
    caption = (
        f"Every point is a gene: its {what} against the REAL controls, measured across, predicted "
        "up. A perfect prediction lies on the dashed line. Quiet genes beyond the frame are not "
        "drawn. " + " ".join(text for one in shown if (text := _nothing(one)))
    )
    blocks: tuple[Block, ...] = (
        effects_figure(panels, what, told, caption.strip(), has_test=shown[0].has_test),
        _numbers(shown),
        Text(_method(shown), is_soft=True),
    )
    return Section("genes", title, short, blocks)


def _title(one: Effects, contexts: int) -> str:
    return f"{one.perturbation} · {one.context}" if contexts > 1 else one.perturbation


def _told(one: Effects) -> str:
    found = one.agreement
    return (
        f"{one.perturbation} ({one.place} response): {count(int(one.is_real.sum()))} significant "
        f"in the real cells, {count(int(one.is_predicted.sum()))} in the prediction, "
        f"{count(found.n_both)} in both; Spearman {number(found.rank, 2)}."
    )


def _nothing(one: Effects) -> str:
    """What to make of a perturbation of which the real cells show nothing."""
    if one.is_real.any():
        return ""
    alarms = int(one.is_predicted.sum())
    false = f"; {count(alarms)} significant in the prediction alone" if alarms else ""
    return (
        f"{one.perturbation}: no gene is significant in the real cells, so there is none to "
        f"find{false}."
    )


def _numbers(shown: Sequence[Effects]) -> Table:
    columns = (
        Column("perturbation", hint="its real response", is_name=True),
        Column("cells", is_number=True, hint="real, predicted"),
        Column("real", is_number=True, hint="significant"),
        Column("predicted", is_number=True, hint="significant"),
        Column("both", is_number=True),
        Column("overlap", is_number=True, hint="both ÷ either"),
        Column("same direction", is_number=True, hint="of the real ones"),
        Column("Spearman", is_number=True, hint="all genes"),
    )
    return Table(columns, tuple(_number_row(one) for one in shown), is_stacked=True)


def _number_row(one: Effects) -> tuple[Cell, ...]:
    found, half = one.agreement, one.replicate
    return (
        Cell(one.perturbation, _place(one)),
        Cell(
            f"{count(one.n_cells[0])}, {count(one.n_cells[1])}", f"{count(one.n_cells[2])} controls"
        ),
        Cell(count(int(one.is_real.sum()))),
        Cell(count(int(one.is_predicted.sum())) if one.has_test else "no test"),
        Cell(count(found.n_both) if one.has_test else "–", _half(half, "n_both")),
        Cell(number(found.overlap, 2), _half(half, "overlap")),
        Cell(percent(found.same_sign, 0), _half(half, "same_sign")),
        Cell(number(found.rank, 2), _half(half, "rank")),
    )


def _place(one: Effects) -> str:
    where = f", {one.context}" if one.context not in ("", "all") else ""
    return f"{one.place}{where}"


def _half(half: Agreement | None, name: str) -> str:
    """The same number of two halves of the real cells."""
    if half is None:
        return ""
    value = float(getattr(half, name))
    if not math.isfinite(value) or (value < 0 and name == "n_both"):
        return ""
    text = (
        percent(value, 0) if name == "same_sign" else number(value, None if name == "n_both" else 2)
    )
    return f"halves {text}"


def _method(shown: Sequence[Effects]) -> str:
    left = [one.left_out for one in shown if one.left_out]
    own = f" The perturbed gene itself is left out ({', '.join(left)})." if left else ""
    return (
        f"Significant: rank sums of cells, adjusted p < {number(LEVEL, 2)} (Benjamini, Hochberg) "
        "within a perturbation; how many are found depends on how many cells there are. “halves”: "
        "the same number of one half of the real cells against the other, at half the depth: what "
        f"an experiment repeated at that depth would reach.{own}"
    )


# -- cells ------------------------------------------------------------------------------------
def cells(found: Evaluated) -> Section:
    """Real and predicted cells in two embeddings, with the numbers that they cannot replace."""
    title, short = "Do the cells look alike?", "Cells"
    drawn = found.pictures.embedding
    if drawn is None:
        told = f"No embedding: {found.pictures.no_embedding}."
        return Section("cells", title, short, (Absent(told),))
    controls, real, predicted = drawn.n_cells
    facts = Facts(
        (
            (
                "Two-sample AUROC",
                f"{number(drawn.auroc, 2)} (.5: a classifier cannot tell predicted from real "
                "cells; 1: it always can), all readouts, the drawn cells as one group",
            ),
            (
                "Mixing",
                f"{number(drawn.mixing, 2)} (1: neighbours are mixed as by chance; 0: apart), in "
                f"{count(drawn.n_components)} components of the real cells",
            ),
        )
    )
    note = Text(
        "An embedding is a picture and no evidence: distances and areas in it have no meaning, and "
        "a trivial answer can look right in it. The numbers stand beside it."
    )
    how = Text(
        f"{count(real)} real and {count(predicted)} predicted cells, as many of every perturbation "
        f"on either side, and {plural(controls, 'real control')}. Components are fitted on real "
        "cells; both sides are laid out together, because a map fitted on real cells alone would "
        "draw every predicted cell to its nearest real ones and hide what differs.",
        is_soft=True,
    )
    figures = [_figure(drawn, name) for name in drawn.points]
    return Section("cells", title, short, (note, facts, *figures, how))


def _figure(drawn: Embedding, method: str) -> Figure:
    points = drawn.points[method]
    is_real = ~drawn.is_predicted & (drawn.kind != CONTROL)
    both = DotPanel(
        f"{method}: both sides",
        (
            DotClass("real", 2, points[is_real], is_square=True),
            DotClass("predicted", 1, points[drawn.is_predicted]),
        ),
        _where(drawn, points, is_real),
    )
    panels = (
        both,
        DotPanel("real, by real response", _thirds(drawn, points, ~drawn.is_predicted)),
        DotPanel("predicted, by real response", _thirds(drawn, points, drawn.is_predicted)),
    )
    alternative = (
        f"{method} of {count(drawn.n_cells[1])} real, {count(drawn.n_cells[2])} predicted cells, "
        f"coloured by side and by the size of the real response. AUROC {number(drawn.auroc, 2)}, "
        f"mixing {number(drawn.mixing, 2)}."
    )
    caption = (
        f"{method}. Left: where one colour has a region to itself, the other side has no such "
        "cells. Middle and right: strong responses should stand apart from the controls, and in "
        "the same places on both sides."
    )
    return embedding_figure(panels, alternative, caption)


def _where(
    drawn: Embedding, points: NDArray[np.float64], is_real: NDArray[np.bool_]
) -> tuple[tuple[str, float, float], ...]:
    """The names of a few contexts, each amid its real cells."""
    if not 1 < len(drawn.contexts) <= MOST_CONTEXTS:
        return ()
    rows = [is_real & (drawn.context == code) for code in range(len(drawn.contexts))]
    middles = [np.median(points[chosen], axis=0) for chosen in rows if chosen.any()]
    names = [name for name, chosen in zip(drawn.contexts, rows, strict=True) if chosen.any()]
    return tuple((name, float(x), float(y)) for name, (x, y) in zip(names, middles, strict=True))


def _thirds(
    drawn: Embedding, points: NDArray[np.float64], side: NDArray[np.bool_]
) -> tuple[DotClass, ...]:
    """Controls first, then the thirds from small to large, of one side."""
    colours = {CONTROL: 4, 0: 2, 1: 3, 2: 1}
    names = {CONTROL: "controls", **dict(enumerate(THIRDS))}
    return tuple(
        DotClass(names[kind], colours[kind], points[chosen])
        for kind in colours
        if (chosen := side & (drawn.kind == kind)).any()
    )
