"""The description of a COMBINE archive as RDF: title, creators with ORCID, licence, date."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from cellula.core.combine_archive import ArchiveDescription, Creator
from cellula.core.errors import DataError
from cellula.io.xml_root import xml_root
from cellula.io.xml_text import Xml, text_of

__all__ = ["description_in", "description_text"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/terms/"
ELEMENTS = "http://purl.org/dc/elements/1.1/"
VCARD = "http://www.w3.org/2006/vcard/ns#"
FOAF = "http://xmlns.com/foaf/0.1/"
#: What the description is of: the archive itself.
ABOUT = "."


def description_text(description: ArchiveDescription) -> str:
    """RDF in XML, the same for the same description."""
    xml = Xml()
    head = {"xmlns:rdf": RDF, "xmlns:dcterms": DC, "xmlns:foaf": FOAF}
    with xml.block("rdf:RDF", head), xml.block("rdf:Description", {"rdf:about": ABOUT}):
        if description.title:
            xml.leaf("dcterms:title", {}, text_of(description.title))
        for one in description.creators:
            about = {"rdf:about": one.orcid or None}
            with xml.block("dcterms:creator"), xml.block("foaf:Person", about):
                xml.leaf("foaf:name", {}, text_of(one.name))
        if description.license:
            xml.leaf("dcterms:license", {"rdf:resource": description.license})
        if description.created:
            date = text_of(description.created)
            with (
                xml.block("dcterms:created", {"rdf:parseType": "Resource"}),
            ):
                xml.leaf("dcterms:W3CDTF", {}, date)
    return xml.text


def description_in(raw: bytes, file: str) -> ArchiveDescription | None:
    """The description of the archive itself; None where the RDF says nothing of it.

    Names of vCard, as older archives have them, are read too. Raises DataError, naming the
    archive, on what is no RDF.
    """
    where = f"{file}, metadata.rdf"
    root = xml_root(raw, where)
    if (root.namespace, root.tag) != (RDF, "RDF"):
        raise DataError(f"{where}, line {root.line}: <{root.tag}>; expected <rdf:RDF>")
    tree = ElementTree.fromstring(raw)  # noqa: S314 -- looked through by xml_root
    found = [one for one in tree if _about(one) in {ABOUT, "./", ""}]
    if not found:
        return None
    parts = [part for one in found for part in one]
    title = _first(parts, "title")
    license = next((_resource(p) for p in parts if _tag(p) == f"{DC}license"), "")
    created = next((_inner_text(p) for p in parts if _tag(p) == f"{DC}created"), "")
    creators = [one for part in parts if _tag(part) in _both("creator") for one in _creators(part)]
    return ArchiveDescription(title, tuple(creators), license, created)


def _tag(element: Element) -> str:
    return str(element.tag).removeprefix("{").replace("}", "")


def _about(element: Element) -> str:
    return element.get(f"{{{RDF}}}about", "")


def _both(name: str) -> set[str]:
    return {f"{DC}{name}", f"{ELEMENTS}{name}"}


def _first(parts: list[Element], name: str) -> str:
    return next((_inner_text(part) for part in parts if _tag(part) in _both(name)), "")


def _resource(part: Element) -> str:
    return part.get(f"{{{RDF}}}resource", "") or _inner_text(part)


def _inner_text(part: Element) -> str:
    return " ".join("".join(part.itertext()).split())


def _creators(part: Element) -> list[Creator]:
    """Persons of FOAF by their name, those of vCard by given and family name, else the text."""
    people = [one for one in part.iter() if _tag(one) == f"{FOAF}Person"]
    found = []
    for one in people:
        orcid = _about(one).replace("http:", "https:", 1)
        name = next((_inner_text(p) for p in one if _tag(p) == f"{FOAF}name"), "")
        found.append(Creator(name or orcid, orcid if "orcid.org/" in orcid else ""))
    if found:
        return found
    given = [
        _inner_text(p)
        for name in ("given-name", "family-name")
        for p in part.iter()
        if _tag(p) == f"{VCARD}{name}"
    ]
    name = " ".join(given) or _inner_text(part)
    return [Creator(name)] if name else []
