"""PEtab problems under the simulator ``ode``, against the simulations that come with them.

    python tools/petab_conformance.py data/models/petab [--only Alkan_SciSignal2018,...]

Prints of every problem the greatest relative difference from its reference, |ours - theirs| over
the greater of |theirs| and a millionth of the observable's largest value, or the refusal.
Exits with 1 where one is refused, or farther than 1e-3 and its reference does not contradict the
problem (:data:`cellula.testing.petab_reference.CONTRADICTED`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from cellula.core import registry
from cellula.core.errors import CellulaError
from cellula.core.run import RunContext, run_context
from cellula.io.petab import Petab
from cellula.models.mechanistic.petab_likelihood import negative_log_likelihood
from cellula.models.mechanistic.petab_simulation import petab_simulation
from cellula.testing.petab_reference import (
    CONTRADICTED,
    problem_file,
    reference_file,
    relative_difference,
)

ENOUGH = 1e-3


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="names of problems, with commas")
    parser.add_argument("--engine", default="ode", help="name of a simulator")
    given = parser.parse_args()
    chosen = set(filter(None, given.only.split(",")))
    folders = [f for f in sorted(given.folder.iterdir()) if not chosen or f.name in chosen]
    with TemporaryDirectory() as scratch:
        run = run_context(0, Path(scratch))
        verdicts = [_told(folder, given.engine, run) for folder in folders]
    print(f"\n{len(folders)} problems:", end=" ")
    words = (
        "equal",
        "different",
        "refused",
        "without reference",
        "contradicted by its own reference",
    )
    print(", ".join(f"{verdicts.count(word)} {word}" for word in words))
    return int(any(word in verdicts for word in ("different", "refused")))


def _told(folder: Path, engine: str, run: RunContext) -> str:
    """Print a line of a problem; equal, different, refused or without reference."""
    began = time.perf_counter()
    try:
        problem = Petab().read(problem_file(folder))
        options = {"rtol": 1e-8, "atol": 1e-14} if engine == "ode" else {}
        simulator = registry.create("simulator", engine, options)
        table = petab_simulation(problem, simulator, run)
        likelihood = f"{negative_log_likelihood(problem, table):14.4f}"
    except CellulaError as error:
        print(f"{folder.name:38s} refused   {' '.join(str(error).split())[:400]}", flush=True)
        return "refused"
    seconds = time.perf_counter() - began
    reference = reference_file(folder)
    if reference is None:
        print(f"{folder.name:38s} no reference      {likelihood}  {seconds:6.1f} s", flush=True)
        return "without reference"
    try:
        found, where = relative_difference(table, reference)
    except CellulaError as error:
        print(f"{folder.name:38s} refused   {error}", flush=True)
        return "refused"
    print(f"{folder.name:38s} {found:9.2e} {likelihood}  {seconds:6.1f} s  {where}", flush=True)
    if found <= ENOUGH:
        return "equal"
    if folder.name not in CONTRADICTED:
        return "different"
    print(f"{'':38s} {CONTRADICTED[folder.name]}", flush=True)
    return "contradicted by its own reference"


if __name__ == "__main__":
    sys.exit(main())
