"""Test systems and models for an endpoint and a mechanism."""

from __future__ import annotations

import pandas as pd
import pytest

from cellula.applications.routing import RouteOptions, run
from cellula.applications.routing.bearers import BEARERS, bearers
from cellula.applications.routing.endpoints import ENDPOINTS, endpoint
from cellula.applications.routing.mechanisms import ASSOCIATION, MECHANISMS, SCALES
from cellula.applications.routing.systems import SYSTEMS
from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.errors import StudyError

pytestmark = pytest.mark.requirement("B2", "B3", "B5")


def row(table: pd.DataFrame, name: str) -> pd.Series:
    return table.set_index("name").loc[name]


def test_a_mechanism_makes_fitted_models_exploratory() -> None:
    models = run("viability", RouteOptions("growth")).tables["models"]
    assert row(models, "ode").status == "suitable"
    assert row(models, "ridge").status == "exploratory"
    assert row(models, "highs").status == "refused"
    assert "metabolism" in row(models, "highs").reason


def test_without_a_mechanism_fitted_models_suit() -> None:
    models = run("ic50").tables["models"]
    assert row(models, "ridge").status == "suitable"
    assert "features" in row(models, "ridge").reason
    assert "--mechanism" in row(models, "ode").reason
    assert row(models, "ode").status == "refused"


def test_the_shape_of_a_tissue_is_for_models_of_space() -> None:
    found = run("tissue_shape", RouteOptions("tissue"))
    models = found.tables["models"]
    assert "no places" in row(models, "flow_matching").reason
    assert set(models[models.kind == "model"].status) == {"refused"}
    assert row(found.tables["systems"], "organoid").status == "suitable"
    assert row(found.tables["systems"], "cell_line").status == "refused"


def test_an_endpoint_that_needs_a_mechanism_refuses_fitted_models() -> None:
    models = run("APD90", RouteOptions("electrophysiology")).tables["models"]
    assert "needs a mechanism" in row(models, "gp").reason
    assert row(models, "gp").status == "refused"


def test_a_claim_that_a_model_has_no_answer_to() -> None:
    options = RouteOptions(claim=ClaimKind.UNSEEN_DOSE)
    models = run("expression", options).tables["models"]
    assert row(models, "context_transfer").status == "refused"
    assert "unseen_dose" in row(models, "context_transfer").reason


def test_a_system_below_the_scale_or_without_the_mechanism() -> None:
    systems = run("free_concentration", RouteOptions("exposure")).tables["systems"]
    assert row(systems, "organ_on_chip").status == "suitable"
    assert row(systems, "cell_line").status == "refused"
    systems = run("viability", RouteOptions("exposure")).tables["systems"]
    assert row(systems, "cell_line").reason == "it does not show exposure"


@pytest.mark.parametrize(
    ("asked", "options", "told"),
    [
        ("viabilty", RouteOptions(), "did you mean viability"),
        ("viability", RouteOptions("kinetic"), "did you mean kinetics"),
        ("viability", RouteOptions("metabolism"), "borne by association, growth"),
        ("action_potential", RouteOptions(), "borne by electrophysiology"),
    ],
)
def test_what_is_not_known_is_refused(asked: str, options: RouteOptions, told: str) -> None:
    with pytest.raises(StudyError, match=told):
        run(asked, options)


def test_every_simulator_and_solver_says_what_it_bears() -> None:
    for kind in ("simulator", "flux_solver"):
        for name in registry.names(kind):
            assert bearers(kind, name), f"{kind} {name} has no row in BEARERS"
    for kind, name in BEARERS:
        assert name in registry.names(kind)


def test_the_vocabulary_holds_together() -> None:
    mechanisms = {one.name for one in MECHANISMS}
    words = [word for one in ENDPOINTS for word in (one.name, *one.words)]
    assert len(words) == len(set(words))
    for one in ENDPOINTS:
        assert mechanisms.issuperset(one.mechanisms)
        assert one.scale in SCALES
    for system in SYSTEMS:
        assert system.scale in SCALES
        assert mechanisms.issuperset(system.bears)
        assert all(endpoint(name).name == name for name in system.endpoints)
    for borne in BEARERS.values():
        assert mechanisms.issuperset(borne)
    assert ASSOCIATION in mechanisms
