"""COMBINE archives: round trips, equal bytes, and nothing outside of them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from cellula.core.combine_archive import (
    ArchiveEntry,
    CombineArchive,
    Creator,
)
from cellula.core.errors import DataError
from cellula.io.omex import Omex, unpacked
from cellula.io.sedml import SedMl
from experiment_example import ORCID, decay_archive, decay_experiment

MANIFEST = (
    '<?xml version="1.0"?><omexManifest xmlns="http://identifiers.org/combine.specifications/'
    'omex-manifest"><content location="." format="http://identifiers.org/combine.specifications/'
    'omex"/><content location="./a.txt" format="text"/></omexManifest>'
)
#: libcombine in a process of its own.
PEER = """
import sys, libcombine
archive = libcombine.CombineArchive()
assert archive.initializeFromArchive(sys.argv[1])
for at in range(archive.getNumEntries()):
    entry = archive.getEntry(at)
    print(entry.getLocation(), entry.getFormat(), entry.getMaster())
told = archive.getMetadataForLocation(".")
print(told.isEmpty())
"""


def packed(folder: Path, files: dict[str, bytes | str], name: str = "a.omex") -> Path:
    path = folder / name
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for place, data in files.items():
            archive.writestr(place, data)
    return path


@pytest.mark.requirement("S2", "S3")
def test_what_is_written_is_read_back_equal_and_twice_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "decay.omex", tmp_path / "again.omex"
    Omex().write(decay_archive(), first)
    assert Omex().read(first) == decay_archive()
    Omex().write(Omex().read(first), second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.requirement("S3")
def test_libcombine_reads_it(tmp_path: Path) -> None:
    Omex().write(decay_archive(), tmp_path / "decay.omex")
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PEER, str(tmp_path / "decay.omex")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert any(line.startswith("./e/run.sedml") and line.endswith("True") for line in said)
    assert any("decay.xml" in line and "sbml.level-3.version-2" in line for line in said)


def test_an_archive_of_libcombine_is_read(tmp_path: Path) -> None:
    script = (
        "import sys, libcombine as c\n"
        "a = c.CombineArchive()\n"
        "a.addFile(sys.argv[1], './decay.sedml', c.KnownFormats.lookupFormat('sedml'), True)\n"
        "d = c.OmexDescription(); d.setAbout('.'); d.setDescription('made by a peer')\n"
        "w = c.VCard(); w.setGivenName('Josiah'); w.setFamilyName('Carberry')\n"
        "d.addCreator(w); a.addMetadata('.', d); assert a.writeToFile(sys.argv[2])\n"
    )
    SedMl().write(decay_experiment(), tmp_path / "decay.sedml")
    words = (str(tmp_path / "decay.sedml"), str(tmp_path / "theirs.omex"))
    command = [sys.executable, "-W", "ignore", "-c", script, *words]
    subprocess.run(command, check=True, capture_output=True)
    found = Omex().read(tmp_path / "theirs.omex")
    assert found.master is not None
    assert found.master.location == "decay.sedml"
    assert found.description is not None
    assert found.description.creators == (Creator("Josiah Carberry"),)


def test_files_are_unpacked_where_paths_lead(tmp_path: Path) -> None:
    with unpacked(decay_archive(), "decay.omex") as (folder, master):
        assert master == folder / "e/run.sedml"
        assert (folder / "decay.xml").read_bytes() == decay_archive().entries[0].data
    assert not folder.exists()


def test_the_one_experiment_is_the_master(tmp_path: Path) -> None:
    entries = tuple(
        ArchiveEntry(one.location, one.format, one.data) for one in decay_archive().entries
    )
    with unpacked(CombineArchive("a", entries), "a.omex") as (_, master):
        assert master.name == "run.sedml"
    with (
        pytest.raises(DataError, match="mark one file of SED-ML"),
        unpacked(CombineArchive("a", entries[:1]), "a.omex"),
    ):
        pass


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.txt": "a"}, "has no manifest.xml"),
        ({"manifest.xml": MANIFEST}, "lists 'a.txt', which it lacks"),
        ({"manifest.xml": MANIFEST, "../a.txt": "a"}, "outside of the archive"),
        ({"manifest.xml": MANIFEST, "/etc/a.txt": "a"}, "outside of the archive"),
        ({"manifest.xml": MANIFEST, "a.txt": "a", "./a.txt": "b"}, "is there twice"),
        ({"manifest.xml": "<omexManifest/>", "a.txt": "a"}, "expected <omexManifest>"),
        ({"manifest.xml": MANIFEST[:-4], "a.txt": "a"}, "not well-formed"),
        ({"manifest.xml": MANIFEST.replace("./a.txt", ""), "a.txt": "a"}, "no location"),
        (
            {"manifest.xml": MANIFEST.replace('"."', '"./a.txt"'), "a.txt": "a"},
            "lists 'a.txt' twice",
        ),
        (
            {"manifest.xml": MANIFEST, "a.txt": "a", "metadata.rdf": "<rdf/>"},
            "expected <rdf:RDF>",
        ),
    ],
)
def test_every_fault_is_named(files: dict[str, bytes | str], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="omex") as caught:
        Omex().read(packed(tmp_path, files))
    assert words in str(caught.value)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.io.omex.format.MOST_BYTES", 10**6)
    path = packed(tmp_path, {"manifest.xml": MANIFEST, "a.txt": bytes(10**7)})
    assert path.stat().st_size < 10**5
    with pytest.raises(DataError, match="unpacks to more than"):
        Omex().read(path)


def test_a_creator_has_a_name_and_an_orcid_that_can_be() -> None:
    Creator("Josiah Carberry", ORCID)
    with pytest.raises(DataError, match="whose last digit is right"):
        Creator("Josiah Carberry", ORCID[:-1] + "8")
    with pytest.raises(DataError, match="has no name"):
        Creator(" ")


def test_an_archive_has_one_master_and_no_manifest_of_others(tmp_path: Path) -> None:
    entry = ArchiveEntry("a", "text", b"", True)
    with pytest.raises(DataError, match="has the masters"):
        CombineArchive("a", (entry, ArchiveEntry("b", "text", b"", True)))
    with pytest.raises(DataError, match="two files 'a'"):
        CombineArchive("a", (entry, ArchiveEntry("a", "text", b"")))
    own = CombineArchive("a", (ArchiveEntry("manifest.xml", "text", b""),))
    out = CombineArchive("a", (ArchiveEntry("../a", "text", b""),))
    with pytest.raises(DataError, match="makes itself"):
        Omex().write(own, tmp_path / "a.omex")
    with pytest.raises(DataError, match="expected a relative path"):
        Omex().write(out, tmp_path / "a.omex")
    assert not list(tmp_path.iterdir())


def test_noise_is_no_archive(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with ZipFile(whole, "w") as archive:
        archive.writestr("manifest.xml", MANIFEST)
    for data in (b"", b"noise" * 100, whole.getvalue()[:80]):
        (tmp_path / "a.omex").write_bytes(data)
        with pytest.raises(DataError, match="is no whole zip archive"):
            Omex().read(tmp_path / "a.omex")
