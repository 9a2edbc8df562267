"""A sample of the SBML Test Suite; tools/sbml_conformance.py runs all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.run import RunContext
from cellula.testing.sbml_suite import Case, cases, judged

sbml = pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")

ARCHIVE = Path("models") / "sbml_suite_semantic.zip"
SAMPLE = 150
#: What is refused by design; anything else has to pass.
REFUSED = ({"FastReaction", "CSymbolDelay"}, {"comp:ExternalModelDefinition"})
#: Thousands of events: in the tool, not here.
SLOW = {"RandomEventExecution"}


def sample(archive: Path) -> list[Case]:
    """Evenly over the suite, so that every kind of case is in it."""
    quick = [c for c in cases(archive) if c.is_time_course and not SLOW.intersection(c.tags)]
    return quick[:: len(quick) // SAMPLE][:SAMPLE]


@pytest.mark.requirement("K9", "S2")
def test_sample_of_the_suite(data_dir: Path, run: RunContext) -> None:
    simulator = registry.create("simulator", "ode", {})
    chosen = sample(data_dir / ARCHIVE)
    outcomes = [judged(case, sbml.network_of, simulator, run) for case in chosen]
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    assert len(outcomes) == SAMPLE
    assert verdicts["wrong"] == 0, [o for o in outcomes if o.verdict == "wrong"]
    for outcome in outcomes:
        if outcome.verdict == "refused":
            tags = set(outcome.case.tags)
            assert any(kind <= tags for kind in REFUSED), (outcome.case.number, outcome.reason)
    assert verdicts["passed"] >= 0.95 * SAMPLE


def test_wrong_numbers_are_found(data_dir: Path, run: RunContext) -> None:
    """The judge itself: a reference moved beyond its tolerance does not pass."""
    from dataclasses import replace

    simulator = registry.create("simulator", "ode", {})
    case = next(iter(cases(data_dir / ARCHIVE)))
    assert judged(case, sbml.network_of, simulator, run).verdict == "passed"
    moved = replace(case, results=case.results * (1 + 3 * case.relative) + 3 * case.absolute)
    assert judged(moved, sbml.network_of, simulator, run).verdict == "wrong"
    assert (
        judged(replace(case, text="<sbml/>"), sbml.network_of, simulator, run).verdict == "refused"
    )
