"""The root of an XML file, and what no XML file of ours may hold.

Libraries that read XML walk down a tree by recursion, in C: a file that nests a hundred thousand
elements would end the process. So every XML file is looked through before a library sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from cellula.core.errors import DataError

__all__ = ["XmlRoot", "xml_root"]

#: So many elements may stand in one another; formulas of real models need fewer than 100.
DEEPEST = 1000


@dataclass(frozen=True, slots=True)
class XmlRoot:
    """tag and namespace of the root element; its attributes under ``namespace name``, or name."""

    tag: str
    namespace: str
    attributes: Mapping[str, str]
    line: int


def xml_root(raw: bytes, file: str) -> XmlRoot:
    """The root element of XML that is well-formed to its end.

    Raises DataError, naming file and line, where it is not, where it declares entities, or
    where more than 1000 elements stand in one another.
    """
    found: list[XmlRoot] = []
    depth = 0
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _refused(parser, file, f"more than {DEEPEST} elements stand in one another")
        if not found:
            namespace, _, tag = name.rpartition(" ")
            found.append(XmlRoot(tag, namespace, attributes, parser.CurrentLineNumber))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def entity(*declared: object) -> None:
        raise _refused(parser, file, f"it declares the entity {declared[0]!r}; write its text")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise DataError(
            f"{file}, line {error.lineno}: not well-formed XML "
            f"({expat.ErrorString(error.code)}); fetch or write the file again"
        ) from error
    except LookupError as error:
        raise DataError(f"{file}, line 1: {error}; save the file as UTF-8") from error
    return found[0]


def _refused(parser: expat.XMLParserType, file: str, why: str) -> DataError:
    return DataError(f"{file}, line {parser.CurrentLineNumber}: {why}")
