"""The page of an evaluation without a study: offline, no script, equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Sequence

from cellula.core.numerals import estimate, plural
from cellula.evaluation.presets.evaluate import PRESETS
from cellula.report.blocks import (
    Banner,
    Block,
    Cell,
    Code,
    Column,
    Facts,
    Heading,
    Section,
    Standing,
    Status,
    Table,
    Text,
)
from cellula.report.evaluation_lines import OVERALL, Line, lines_of, verdict
from cellula.report.evaluation_pictures import cells, genes
from cellula.report.evaluation_ranks import perturbations
from cellula.report.evaluation_scores import standing
from cellula.report.evaluation_strata import strata
from cellula.report.held import held_table
from cellula.report.page import fill
from cellula.report.risk import risk_blocks
from cellula.report.words import value_words
from cellula.validation.evaluating import Evaluated

__all__ = ["render_evaluation"]

#: Fewer units of replication than this say little of others.
FEW_UNITS = 5
#: The level of the intervals of a prediction (:class:`cellula.core.prediction.Prediction`).
INTERVAL_LEVEL = 0.9


def render_evaluation(found: Evaluated, command: str) -> str:
    """The page; command: the command line that makes it again, with bare names of files."""
    lines = lines_of(found)
    parts = (
        _headline(found, lines),
        *_cautions(found),
        standing(found, lines),
        perturbations(found),
        strata(found),
        *_risk(found),
        genes(found),
        cells(found),
        _again(found, command),
    )
    content = {
        "title": f"How good is {found.setting.predicted}?",
        "preset": found.setting.preset,
        "sections": parts,
    }
    return fill("evaluation.html.j2", content)


def _headline(found: Evaluated, lines: Sequence[Line]) -> Section:
    setting = found.setting
    controls, real, predicted = setting.n_cells
    units = plural(setting.n_units, setting.unit)
    ceiling = "one half of the real cells" if setting.has_replicate else "the ideal value"
    overall = [one for one in lines if one.metric == OVERALL]
    scores = [
        (f"Overall, {one.context}", estimate(*one.anchored))
        for one in (overall if len(overall) > 1 else ())
    ]
    facts = (
        *scores,
        ("Prediction", f"`{setting.predicted}`: {plural(predicted, 'profile')}"),
        (
            "Measured",
            f"`{setting.real}`: {plural(real, 'treated profile')}, {plural(controls, 'control')}, "
            f"{plural(setting.n_readouts, 'readout')}, {value_words(setting.value_type)}",
        ),
        ("Intervals", f"95 %, resampled over {units}"),
        ("Ceiling", f"{ceiling}"),
    )
    tier = Standing(
        "Exploratory",
        "T0",
        "none",
        "no claim",
        "Nothing was registered before the measured cells were looked at, so no claim rests on "
        "this page. A study file says in advance what would convince.",
    )
    banner = Banner(_status(lines), verdict(lines), (tier,), facts)
    return Section("headline", "In one sentence", "In one sentence", (banner,))


def _status(lines: Sequence[Line]) -> Status:
    """The colour of the banner: worse than a trivial answer is told as such."""
    overall = [one.side for one in lines if one.metric == OVERALL] or [one.side for one in lines]
    return "fail" if overall and max(overall) < 0 else ""


def _cautions(found: Evaluated) -> tuple[Section, ...]:
    """What to know before any number is read; nothing where there is nothing."""
    told = list(found.cautions)
    setting = found.setting
    if setting.n_units < FEW_UNITS:
        told.append(
            f"{plural(setting.n_units, setting.unit)}: with fewer than {FEW_UNITS} units of "
            "replication intervals say little of other ones"
        )
    if not setting.has_replicate:
        told.append("no group has cells enough for two halves: the ceiling is the ideal value")
    if not told:
        return ()
    rows = tuple(
        (Cell(f"caution {place}", status="wait"), Cell(text)) for place, text in enumerate(told, 1)
    )
    table = Table((Column(""), Column("what to read beside the numbers")), rows, is_stacked=True)
    return (Section("cautions", "Cautions", "Cautions", (table,)),)


def _risk(found: Evaluated) -> tuple[Section, ...]:
    """Whether the prediction knows where it is wrong; nothing where it carries no interval."""
    if not found.doubts:
        return ()
    title = "Does the prediction know where it is wrong?"
    blocks: tuple[Block, ...] = risk_blocks(found.doubts)
    held = found.tables.get("intervals")
    if held is not None:
        told = {"level": INTERVAL_LEVEL, "unit": found.setting.unit}
        rows = [{str(key): row[key] for key in row} for row in held.to_dict("records")]
        blocks += (Heading("How often its intervals hold"), held_table(told, rows))
    return (Section("risk", title, "Doubt", blocks),)


def _again(found: Evaluated, command: str) -> Section:
    setting = found.setting
    versions = ", ".join(f"{name} {number}" for name, number in setting.versions.items())
    facts = Facts(
        (
            (f"SHA-256 of {setting.real}", f"`{setting.inputs['real']}`"),
            (f"SHA-256 of {setting.predicted}", f"`{setting.inputs['predicted']}`"),
            ("Versions", versions),
            (
                "Time and memory",
                "in `cost.json` beside this page: they differ from run to run, while page and "
                "tables have the same bytes for the same input, whatever the number of threads",
            ),
        )
    )
    blocks: tuple[Block, ...] = (Code((command,)), facts)
    if setting.preset not in PRESETS:
        blocks += (
            Text(
                "The trivial answers and the replicate are made from the measured cells; nothing "
                "is fitted on what is scored.",
                is_soft=True,
            ),
        )
    return Section("again", "How to make it again", "Make it again", blocks)
