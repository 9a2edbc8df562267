"""Every <apply> of MathML begins with an operator and has an argument."""

from __future__ import annotations

from xml.parsers import expat

from cellula.core.errors import DataError

__all__ = ["check_operators"]

MATHML = "http://www.w3.org/1998/Math/MathML"
#: What stands for a value, so that it is no operator.
OPERANDS = {"apply", "ci", "cn", "piecewise", "bvar", "degree", "logbase"}


def check_operators(raw: bytes, file: str) -> None:
    """Raise DataError, naming file and line, on an <apply> that libcellml would fall over.

    raw: XML that is well-formed (:func:`~cellula.io.xml_root.xml_root`).
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    open_elements: list[list[str]] = []  # its tag, then those of its children

    def start(name: str, _: dict[str, str]) -> None:
        if open_elements:
            open_elements[-1].append(name)
        open_elements.append([name])

    def end(name: str) -> None:
        _, *inside = open_elements.pop()
        if name != f"{MATHML} apply":
            return
        first = inside[0].rpartition(" ")[2] if inside else ""
        if len(inside) < 2 or first in OPERANDS:
            raise DataError(
                f"{file}, line {parser.CurrentLineNumber}: an <apply> ends that begins with "
                f"<{first}> and has {len(inside)} part(s); expected an operator and its arguments"
            )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(raw, True)
