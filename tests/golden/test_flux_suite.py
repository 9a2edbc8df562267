"""The flux balance cases of the SBML Test Suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.io.sbml import Sbml
from cellula.models.mechanistic.flux_balance import flux_balance
from cellula.testing.sbml_suite import Case, cases


def answered(case: Case, folder: Path) -> dict[str, float]:
    """Fluxes and the objective by name."""
    path = folder / f"{case.number}.xml"
    path.write_text(case.text, encoding="utf-8")
    network = Sbml().read(path)
    found = flux_balance(network)
    active = network.flux.active if network.flux else ""
    return {**found.values, active: found.objective}


@pytest.mark.data
@pytest.mark.requirement("S3")
def test_flux_balance_cases(data_dir: Path, tmp_path: Path) -> None:
    n_passed = 0
    for case in cases(data_dir / "models" / "sbml_suite_semantic.zip"):
        if case.is_time_course:
            continue
        told = answered(case, tmp_path)
        for name, expected in zip(case.variables, case.results[0], strict=True):
            tolerance = {"abs": case.absolute, "rel": case.relative}
            assert told[name] == pytest.approx(expected, **tolerance, nan_ok=True), (
                case.number,
                name,
            )
        n_passed += 1
    assert n_passed == 16
