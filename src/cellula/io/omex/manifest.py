"""The manifest of a COMBINE archive: where its files lie and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final
from xml.etree import ElementTree

from cellula.core.errors import DataError
from cellula.io.xml_root import xml_root
from cellula.io.xml_text import Xml

__all__ = ["MANIFEST", "METADATA", "Listed", "manifest_in", "manifest_text"]

#: Where the manifest and the description of an archive lie.
MANIFEST, METADATA = "manifest.xml", "metadata.rdf"
NAMESPACE = "http://identifiers.org/combine.specifications/omex-manifest"
FORMATS: Mapping[str, str] = {
    ".": "http://identifiers.org/combine.specifications/omex",
    MANIFEST: NAMESPACE,
    METADATA: "http://identifiers.org/combine.specifications/omex-metadata",
}


@final
@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the manifest."""

    location: str
    format: str
    is_master: bool = False


def manifest_in(raw: bytes, file: str) -> tuple[Listed, ...]:
    """The files that a manifest lists, without itself and the archive; places without ``./``.

    Raises DataError, naming the archive, on what is no manifest or lists a file twice.
    """
    where = f"{file}, {MANIFEST}"
    root = xml_root(raw, where)
    if root.tag != "omexManifest" or root.namespace != NAMESPACE:
        raise DataError(
            f"{where}, line {root.line}: <{root.tag}> of {root.namespace!r}; expected "
            f"<omexManifest> of {NAMESPACE!r}"
        )
    found: list[Listed] = []
    for one in ElementTree.fromstring(raw):  # noqa: S314 -- looked through by xml_root
        if str(one.tag).rpartition("}")[2] != "content":
            continue
        location, format = one.get("location"), one.get("format")
        if not location or not format:
            raise DataError(f"{where}: a <content> has no location or no format; give it both")
        place = location.removeprefix("./")
        if place in {"", ".", MANIFEST}:
            continue
        if any(place == other.location for other in found):
            raise DataError(f"{where} lists {place!r} twice; list it once")
        found.append(Listed(place, format, one.get("master") in {"true", "1"}))
    return tuple(found)


def manifest_text(entries: Sequence[Listed], *, has_description: bool) -> str:
    """A manifest of the archive, itself, its description and these files."""
    xml = Xml()
    with xml.block("omexManifest", {"xmlns": NAMESPACE}):
        own = (".", MANIFEST, METADATA) if has_description else (".", MANIFEST)
        for place in own:
            location = place if place == "." else f"./{place}"
            xml.leaf("content", {"location": location, "format": FORMATS[place]})
        for one in entries:
            told = {"location": f"./{one.location}", "format": one.format}
            xml.leaf("content", {**told, "master": True if one.is_master else None})
    return xml.text
