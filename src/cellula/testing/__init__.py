"""Conformance kits for plug-in authors; nothing else in cellula imports them.

Three lines run every rule of a contract over everything that is registered::

    @pytest.mark.parametrize("name", registry.names("model"))
    def test_model(name: str, run: RunContext) -> None:
        ModelConformance(registry.load("model", name)).check(run)

A broken rule raises :class:`NotConformant`, naming the plug-in, the rule and what was found.
"""

from cellula.testing.embedder import EmbedderConformance
from cellula.testing.gate import GateConformance
from cellula.testing.logic_simulator import LogicSimulatorConformance
from cellula.testing.metric import MetricConformance
from cellula.testing.model import ModelConformance
from cellula.testing.reader import ReaderConformance
from cellula.testing.rule import NotConformant
from cellula.testing.simulator import SimulatorConformance
from cellula.testing.stochastic_simulator import StochasticSimulatorConformance
from cellula.testing.transform import TransformConformance

__all__ = [
    "EmbedderConformance",
    "GateConformance",
    "LogicSimulatorConformance",
    "MetricConformance",
    "ModelConformance",
    "NotConformant",
    "ReaderConformance",
    "SimulatorConformance",
    "StochasticSimulatorConformance",
    "TransformConformance",
]
