"""SED-ML to experiments and back, and every fault by name and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.experiment import Experiment, Target, UniformTimeCourse
from cellula.io.sedml import SedMl, sedml_text
from cellula.io.sedml.address import address_of, target_of
from experiment_example import decay_experiment

#: libsedml in a process of its own: its types are those of libsbml, under other names.
PEER = """
import sys, libsedml
found = libsedml.readSedMLFromFile(sys.argv[1])
for at in range(found.getNumErrors()):
    print(found.getError(at).getMessage())
print(found.getNumModels(), found.getNumTasks(), found.getTask(4).getNumRanges(), sep=",")
print(found.getSimulation(0).getNumberOfSteps(), found.getOutput(2).getNumCurves(), sep=",")
print(libsedml.formulaToL3String(found.getDataGenerator(9).getMath()))
"""


def read(text: str, folder: Path) -> Experiment:
    (folder / "e.sedml").write_text(text)
    return SedMl().read(folder / "e.sedml")


@pytest.mark.requirement("S2", "S3")
def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    SedMl().write(decay_experiment(), tmp_path / "decay.sedml")
    assert SedMl().read(tmp_path / "decay.sedml") == decay_experiment()


@pytest.mark.requirement("S3")
def test_libsedml_finds_no_fault_and_the_same(tmp_path: Path) -> None:
    pytest.importorskip("importlib.metadata").version("python-libsedml")
    path = tmp_path / "decay.sedml"
    SedMl().write(decay_experiment(), path)
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PEER, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == ["2,6,1", "8,2", "1 - a / all"]


def test_versions_before_the_fourth_count_points(tmp_path: Path) -> None:
    text = sedml_text(decay_experiment())
    old = text.replace("version4", "version3").replace('version="4"', 'version="3"')
    old = old.replace("numberOfSteps", "numberOfPoints").replace(' type="linear"', "")
    found = read(old, tmp_path)
    assert isinstance(found.simulations[0], UniformTimeCourse)
    assert found.simulations[0].steps == 8


def test_logarithmic_ranges(tmp_path: Path) -> None:
    text = sedml_text(decay_experiment())
    old = '<vectorRange id="x">'
    begin = text.index(old)
    end = text.index("</vectorRange>", begin) + len("</vectorRange>")
    made = '<uniformRange id="x" start="1" end="100" numberOfSteps="2" type="log"/>'
    found = read(text[:begin] + made + text[end:], tmp_path)
    assert found.tasks[4].ranges[0].values == pytest.approx((1, 10, 100))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("/sbml:sbml/sbml:model/sbml:listOfSpecies/sbml:species[@id='A']", Target("A", "species")),
        (
            '/sbml:sbml/sbml:model/sbml:listOfSpecies/sbml:species[@id = "A"]/@initialAmount',
            Target("A", "species", "initialAmount"),
        ),
        (
            "/sbml:sbml/sbml:model/sbml:listOfReactions/sbml:reaction[@id='r']/sbml:kineticLaw"
            "/sbml:listOfLocalParameters/sbml:localParameter[@id='k']",
            Target("r.k", "localParameter"),
        ),
        (
            "/cellml:model/cellml:component[@name='cell']/cellml:variable[@name='V']/@initial_value",
            Target("cell.V", "variable", "initial_value"),
        ),
    ],
)
def test_addresses(address: str, target: Target) -> None:
    assert target_of(address) == target
    assert target_of(address_of(target)) == target


def test_addresses_that_lead_nowhere() -> None:
    for odd in ("", "/sbml:sbml", "/a/b[@name='k']", "/sbml:sbml/sbml:species[1]", "k"):
        with pytest.raises(DataError, match="leads to no value"):
            target_of(odd)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</sedML>", "", ["not well-formed"]),
        ("sedML", "sedMl", ["expected <sedML>"]),
        ('version="4">', 'version="9">', ["expected Level 1"]),
        ("listOfTasks", "listOfWishes", ["line", "is no part of SED-ML"]),
        ('modelReference="m"', 'modelReference="z"', ["names the model 'z'"]),
        ('simulationReference="course"', 'simulationReference="z"', ["the simulation 'z'"]),
        ('numberOfSteps="8"', 'numberOfSteps="8.5"', ["line", "expected a whole number"]),
        ('outputEndTime="4"', 'outputEndTime="-4"', ["times that ascend"]),
        ('numberOfSteps="8"', "", ["has no numberOfSteps or numberOfPoints"]),
        ("changeAttribute", "addXML", ["addXML", "changes the file of a model"]),
        ('newValue="6.0"', 'newValue="many"', ["newValue='many', no number"]),
        ("uniformTimeCourse", "spatialCourse", ["spatialCourse 'course'", "is not known"]),
        ("KISAO:0000019", "CVODE", ["no id of KiSAO"]),
        ("urn:sedml:symbol:time", "urn:sedml:symbol:mood", ["asks for the symbol"]),
        ("<minus/>", "<wonder/>", ["'wonder'", "has no meaning"]),
        ("<ci>all</ci>", "<ci>none</ci>", ["names the variable 'none'"]),
        ('task="one"/>', 'task="doses"/>', ["repeats the repeated task 'doses'"]),
        ('dataReference="A"', 'dataReference="B"', ["the data generator 'B'"]),
        ('source="#m"', 'source="#more"', ["is made of itself"]),
        ('id="scan"', 'id="one"', ["'one' is used twice"]),
        ('range="x" resetModel', 'range="y" resetModel', ["names the range 'y'"]),
        ("<value>3.0</value>", "<value>three</value>", ["no number"]),
        (
            '<repeatedTask id="scan"', '<repeatedTask id="scan" concatenate="false"',
            ["concatenate"],
        ),
    ],
)  # fmt: skip
def test_every_fault_is_named(old: str, new: str, words: list[str], tmp_path: Path) -> None:
    text = sedml_text(decay_experiment())
    assert old in text
    with pytest.raises(DataError) as caught:
        read(text.replace(old, new), tmp_path)
    for word in ["e.sedml", *words]:
        assert word in str(caught.value)


def test_what_is_not_drawn_is_told(tmp_path: Path) -> None:
    text = sedml_text(decay_experiment())
    found = read(text.replace("plot2D", "plot3D"), tmp_path)
    assert found.left_out == ("plot3D 'drawn', which is not drawn",)
    with pytest.raises(DataError, match="was read without plot3D"):
        sedml_text(found)


def test_only_experiments_are_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found str"):
        SedMl().write("text", tmp_path / "t.sedml")
    assert not list(tmp_path.iterdir())
