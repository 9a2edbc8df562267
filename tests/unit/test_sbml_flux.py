"""Flux balance in SBML: bounds, objectives, genes and their rules."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cellula.core.errors import DataError
from cellula.core.flux import FluxBalance, FluxObjective, Gene, GeneRule
from cellula.core.network import Network, Parameter
from cellula.io.sbml import network_of, sbml_text
from cellula.testing.simulator import decay

FLUX = FluxBalance(
    {"decay": (-10.0, math.inf)},
    (FluxObjective("most", {"decay": 1.0}), FluxObjective("least", {"decay": 0.5}, False)),
    "most",
    (Gene("G_1", "b0001"), Gene("G_2", "b0002"), Gene("G_3", "b0003")),
    {"decay": GeneRule("or", ("G_1", GeneRule("and", ("G_2", "G_3"))))},
)


def network() -> Network:
    return replace(decay(), flux=FLUX)


@pytest.mark.requirement("S2", "K9")
def test_flux_balance_is_read_back_equal() -> None:
    text = sbml_text(network())
    assert 'fbc:strict="true"' in text
    assert network_of(text) == network()
    free = replace(network(), flux=FluxBalance({}, (), ""))
    assert network_of(sbml_text(free)).flux is None


def test_a_bound_that_is_used_elsewhere_stays_a_parameter() -> None:
    text = sbml_text(network()).replace("flux_bound_1", "k")
    doubled = '      <parameter id="k" value="-10" constant="true"/>\n'
    assert doubled in text
    found = network_of(text.replace(doubled, ""))
    assert found.parameters == (Parameter("k", 0.7),)
    assert found.flux is not None
    assert found.flux.bounds == {"decay": (0.7, math.inf)}


def test_one_bound_only() -> None:
    text = sbml_text(network()).replace(' fbc:lowerFluxBound="flux_bound_1"', "")
    text = text.replace('reversible="true"', 'reversible="false"').replace(
        'fbc:strict="true"', 'fbc:strict="false"'
    )
    flux = network_of(text).flux
    assert flux is not None
    assert flux.bounds == {"decay": (0.0, math.inf)}


def test_version_1() -> None:
    text = sbml_text(decay(), 3, 1)
    bounds = (
        '<fbc:listOfFluxBounds><fbc:fluxBound fbc:id="b" fbc:reaction="decay" '
        'fbc:operation="lessEqual" fbc:value="7"/></fbc:listOfFluxBounds>'
        '<fbc:listOfObjectives fbc:activeObjective="o"><fbc:objective fbc:id="o" '
        'fbc:type="maximize"><fbc:listOfFluxObjectives><fbc:fluxObjective fbc:reaction="decay" '
        'fbc:coefficient="2"/></fbc:listOfFluxObjectives></fbc:objective></fbc:listOfObjectives>'
    )
    place = "http://www.sbml.org/sbml/level3/version1/fbc/version1"
    text = text.replace("<sbml ", f'<sbml xmlns:fbc="{place}" fbc:required="false" ')
    flux = network_of(text.replace("</model>", f"{bounds}</model>")).flux
    assert flux is not None
    assert flux.bounds["decay"][1] == 7.0
    assert flux.objectives == (FluxObjective("o", {"decay": 2.0}),)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (' value="-10"', "", "strict|without a value"),
        ('fbc:upperFluxBound="flux_bound_2"', 'fbc:upperFluxBound="nowhere"', "nowhere"),
        ('fbc:reaction="decay"', 'fbc:reaction="nowhere"', "nowhere"),
        ('fbc:geneProduct="G_2"', 'fbc:geneProduct="nowhere"', "nowhere"),
    ],
)
def test_every_fault_is_named(old: str, new: str, words: str) -> None:
    text = sbml_text(network())
    assert old in text
    with pytest.raises(DataError, match=words):
        network_of(text.replace(old, new, 1))


def test_what_cannot_be_written_is_named() -> None:
    with pytest.raises(DataError, match="Level 2 Version 4 cannot say flux balance"):
        sbml_text(network(), 2, 4)
    odd = replace(FLUX, genes=(Gene("1 2", ""),), rules={})
    with pytest.raises(DataError, match="'1 2'"):
        sbml_text(replace(decay(), flux=odd))
