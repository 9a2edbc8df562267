"""The small values of the core: what they refuse and what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.expression import Symbol
from cellula.core.gate import FEEDBACK, Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.metric import Score, Terms
from cellula.core.model import Options
from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.perturbation import Perturbation, PerturbationKind, components
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.core.value_type import ValueType
from cellula.testing.comparisons import comparison
from cellula.testing.simulator import decay


# -- perturbations ------------------------------------------------------------------------------
def test_the_order_of_a_combination_does_not_matter() -> None:
    assert components("MAP2K6 + KLF1") == components("KLF1+MAP2K6") == ("KLF1", "MAP2K6")
    both = Perturbation(PerturbationKind.ACTIVATION, ("MAP2K6", "KLF1"))
    assert both.label == "KLF1+MAP2K6"


@pytest.mark.requirement("K8")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"targets": ()}, "at least one target"),
        ({"targets": ("",)}, "at least one target"),
        ({"dose_molar": (1e-6, 1e-6)}, "2 doses for 1 targets"),
        ({"dose_molar": (-1.0,)}, "negative or missing dose"),
        ({"dose_molar": (float("nan"),)}, "negative or missing dose"),
        ({"start_s": 5.0, "stop_s": 5.0}, "before it starts"),
    ],
)
def test_a_wrong_perturbation_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(Perturbation(PerturbationKind.COMPOUND, ("imatinib",)), **changed)


# -- gates --------------------------------------------------------------------------------------
@pytest.mark.requirement("L4", "L7", "L11")
@pytest.mark.parametrize("loop", list(Loop))
@pytest.mark.parametrize("feedback", list(Feedback))
def test_a_verdict_gives_only_the_feedback_of_its_loop(loop: Loop, feedback: Feedback) -> None:
    def verdict() -> Verdict:
        return Verdict("g", loop, Slot.DECISION, "claim", Outcome.FAILED, "why", feedback=feedback)

    if feedback in FEEDBACK[loop]:
        assert not verdict().has_passed
    else:
        with pytest.raises(DataError, match=f"is not of the {loop.value} loop; expected one of"):
            verdict()


def test_which_outcomes_let_a_study_go_on() -> None:
    passed = {
        outcome
        for outcome in Outcome
        if Verdict("g", Loop.INNER, Slot.EXIT, "c", outcome, "why").has_passed
    }
    assert passed == {Outcome.PASSED, Outcome.CONFIRMED}


def test_evidence_is_known_by_its_hash() -> None:
    one = Evidence("quality", "data", {"n": 3}, {"data": "0" * 64})
    assert one.hash == replace(one).hash
    assert one.hash != replace(one, payload={"n": 4}).hash
    assert one.hash != replace(one, inputs={"data": "1" * 64}).hash


# -- metrics ------------------------------------------------------------------------------------
def test_a_score_without_a_value_needs_a_reason() -> None:
    with pytest.raises(DataError, match="needs a reason"):
        Score("rmse@1", float("nan"))
    assert Score("rmse@1", float("nan"), "no cells").reason == "no cells"


def test_a_group_without_terms_needs_a_reason() -> None:
    values, stratum = np.array([[1.0], [np.nan]]), np.zeros(2, np.int64)
    with pytest.raises(DataError, match="group 1 has no value and no reason"):
        Terms(values, np.array(["", ""]), stratum)
    with pytest.raises(DataError, match="differ in length"):
        Terms(values, np.array([""]), stratum)
    assert Terms(values, np.array(["", "one cell"]), stratum).reasons[1] == "one cell"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"predicted": np.ones((1, 5))}, r"predicted has shape \(1, 5\); expected"),
        ({"reference": np.ones((40, 4))}, r"reference has shape \(40, 4\)"),
        ({"unit": np.zeros(3, np.int64)}, r"unit has shape \(3,\)"),
        ({"groups": comparison().groups[["context"]]}, "no column 'perturbation'"),
    ],
)
def test_a_comparison_that_is_not_aligned_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(comparison(), **changed)


# -- mechanistic models -------------------------------------------------------------------------
def test_a_network_refuses_repeated_and_unknown_ids() -> None:
    network = decay()
    with pytest.raises(DataError, match="id 'A' is used twice"):
        replace(network, parameters=(Parameter("A", 1.0),))
    stray = Reaction("r", (Participant("A"),), (Participant("C"),), Symbol("k"))
    with pytest.raises(DataError, match="'r' names 'C', which is no species of network 'decay'"):
        replace(network, reactions=(stray,))
    assert Network("empty", (Compartment("c"),), (Species("s", "c"),)).reactions == ()


def test_shapes_of_parameters_and_trajectories() -> None:
    with pytest.raises(DataError, match=r"expected \(cells, 2\)"):
        ParameterTable(("a", "b"), np.ones((3, 1)))
    table = ParameterTable(("a",), np.arange(5.0)[:, None])
    assert [len(part) for part in table.batches(2)] == [2, 2, 1]
    times = np.array([0.0, 1.0])
    with pytest.raises(DataError, match="2 times, 1 ids"):
        Trajectory(("a",), times, np.ones((3, 1, 1)))
    course = Trajectory(("a", "b"), times, np.arange(12.0).reshape(3, 2, 2))
    assert course.of("b").tolist() == [[1, 3], [5, 7], [9, 11]]
    with pytest.raises(DataError, match="no 'c' in the trajectory; it has a, b"):
        course.of("c")


def test_doses_come_in_the_order_of_their_times() -> None:
    with pytest.raises(DataError, match="not in the order"):
        Schedule((Dose(2.0, "A", 1.0), Dose(1.0, "A", 1.0)))


# -- options and value types --------------------------------------------------------------------
def test_options_are_strict_and_frozen() -> None:
    class Some(Options):
        alpha: float = 1.0

    with pytest.raises(ValidationError, match="Extra inputs"):
        Some(beta=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="finite"):
        Some(alpha=float("inf"))
    with pytest.raises(ValidationError, match="frozen"):
        Some().alpha = 2.0  # type: ignore[misc]


@pytest.mark.parametrize("value_type", list(ValueType))
def test_a_value_type_needs_a_control_or_has_a_meaning_alone(value_type: ValueType) -> None:
    relative = {ValueType.COUNTS, ValueType.LOG1P, ValueType.LOG2}
    assert value_type.is_absolute == (value_type not in relative)
