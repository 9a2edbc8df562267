"""SED-ML text to a tree of elements that know their lines.

Not through libsedml: it cannot be loaded beside libsbml, whose types it overwrites.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from cellula.core.errors import DataError
from cellula.io.xml_root import xml_root

__all__ = ["Part", "sedml_root"]

NAMESPACE = "http://sed-ml.org/"
VERSIONS = {"1", "2", "3", "4"}
#: What is for people, and may stand anywhere.
SAID = {"notes", "annotation"}
#: What may stand directly within the root.
KNOWN = {
    "notes", "annotation", "listOfDataDescriptions", "listOfModels", "listOfSimulations",
    "listOfTasks", "listOfDataGenerators", "listOfOutputs", "listOfStyles",
    "listOfAlgorithmParameters",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """An element with the file that it stands in."""

    element: Element
    file: str
    lines: Mapping[Element, int]

    @property
    def tag(self) -> str:
        """The name without its namespace."""
        return str(self.element.tag).rpartition("}")[2]

    @property
    def id(self) -> str:
        """Its id, or "" where it has none."""
        return self.element.get("id", "")

    def parts(self, *path: str) -> Iterator[Part]:
        """All elements of SED-ML two levels down, in lists of these names, or without a list."""
        for child in self.element:
            inner = Part(child, self.file, self.lines)
            if inner.tag in path:
                found = (Part(one, self.file, self.lines) for one in child)
                yield from (one for one in found if one.tag not in SAID)

    def child(self, tag: str) -> Part | None:
        """The first element of that name within."""
        inside = (Part(one, self.file, self.lines) for one in self.element)
        return next((one for one in inside if one.tag == tag), None)

    def text(self, *names: str) -> str:
        """The first of these attributes that is there; DataError where none is."""
        for name in names:
            found = self.element.get(name)
            if found is not None:
                return found
        raise self.fault(f"has no {' or '.join(names)}")

    def number(self, *names: str) -> float:
        """An attribute as a number. Raises DataError on what is none."""
        text = self.text(*names)
        try:
            return float(text)
        except ValueError:
            raise self.fault(f"has {names[0]}={text!r}, no number") from None

    def is_true(self, name: str, otherwise: bool) -> bool:
        """An attribute as a truth."""
        return self.element.get(name, "true" if otherwise else "false").strip() in {"true", "1"}

    def fault(self, words: str) -> DataError:
        """An error that names file and element."""
        called = f"{self.tag} {self.id!r}" if self.id else f"<{self.tag}>"
        return DataError(f"{self.file}, line {self.lines[self.element]}: {called} {words}")


def sedml_root(raw: bytes, file: str) -> Part:
    """The root element of SED-ML Level 1, Versions 1 to 4.

    Raises DataError, naming file and line, on what is not SED-ML.
    """
    root = xml_root(raw, file)
    if root.tag != "sedML" or not root.namespace.startswith(NAMESPACE):
        raise DataError(
            f"{file}, line {root.line}: <{root.tag}> of {root.namespace!r}; expected <sedML>"
        )
    version = root.attributes.get("version", "")
    if root.attributes.get("level") != "1" or version not in VERSIONS:
        raise DataError(
            f"{file}, line {root.line}: level {root.attributes.get('level')!r} and version "
            f"{version!r}; expected Level 1, Version 1 to 4"
        )
    found = _tree(raw, file)
    for child in found.element:
        part = Part(child, file, found.lines)
        if part.tag not in KNOWN:
            raise part.fault(f"is no part of SED-ML; expected {', '.join(sorted(KNOWN))}")
    return found


def _tree(raw: bytes, file: str) -> Part:
    """The elements with their lines; the text is well-formed, as xml_root has found."""
    builder, lines = ElementTree.TreeBuilder(), dict[Element, int]()
    parser = expat.ParserCreate(namespace_separator="}")

    def start(name: str, attributes: dict[str, str]) -> None:
        named = {_qualified(key): value for key, value in attributes.items()}
        lines[builder.start(_qualified(name), named)] = parser.CurrentLineNumber

    def end(name: str) -> None:
        builder.end(_qualified(name))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.Parse(raw, True)
    return Part(builder.close(), file, lines)


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name
