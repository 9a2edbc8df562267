"""Files called .xml are told apart by their root element."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_cellml

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.io.formats import read
from cellula.io.sbml import sbml_text
from cellula.io.xml_root import xml_root
from cellula.testing.simulator import decay


def test_sbml_and_cellml_are_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_text(sbml_text(decay()))
    assert read(path) == decay()
    path.write_text(test_cellml.DECAY)
    found = read(path)
    assert isinstance(found, Network)
    assert found.ids == ("a.V", "a.k")


def test_any_other_xml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.xml"
    path.write_text('<?xml version="1.0"?>\n<note xmlns="http://example.org/note"><to/></note>')
    with pytest.raises(DataError, match=r"page\.xml, line 2.*<note>.*example\.org/note"):
        read(path)


def test_root() -> None:
    root = xml_root(b'<!-- hi -->\n<a xmlns="urn:x" xmlns:p="urn:y" b="1" p:c="2"><d/></a>', "f")
    assert (root.tag, root.namespace, root.line) == ("a", "urn:x", 2)
    assert root.attributes == {"b": "1", "urn:y c": "2"}
    with pytest.raises(DataError, match="f, line 1: not well-formed XML"):
        xml_root(b"<a><b></a>", "f")
    with pytest.raises(DataError, match="1000 elements stand in one another"):
        xml_root(b"<a>" * 1001 + b"</a>" * 1001, "f")
