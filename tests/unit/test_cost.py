"""Size and time of a fit."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellula.core.model import State
from cellula.validation.cost import Cost, Meter, n_parameters


def fitted() -> Any:
    state = State({"slope": np.zeros((3, 4)), "offset": np.zeros(4)}, {"name": "toy"})
    return SimpleNamespace(state=lambda: state)


@pytest.mark.requirement("E8")
def test_the_numbers_of_the_state_are_counted() -> None:
    assert n_parameters(fitted()) == 16


@pytest.mark.requirement("E8")
def test_waiting_is_time_and_no_work() -> None:
    meter = Meter()
    time.sleep(0.05)
    cost = meter.cost(fitted())
    assert cost.seconds >= 0.05
    assert cost.cpu_seconds < cost.seconds
    assert cost.n_parameters == 16
    assert cost.peak_bytes > 1e6


def test_a_line_tells_all_of_it() -> None:
    said = Cost(1234, 2.0, 3.5, 250_000_000).words.replace("\u202f", " ")
    assert said == "1,234 parameters; 2.0 s, 3.5 s of processor time, 250 MB at most"
