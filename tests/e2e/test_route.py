"""``cellula route``."""

from __future__ import annotations

import json

import pytest
from shell import Shell


@pytest.mark.requirement("B5")
def test_the_route_is_told_in_words_and_as_json(shell: Shell) -> None:
    said = shell("route", "apoptosis", "--mechanism", "kinetics")
    assert "exploratory" in said
    told = json.loads(shell("route", "apoptosis", "--mechanism", "kinetics", "--json"))
    status = {one["name"]: one["status"] for one in told["models"]}
    assert (status["ode"], status["gp"]) == ("suitable", "exploratory")
    assert "action_potential" in shell("route")


def test_a_wrong_claim_is_named(shell: Shell) -> None:
    said = shell("route", "viability", "--claim", "unseen", exit_code=1)
    assert "unseen_dose" in said
