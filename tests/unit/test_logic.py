"""The form of a logic model checks itself."""

from __future__ import annotations

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Symbol
from cellula.core.logic import Component, LogicNetwork


def test_components_in_order() -> None:
    assert LogicNetwork("n", (Component("b", Symbol("a")), Component("a", None))).ids == ("b", "a")


@pytest.mark.parametrize(
    ("components", "told"),
    [
        ((Component("a", None), Component("a", None)), "'a' stands twice"),
        ((Component("a", Symbol("q")),), "the rule of 'a' names 'q'"),
        ((Component("a", None, 1, 2),), "starts at 2 of 1"),
        ((Component("a", None, 0),), "of 0 levels"),
    ],
)
def test_what_does_not_hold_together_is_refused(
    components: tuple[Component, ...], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        LogicNetwork("n", components)
