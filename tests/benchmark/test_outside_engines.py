"""Engines with an environment of their own, each on a real model: ``cellula engine install NAME``.

They take tens of seconds to start or to compile, so ``make test`` leaves them out.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ellipk

from cellula.core import registry
from cellula.core.errors import EngineError
from cellula.core.expression import Symbol, apply
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.engines.outside.amici import AMICI
from cellula.engines.outside.environment import Environment, installed
from cellula.engines.outside.opensim import OPENSIM, Motion, forward
from cellula.engines.outside.vcell import VCELL, Slab, slab_course
from cellula.evaluation.divergence import divergences
from cellula.testing import SimulatorConformance
from cellula.testing.simulator import decay

pytestmark = [pytest.mark.slow_install, pytest.mark.requirement("K9", "S3")]
NOBODY = ParameterTable((), np.zeros((1, 0)))
FRAME = """<PhysicalOffsetFrame name="{0}"><socket_parent>{1}</socket_parent>
<translation>0 {2} 0</translation><orientation>0 0 {3}</orientation></PhysicalOffsetFrame>"""
#: A point mass of 1 kg at 1 m from a pin.
PENDULUM = f"""<?xml version="1.0" encoding="UTF-8"?><OpenSimDocument Version="40600">
<Model name="pendulum"><BodySet name="bodyset"><objects><Body name="rod"><mass>1</mass>
<mass_center>0 0 0</mass_center><inertia>0 0 0 0 0 0</inertia></Body></objects></BodySet>
<JointSet name="jointset"><objects><PinJoint name="pin">
<socket_parent_frame>ground_offset</socket_parent_frame>
<socket_child_frame>rod_offset</socket_child_frame>
<coordinates><Coordinate name="angle"/></coordinates><frames>
{FRAME.format("ground_offset", "/ground", 0, 0)}{FRAME.format("rod_offset", "/bodyset/rod", 1, 0)}
</frames></PinJoint></objects></JointSet></Model></OpenSimDocument>"""
#: 5 kg that hang from a muscle of at most 200 N.
MUSCLE = f"""<?xml version="1.0" encoding="UTF-8"?><OpenSimDocument Version="40600">
<Model name="lift"><BodySet name="bodyset"><objects><Body name="weight"><mass>5</mass>
<mass_center>0 0 0</mass_center><inertia>1 1 1 0 0 0</inertia></Body></objects></BodySet>
<JointSet name="jointset"><objects><SliderJoint name="slide">
<socket_parent_frame>ground_offset</socket_parent_frame>
<socket_child_frame>weight_offset</socket_child_frame>
<coordinates><Coordinate name="drop"/></coordinates><frames>
{FRAME.format("ground_offset", "/ground", 0, -np.pi / 2)}
{FRAME.format("weight_offset", "/bodyset/weight", 0, -np.pi / 2)}
</frames></SliderJoint></objects></JointSet><ForceSet name="forceset"><objects>
<Millard2012EquilibriumMuscle name="muscle"><GeometryPath name="path"><PathPointSet><objects>
<PathPoint name="origin"><socket_parent_frame>/ground</socket_parent_frame>
<location>0 0 0</location></PathPoint><PathPoint name="insertion">
<socket_parent_frame>/bodyset/weight</socket_parent_frame><location>0 0 0</location></PathPoint>
</objects></PathPointSet></GeometryPath><max_isometric_force>200</max_isometric_force>
<optimal_fiber_length>0.15</optimal_fiber_length><tendon_slack_length>0.25</tendon_slack_length>
</Millard2012EquilibriumMuscle></objects></ForceSet></Model></OpenSimDocument>"""


def require(environment: Environment) -> None:
    if installed(environment) is None:
        pytest.skip(f"not installed: cellula engine install {environment.name}")


def sbml(data_dir: Path, name: str) -> Network:
    network: Network = registry.load("reader", "sbml")().read(data_dir / "models" / "sbml" / name)
    return network


def course(network: Network, name: str, end: float, run: RunContext) -> Trajectory:
    simulator = registry.create("simulator", name, {"rtol": 1e-9} if name == "ode" else {})
    times = np.linspace(0.0, end, 11)
    began = time.monotonic()
    found: Trajectory = simulator.simulate(network, NOBODY, Schedule(), times, run)
    print(f"\n{network.id}: {name} took {time.monotonic() - began:.1f} s (wall)")
    return found


@pytest.mark.parametrize(("name", "end"), [("mapk.xml", 1000.0), ("earm.xml", 20000.0)])
def test_amici_agrees_with_ours(name: str, end: float, data_dir: Path, run: RunContext) -> None:
    require(AMICI)
    network = sbml(data_dir, name)
    found = divergences(course(network, "ode", end, run), course(network, "amici", end, run))
    print(f"greatest difference: {found[0].id} {found[0].relative:.2e}, of {len(found)} ids")
    assert len(found) >= len(network.species)
    assert found[0].relative < 1e-5


def test_amici_keeps_the_contract(run: RunContext) -> None:
    require(AMICI)
    SimulatorConformance(registry.load("simulator", "amici")).check(run)


def test_amici_says_what_it_refuses(run: RunContext) -> None:
    require(AMICI)
    lagging = replace(
        decay().reactions[0], rate=apply("times", Symbol("k"), apply("delay", Symbol("A"), 1.0))
    )
    simulator = registry.create("simulator", "amici", {})
    with pytest.raises(EngineError, match=r"amici 1\.0\.1 failed"):
        simulator.simulate(
            replace(decay(), reactions=(lagging,)), NOBODY, Schedule(), np.array([0.0, 1.0]), run
        )


def test_vcell_agrees_with_ours(data_dir: Path, run: RunContext) -> None:
    require(VCELL)
    network = sbml(data_dir, "mapk.xml")
    found = divergences(course(network, "ode", 1000.0, run), course(network, "vcell", 1000.0, run))
    print(f"greatest difference: {found[0].id} {found[0].relative:.2e}, of {len(found)} ids")
    assert len(found) == 8
    assert found[0].relative < 1e-3


def test_vcell_keeps_the_contract(run: RunContext) -> None:
    """Its tolerance is 1e-7 of a species' greatest value; the kit looks at 1e-5 of that too."""
    require(VCELL)
    SimulatorConformance(registry.load("simulator", "vcell"), rtol=2e-2).check(run)


