"""Attacks on the presets of challenges: none raises a score, or a caution stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.evaluation.presets.anchors import Anchors, anchors, beside
from cellula.evaluation.presets.definition import Outcome
from cellula.evaluation.presets.discrimination import middle_rank
from cellula.evaluation.presets.evaluate import PRESETS, evaluate_preset

CONTROL = "non-targeting"
GENES, TARGETS, CELLS, CONTROLS = 160, 24, 40, 200
LABELS = np.repeat([CONTROL, *(f"g{k:03}" for k in range(TARGETS))], [CONTROLS] + [CELLS] * TARGETS)
PAIR = {"perturbation": "target", "control": CONTROL}


def cells(counts: np.ndarray, labels: np.ndarray = LABELS) -> AnnData:
    obs = pd.DataFrame({"target": labels.astype(str)})
    obs.index = obs.index.astype(str)
    genes = pd.DataFrame(index=[f"g{k:03}" for k in range(counts.shape[1])])
    return AnnData(sp.csr_matrix(counts.astype(np.float32)), obs, genes)


def rates() -> np.ndarray:
    """Expected counts of every group: 30 genes change, the target falls to a tenth."""
    rng = np.random.default_rng(11)
    table = np.repeat(np.exp(rng.normal(1.0, 1.0, GENES))[None], TARGETS + 1, axis=0)
    for row in range(1, TARGETS + 1):
        changed = rng.choice(np.arange(TARGETS, GENES), 30, replace=False)
        table[row, changed] *= np.exp(rng.normal(0, 0.8, 30))
        table[row, row - 1] *= 0.1
    return table


def draw(table: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean = np.repeat(table, [CONTROLS] + [CELLS] * TARGETS, axis=0)
    return rng.poisson(mean * np.exp(rng.normal(0, 0.3, (len(mean), 1))))


@dataclass(frozen=True, slots=True)
class World:
    real: AnnData
    table: np.ndarray
    anchors: Mapping[str, Anchors]
    run: RunContext

    def judged(self, preset: str, answer: AnnData) -> tuple[Outcome, pd.DataFrame]:
        outcome = evaluate_preset(preset, self.real, answer, run=self.run, **PAIR)
        found = beside(outcome, self.anchors[preset], self.run)
        return outcome, found.set_index(found["metric"].str.partition("@")[0])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    run = run_context(0, tmp_path_factory.mktemp("scratch"))
    table = rates()
    real = cells(draw(table, 1))
    found = {name: anchors(name, real, run=run, **PAIR) for name in PRESETS}
    return World(real, table, found, run)


def weak(table: np.ndarray) -> np.ndarray:
    """An honest but poor prediction: a third of every effect, and noise."""
    rng = np.random.default_rng(3)
    noise = np.exp(rng.normal(0, 0.25, table.shape))
    return table[0] * (table / table[0]) ** 0.33 * noise


def perturbed(counts: np.ndarray) -> AnnData:
    """A submission without controls."""
    kept = LABELS != CONTROL
    return cells(counts[kept], LABELS[kept])


def flat(table: np.ndarray) -> np.ndarray:
    """Every cell of a group the same."""
    return np.repeat(np.rint(table), [CONTROLS] + [CELLS] * TARGETS, axis=0)


def pasted(world: World) -> np.ndarray:
    """The same controls as the cells of every perturbation."""
    real = world.real.X.toarray()
    return np.vstack([real[:CONTROLS], *[real[:CELLS]] * TARGETS])


def spiked(world: World) -> np.ndarray:
    """Controls with counts added to the targets of all other perturbations."""
    counts = pasted(world)
    for row in range(TARGETS):
        others = [k for k in range(TARGETS) if k != row]
        block = slice(CONTROLS + row * CELLS, CONTROLS + (row + 1) * CELLS)
        counts[block, others] += 20
    return counts


def scaled_controls(world: World) -> AnnData:
    """The honest prediction with controls of its own that are moved."""
    counts = draw(weak(world.table), 4).astype(float)
    factor = np.where(np.arange(GENES) % 2, 3.0, 0.3)
    counts[:CONTROLS] = np.rint(counts[:CONTROLS] * factor)
    return cells(counts)


ATTACKS: dict[str, Callable[[World], AnnData]] = {
    "tripled": lambda w: perturbed(draw(w.table[0] * (weak(w.table) / w.table[0]) ** 3, 4)),
    "no spread": lambda w: perturbed(flat(weak(w.table))),
    "tiled": lambda w: perturbed(
        np.repeat(draw(weak(w.table), 4)[::CELLS], CELLS, axis=0)[: len(LABELS)]
    ),
    "own controls": scaled_controls,
}
TRIVIAL: dict[str, Callable[[World], AnnData]] = {
    "constant": lambda w: perturbed(flat(np.repeat(w.table[:1], TARGETS + 1, axis=0))),
    "mean": lambda w: perturbed(flat(np.repeat(w.table[1:].mean(0)[None], TARGETS + 1, axis=0))),
    "pasted": lambda w: perturbed(pasted(w)),
    "spiked": lambda w: perturbed(spiked(w)),
}
PRESET_NAMES = ("vcc2025", "vcc2026")


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("preset", PRESET_NAMES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gains_nothing_or_is_told(world: World, preset: str, attack: str) -> None:
    _, honest = world.judged(preset, perturbed(draw(weak(world.table), 4)))
    outcome, found = world.judged(preset, ATTACKS[attack](world))
    gained = (found["anchored"] - honest["anchored"]).max()
    assert gained <= 0.01 or outcome.cautions


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("preset", PRESET_NAMES)
@pytest.mark.parametrize("trivial", TRIVIAL)
def test_a_trivial_answer_earns_nothing_or_is_told(world: World, preset: str, trivial: str) -> None:
    outcome, found = world.judged(preset, TRIVIAL[trivial](world))
    assert found.loc["overall", "upper"] <= 0.05
    assert found["anchored"].max() <= 0.05 or outcome.cautions


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_an_honest_prediction_needs_no_caution(world: World, preset: str) -> None:
    for table, seed in ((world.table, 9), (weak(world.table), 4)):
        assert world.judged(preset, perturbed(draw(table, seed)))[0].cautions == ()


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_a_replicate_reaches_one(world: World, preset: str) -> None:
    _, found = world.judged(preset, perturbed(draw(world.table, 9)))
    assert found["anchored"].min() > 0.95
    half = beside(world.anchors[preset].replicate, world.anchors[preset], world.run)
    np.testing.assert_allclose(half["anchored"], 1.0)


def test_the_published_definition_can_be_gamed_and_says_so(world: World) -> None:
    """Tripled effects win pds_l1 of 2025, and moved controls des: the cautions are needed."""
    _, honest = world.judged("vcc2025", perturbed(draw(weak(world.table), 4)))
    outcome, found = world.judged("vcc2025", ATTACKS["tripled"](world))
    assert found.loc["pds_l1", "value"] > honest.loc["pds_l1", "value"]
    assert any("times as large" in caution for caution in outcome.cautions)
    outcome, _ = world.judged("vcc2025", scaled_controls(world))
    assert any("its own controls" in caution for caution in outcome.cautions)


def test_2026_never_looks_at_the_controls_of_a_submission(world: World) -> None:
    honest, _ = world.judged("vcc2026", perturbed(draw(weak(world.table), 4)))
    moved, _ = world.judged("vcc2026", scaled_controls(world))
    pd.testing.assert_frame_equal(honest.table(), moved.table())


def test_panel_targets_win_no_discrimination(world: World) -> None:
    outcome, _ = world.judged("vcc2026", perturbed(spiked(world)))
    assert outcome.column("pds_cosine").value == 0.5


def test_names_decide_no_tie(world: World) -> None:
    """A prediction of no effect ranks in the middle, whatever a perturbation is called."""
    pool = world.real.X.toarray()[:CONTROLS]
    labels = np.repeat(np.unique(LABELS), CONTROLS)
    outcome, _ = world.judged("vcc2026", cells(np.vstack([pool] * (TARGETS + 1)), labels))
    np.testing.assert_allclose(outcome.column("pds_cosine").numerator, 0.5)
    np.testing.assert_allclose(middle_rank(np.ones((5, 5))), 2.0)


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_values_that_are_not_finite_are_refused(world: World, preset: str) -> None:
    answer = perturbed(draw(world.table, 9))
    answer.X.data[7] = np.nan
    with pytest.raises(DataError, match="cell 0 holds a value that is not finite"):
        evaluate_preset(preset, world.real, answer, run=world.run, **PAIR)


def test_what_does_not_fit_is_named(world: World) -> None:
    answer = perturbed(draw(world.table, 9))
    cases = [
        (answer[answer.obs["target"] != "g003"], "lacks 1 perturbation"),
        (answer[:, :-1], "lacks 1 gene"),
        (cells(draw(world.table, 9) + 0.5), "no counts"),
        (cells(-draw(world.table, 9)), "no counts"),
    ]
    for case, words in cases:
        with pytest.raises(DataError, match=words):
            evaluate_preset("vcc2026", world.real, case, run=world.run, **PAIR)
    with pytest.raises(DataError, match="there is no preset 'vcc'; there are vcc2025, vcc2026"):
        evaluate_preset("vcc", world.real, answer, run=world.run, **PAIR)
    with pytest.raises(DataError, match="no obs column 'drug'"):
        evaluate_preset(
            "vcc2026", world.real, answer, perturbation="drug", control="x", run=world.run
        )
    with pytest.raises(DataError, match="no control cells"):
        evaluate_preset(
            "vcc2026", world.real, answer, perturbation="target", control="x", run=world.run
        )


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_order_and_threads_change_no_number(world: World, preset: str, tmp_path: Path) -> None:
    answer = perturbed(draw(weak(world.table), 4))
    once = evaluate_preset(preset, world.real, answer, run=world.run, **PAIR).table()
    turned = answer[:, answer.var_names[::-1]]
    again = evaluate_preset(
        preset, world.real, turned, run=run_context(5, tmp_path, threads=3), **PAIR
    ).table()
    pd.testing.assert_frame_equal(once, again)
    assert list(once) == ["perturbation", "metric", "value", "reason"]
    summary = evaluate_preset(preset, world.real, answer, run=world.run, **PAIR).summary()
    assert (summary["reason"] == "").all()


def test_an_experiment_without_effects_gives_reasons(world: World) -> None:
    """Labels at random: no gene is significant, and no metric makes a number of that."""
    rng = np.random.default_rng(6)
    flat_table = np.repeat(world.table[:1], TARGETS + 1, axis=0)
    real, answer = (cells(draw(flat_table, seed)) for seed in (21, 22))
    real.obs["target"] = answer.obs["target"] = rng.permutation(LABELS)
    outcome = evaluate_preset("vcc2026", real, answer, run=world.run, **PAIR)
    told = {
        "direction_fidelity": "no gene is significant",
        "direction_reach": "the experiment has no significant gene",
        "lfc_nmae": "the experiment has fewer than 10 significant genes",
    }
    for name, reason in told.items():
        column = outcome.column(name)
        silent = np.isnan(column.numerator)
        assert silent.mean() > 0.5
        assert set(column.reasons[silent]) == {reason}
        assert set(column.reasons[~silent]) <= {""}
    assert np.isnan(outcome.column("lfc_nmae").numerator).all()
    assert (outcome.column("sig_jaccard").numerator[silent] == 1.0).mean() > 0.5
    summary = outcome.summary().set_index("metric")
    assert summary.loc["lfc_nmae@1", "reason"] == told["lfc_nmae"]
    found = anchors("vcc2026", real, run=world.run, **PAIR)
    row = beside(outcome, found, world.run).set_index("metric").loc["direction_reach@1"]
    assert np.isnan(row["anchored"])
    assert row["reason"]
