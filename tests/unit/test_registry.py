"""The registry: three clear errors, and options checked before a plug-in is built."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra, PluginError, StudyError
from cellula.core.registry import KINDS

MODULES = {
    "strangers_good": """
from cellula.core.model import Options

class GoodOptions(Options):
    alpha: float = 1.0

class Good:
    options_type = GoodOptions
    def __init__(self, options):
        self.options = options
""",
    "strangers_needy": "import package_that_is_nowhere\n",
    "strangers_syntax": "def broken(:\n",
    "strangers_value": "raise ValueError('no such thing')\n",
}


def offer(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    """Register entry points of kind model, and nothing else."""
    listed = [EntryPoint(name, value, "cellula.model") for name, value in points]
    monkeypatch.setattr(
        registry, "entry_points", lambda group: listed if group == "cellula.model" else []
    )


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def test_every_kind_can_be_listed() -> None:
    for kind in KINDS:
        assert registry.names(kind) == tuple(sorted(registry.names(kind)))
    with pytest.raises(PluginError, match="'modle' is no kind of plug-in; expected one of model"):
        registry.names("modle")


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("ridge", "a:B"), ("control", "c:D"))
    with pytest.raises(PluginError, match=r"'rigde'; did you mean ridge\?.*control, ridge"):
        registry.load("model", "rigde")


def test_two_plugins_of_one_name_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("good", "first:A"), ("good", "second:B"))
    with pytest.raises(PluginError, match=r"first:A.* and second:B.*uninstall one"):
        registry.load("model", "good")
    assert registry.names("model") == ("good",)


@pytest.mark.usefixtures("strangers")
def test_a_missing_package_is_answered_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("needy", "strangers_needy:Needy"))
    with pytest.raises(MissingExtra, match=r"needs the package 'package_that_is_nowhere'.*pip"):
        registry.load("model", "needy")


def test_the_command_names_the_extra() -> None:
    point = EntryPoint("roadrunner", "cellula.engines.roadrunner:RoadRunner", "cellula.simulator")
    requires = ["libroadrunner>=2.7; extra == 'roadrunner'", "cobra>=0.28; extra == 'cobra'"]
    assert registry._extra(requires, point, "libroadrunner") == "roadrunner"
    other = EntryPoint("flux", "cellula.engines.flux:Flux", "cellula.simulator")
    assert registry._extra(requires, other, "cobra") == "cobra"
    assert registry._extra(requires, other, "torch") == ""


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("strangers_syntax:Broken", "SyntaxError"),
        ("strangers_value:Broken", "ValueError: no such thing"),
        ("strangers_good:Absent", "AttributeError"),
        ("strangers_absent:Broken", "ModuleNotFoundError"),
    ],
)
def test_a_broken_plugin_is_an_error_when_used(
    target: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, ("broken", target))
    with pytest.raises(PluginError, match=f"is broken: {said}.*repair or uninstall"):
        registry.load("model", "broken")


@pytest.mark.usefixtures("strangers")
def test_a_broken_plugin_is_listed_as_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("good", "strangers_good:Good"), ("bad", "strangers_syntax:Bad"))
    listed = {plugin.name: plugin for plugin in registry.plugins()}
    assert listed["good"].problem == ""
    assert "SyntaxError" in listed["bad"].problem


@pytest.mark.usefixtures("strangers")
def test_options_are_checked_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, ("good", "strangers_good:Good"))
    assert registry.create("model", "good", {"alpha": 2}).options.alpha == 2.0
    assert registry.create("model", "good").options.alpha == 1.0
    with pytest.raises(StudyError, match=r"it has: alpha") as caught:
        registry.create("model", "good", {"alpha": "much", "beta": 1})
    assert [mistake.split(":")[0] for mistake in caught.value.mistakes] == ["alpha", "beta"]
