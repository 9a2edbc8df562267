"""The flux balance cases of the SBML Test Suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.io.sbml import Sbml
from cellula.models.mechanistic.flux_balance import flux_balance
from cellula.testing.sbml_suite import Case, cases

#: Bounds that an initial assignment gives, which the reader refuses by name.
REFUSED = {"01617", "01619"}


def answered(case: Case, folder: Path) -> dict[str, float] | None:
    """Fluxes and the objective by name; None where the reader refuses the bounds."""
    path = folder / f"{case.number}.xml"
    path.write_text(case.text, encoding="utf-8")
    try:
        network = Sbml().read(path)
    except DataError as error:
        if case.number in REFUSED and "flux bound" in str(error):
            return None
        raise
    found = flux_balance(network)
    active = network.flux.active if network.flux else ""
    return {**found.values, active: found.objective}


@pytest.mark.data
@pytest.mark.requirement("S3")
def test_flux_balance_cases(data_dir: Path, tmp_path: Path) -> None:
    n_passed = 0
    for case in cases(data_dir / "models" / "sbml_suite_semantic.zip"):
        told = None if case.is_time_course else answered(case, tmp_path)
        if told is None:
            continue
        for name, expected in zip(case.variables, case.results[0], strict=True):
            tolerance = {"abs": case.absolute, "rel": case.relative}
            assert told[name] == pytest.approx(expected, **tolerance, nan_ok=True), (
                case.number,
                name,
            )
        n_passed += 1
    assert n_passed >= 14
