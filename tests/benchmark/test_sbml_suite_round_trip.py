"""Every model of the SBML Test Suite is read, or refused by name, and read back equal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import roadrunner

from cellula.core.errors import DataError
from cellula.io.sbml import network_of, sbml_ids, sbml_text

#: Models that are put together from files which the archive does not have.
ELSEWHERE = {"01165", "01167", "01471", "01473", "01475", "01477"}


def models(folder: Path) -> Iterator[tuple[str, str]]:
    with ZipFile(folder / "models/sbml_suite_semantic.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".xml"):
                yield name[:5], archive.read(name).decode()


@pytest.mark.data
@pytest.mark.requirement("S2")
def test_all_models(data_dir: Path) -> None:
    count = 0
    for case, text in models(data_dir):
        if case in ELSEWHERE:
            with pytest.raises(DataError, match=r"could not be resolved"):
                network_of(text)
            continue
        whole = network_of(text)
        again = sbml_text(whole)
        assert network_of(again) == whole, case
        assert sbml_text(whole) == again, case
        count += 1
    print(f"{count} models read back equal, {len(ELSEWHERE)} refused by name")


def course(text: str) -> tuple[list[str], np.ndarray]:
    engine = roadrunner.RoadRunner(text)
    engine.integrator.setValue("relative_tolerance", 1e-9)
    engine.integrator.setValue("absolute_tolerance", 1e-14)
    model = engine.model
    names = [*model.getFloatingSpeciesIds(), *model.getBoundarySpeciesIds()]
    engine.timeCourseSelections = ["time", *(f"[{name}]" for name in names)]
    return names, np.array(engine.simulate(0, 5, 11))


@pytest.mark.data
def test_roadrunner_simulates_what_we_wrote_the_same(data_dir: Path) -> None:
    """Every tenth model that roadrunner takes; species in the order of their ids."""
    compared, refused = 0, []
    for case, text in list(models(data_dir))[::10]:
        if case in ELSEWHERE:
            continue
        network = network_of(text)
        try:
            names, expected = course(text)
        except RuntimeError:
            refused.append(case)
            continue
        own, found = course(sbml_text(network))
        ids = sbml_ids(network)
        place = [own.index(ids.get(name, name)) + 1 for name in names]
        np.testing.assert_allclose(
            found[:, place], expected[:, 1:], rtol=1e-6, atol=1e-12, err_msg=case
        )
        compared += 1
    print(f"{compared} models compared, {len(refused)} refused by roadrunner: {refused}")
    assert compared > 50
