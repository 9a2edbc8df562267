"""Ids that SBML does not allow, as an annotation of ours keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellula.io.xml_text import Xml

__all__ = ["called_in", "write_called"]

#: The namespace of our annotation: ``<ids><id sid="membrane_V" is="membrane.V"/></ids>``.
ANNOTATED = "urn:cellula:sbml:ids"


def write_called(xml: Xml, called: Mapping[str, str]) -> None:
    """Say which id of the network an id of the file stands for, where they differ."""
    differing = {sid: id for sid, id in called.items() if sid != id}
    if differing:
        with xml.block("annotation"), xml.block("ids", {"xmlns": ANNOTATED}):
            for sid, id in differing.items():
                xml.leaf("id", {"sid": sid, "is": id})


def called_in(model: Any) -> dict[str, str]:
    """Id in the file -> id in the network, as the annotation of a model says; else nothing."""
    annotation = model.getAnnotation() if model.isSetAnnotation() else None
    if annotation is None:
        return {}
    found = {}
    for at in range(annotation.getNumChildren()):
        node = annotation.getChild(at)
        if node.getURI() == ANNOTATED:
            items = (node.getChild(place) for place in range(node.getNumChildren()))
            found.update({one.getAttrValue("sid"): one.getAttrValue("is") for one in items})
    return found