def test_vcell_diffuses(run: RunContext) -> None:
    """A cosine between closed ends decays by exp(-(D pi^2 / L^2 + k) t)."""
    require(VCELL)
    pi = "3.141592653589793"
    slab = Slab(2.0, 201, {"A": f"2.0 + cos({pi} * x / 2.0)"}, {"A": 0.3})
    times = np.linspace(0.0, 1.0, 6)
    found = slab_course(decay(), slab, times)["A"]
    x = np.linspace(0.0, 2.0, 201)
    mode = np.exp(-0.3 * np.pi**2 / 4 * times)[:, None] * np.cos(np.pi * x / 2)
    exact = np.exp(-0.7 * times)[:, None] * (2.0 + mode)
    gap = np.abs(found - exact).max() / exact.max()
    print(f"\ngreatest difference from the exact profile: {gap:.2e}")
    assert gap < 1e-4


def test_a_pendulum_swings_as_long_as_it_must(tmp_path: Path) -> None:
    """T = 4 K(sin^2(a / 2)) sqrt(l / g), and its energy is kept."""
    require(OPENSIM)
    path = tmp_path / "pendulum.osim"
    path.write_text(PENDULUM)
    angle = 1.0
    period = 4 * ellipk(np.sin(angle / 2) ** 2) * np.sqrt(1 / 9.80665)
    times = period * np.array([0.0, 0.25, 0.5, 0.75, 1.0, 10.0])
    found = forward(path, Motion(times, positions={"angle": angle}))
    angles = found.of("angle")[0]
    energy = (found.of("kinetic energy") + found.of("potential energy"))[0]
    print(f"\nangles at quarters of the period: {angles}; energy within {np.ptp(energy):.1e} J")
    np.testing.assert_allclose(angles, [1.0, 0.0, -1.0, 0.0, 1.0, 1.0], atol=1e-5)
    assert np.ptp(energy) < 1e-5
    with pytest.raises(EngineError, match="no coordinate 'elbow'; it has angle"):
        forward(path, Motion(times, positions={"elbow": 1.0}))
    with pytest.raises(EngineError, match="no muscle 'biceps'; it has none"):
        forward(path, Motion(times, excitations={"biceps": 1.0}))


def test_a_muscle_holds_a_weight(tmp_path: Path) -> None:
    """At rest its force is the weight; the more it is excited, the higher that hangs."""
    require(OPENSIM)
    path = tmp_path / "lift.osim"
    path.write_text(MUSCLE)
    times = np.array([0.0, 1.0, 8.0])
    drops = []
    for excitation in (0.4, 0.8):
        motion = Motion(times, {"drop": 0.45}, excitations={"muscle": excitation}, accuracy=1e-6)
        found = forward(path, motion)
        drops.append(float(found.of("length of muscle")[0, -1]))
        assert found.of("force of muscle")[0, -1] == pytest.approx(5 * 9.80665, rel=0.02)
        assert found.of("activation of muscle")[0, -1] == pytest.approx(excitation, abs=1e-3)
    print(f"\nlength of the muscle at 40 and 80 % excitation: {drops} m")
    assert drops[1] < drops[0]
