"""Cardiac cells paced for 20 beats: our solver and Myokit's CVODES, beat by beat.

``pytest -s`` prints the table: model | APD90 ours | myokit | difference | seconds of the processor.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.beats import Beats, beats_of
from cellula.models.mechanistic.pacing import (
    Pacing,
    Protocol,
    course_times,
    paced,
    protocol,
    schedule,
)

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.requirement("K9", "S2", "S3")]
NOBODY = ParameterTable((), np.zeros((1, 0)))
BEATS = 20
#: File -> the amplitude, where the file's own is none: Paci's divides A/F by farad once more.
MODELS: dict[str, float | None] = {
    "beeler_reuter_model_1977": None,
    "luo_rudy_1991": None,
    "ten_tusscher_model_2006_epi": None,
    "grandi_pasqualini_bers_2010_ss": None,
    "ohara_rudy_cipa_v1_2017": None,
    "ToRORd_dynCl_epi": None,
    "paci_hyttinen_aaltosetala_severi_ventricularVersion": 5.57182641826414,
    "hodgkin_huxley_squid_axon_model_1952_modified": None,
}


def timed(
    network: Network, given: Protocol, engine: str, options: dict[str, float], run: RunContext
) -> tuple[Beats, float, float]:
    """The beats, and the seconds of a first and of a second call."""
    simulator = registry.create("simulator", engine, options)
    asked = paced(network, given)
    seconds = []
    for _ in range(2):
        began = time.process_time()
        course = simulator.simulate(asked, NOBODY, schedule(given), course_times(given), run)
        seconds.append(time.process_time() - began)
    return beats_of(course, given), seconds[0], seconds[1]


@pytest.mark.parametrize("name", list(MODELS))
def test_beats_are_those_of_myokit(name: str, data_dir: Path, run: RunContext) -> None:
    path = data_dir / "models" / "cellml" / f"{name}.cellml"
    network: Network = registry.load("reader", "cellml")().read(path)
    given = protocol(network, Pacing(beats=BEATS, amplitude=MODELS[name]))
    ours, our_first, our_second = timed(network, given, "ode", {}, run)
    try:
        theirs, their_first, their_second = timed(network, given, "myokit", {}, run)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    apart = np.abs(ours.apd90 / theirs.apd90 - 1)
    print(
        f"\n{name} | {ours.apd90[0, -1]:.4f} | {theirs.apd90[0, -1]:.4f} | "
        f"{100 * np.nanmax(apart):.1e} % over {np.isfinite(apart).sum()} beats | "
        f"{our_first:.2f}, again {our_second:.2f} | {their_first:.2f}, again {their_second:.2f}"
    )
    assert np.isfinite(apart).any(), ours.reasons
    assert np.array_equal(np.isfinite(ours.apd90), np.isfinite(theirs.apd90))
    assert np.nanmax(apart) < 1e-3
    np.testing.assert_allclose(ours.peak, theirs.peak, rtol=1e-3)
    np.testing.assert_allclose(ours.rest, theirs.rest, rtol=1e-3)
