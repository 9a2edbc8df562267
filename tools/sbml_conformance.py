"""The SBML Test Suite under the simulator ``ode``: every failure with its reason, and totals.

    python tools/sbml_conformance.py data/models/sbml_suite_semantic.zip [--only 00001,00003]

Exits with 1 where fewer than 95 % of the time courses pass.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from cellula.core import registry
from cellula.core.run import run_context
from cellula.io.sbml import network_of
from cellula.testing.sbml_suite import Case, Outcome, cases, judged

ENOUGH = 0.95


def main() -> int:
    """Judge the suite and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--only", default="", help="numbers of cases, with commas")
    parser.add_argument("--engine", default="ode", help="name of a simulator")
    given = parser.parse_args()
    chosen = set(filter(None, given.only.split(",")))
    began = time.perf_counter()
    suite = [c for c in cases(given.archive) if not chosen or c.number in chosen]
    courses = [case for case in suite if case.is_time_course]
    outcomes = list(_outcomes(courses, given.engine))
    _print_failures(outcomes)
    _print_tags(outcomes)
    totals = Counter(outcome.verdict for outcome in outcomes)
    share = totals["passed"] / max(len(outcomes), 1)
    print(f"\n{len(outcomes)} time courses in {time.perf_counter() - began:.0f} s:", end=" ")
    print(", ".join(f"{totals[verdict]} {verdict}" for verdict in ("passed", "refused", "wrong")))
    print(f"{share:.1%} pass; {len(suite) - len(courses)} cases of flux balance are not run here")
    return int(share < ENOUGH)


def _outcomes(courses: Iterable[Case], engine: str) -> Iterable[Outcome]:
    simulator = registry.create("simulator", engine, {})
    with TemporaryDirectory() as scratch:
        run = run_context(0, Path(scratch))
        for case in courses:
            yield judged(case, network_of, simulator, run)


def _print_failures(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.verdict != "passed":
            reason = " ".join(outcome.reason.split())
            print(f"{outcome.case.number}  {outcome.verdict:8s} {reason[:240]}")


def _print_tags(outcomes: Iterable[Outcome]) -> None:
    passed: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for outcome in outcomes:
        all_of.update(set(outcome.case.tags))
        if outcome.verdict == "passed":
            passed.update(set(outcome.case.tags))
    print(f"\n{'tag':34s} passed  of")
    for tag, count in sorted(all_of.items()):
        print(f"{tag:34s} {passed[tag]:6d} {count:4d}")


if __name__ == "__main__":
    sys.exit(main())
