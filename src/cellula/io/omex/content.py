"""What is in an archive: formats by their URIs, files unpacked where they can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cellula.core.combine_archive import CombineArchive
from cellula.core.errors import DataError
from cellula.io.atomic import write_atomically
from cellula.io.xml_root import xml_root

__all__ = ["format_uri", "unpacked"]

SPECIFICATIONS = "http://identifiers.org/combine.specifications/"
MEDIA = "http://purl.org/NET/mediatypes/"
#: Ending -> the URI of the format.
FORMATS: Mapping[str, str] = {
    ".sedml": f"{SPECIFICATIONS}sed-ml.level-1.version-4",
    ".cellml": f"{SPECIFICATIONS}cellml.2.0",
    ".omex": f"{SPECIFICATIONS}omex",
    ".csv": f"{MEDIA}text/csv",
    ".svg": f"{MEDIA}image/svg+xml",
    ".json": f"{MEDIA}application/json",
    ".txt": f"{MEDIA}text/plain",
}
OTHER = f"{MEDIA}application/octet-stream"
SEDML = re.compile(r"(sed-?ml|format_3685)", re.IGNORECASE)


def format_uri(name: str, data: bytes) -> str:
    """The URI of a file's format: by its ending; SBML and CellML by what the file says."""
    suffix = Path(name).suffix.lower()
    if suffix in {".xml", ".sbml", ".cellml"}:
        root = xml_root(data, name)
        attributes = root.attributes
        if root.tag == "sbml":
            of = f"level-{attributes.get('level')}.version-{attributes.get('version')}"
            return f"{SPECIFICATIONS}sbml.{of}"
        if "cellml" in root.namespace:
            version = root.namespace.rstrip("#").rpartition("/")[2]
            return f"{SPECIFICATIONS}cellml.{version}"
        if root.tag == "sedML":
            of = f"level-{attributes.get('level')}.version-{attributes.get('version')}"
            return f"{SPECIFICATIONS}sed-ml.{of}"
        return f"{MEDIA}application/xml"
    return FORMATS.get(suffix, OTHER)


@contextmanager
def unpacked(archive: CombineArchive, file: str) -> Iterator[tuple[Path, Path]]:
    """A folder with the files of an archive, gone afterwards, and in it the experiment.

    The experiment is the master, or the one file of SED-ML. Raises DataError where there is
    none, or several and no master.
    """
    master = archive.master
    if master is None:
        found = [one for one in archive.entries if SEDML.search(one.format)]
        if len(found) != 1:
            told = ", ".join(one.location for one in found) or "no SED-ML"
            raise DataError(
                f"{file} names no master and holds {told}; mark one file of SED-ML as master"
            )
        master = found[0]
    if not SEDML.search(master.format):
        raise DataError(
            f"{file}: its master {master.location} has the format {master.format}; expected SED-ML"
        )
    with TemporaryDirectory(prefix="cellula-") as scratch:
        folder = Path(scratch)
        for one in archive.entries:
            write_atomically(folder / one.location, one.data)
        place = folder / master.location
        if not place.name.lower().endswith(".sedml"):
            named = place.with_name(f"{place.name}.sedml")
            write_atomically(named, master.data)
            place = named
        yield folder, place
