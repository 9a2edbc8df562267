"""SBML text to a libsbml document that is sound, flat and holds only what we can represent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import libsbml

from cellula.core.errors import DataError
from cellula.io.xml_root import XmlRoot, xml_root

__all__ = ["faults", "sbml_document"]

#: Packages that a model may need. Layout, render and groups are never required.
KNOWN = {"comp", "fbc", "qual", "l3v2extendedmath"}
SBML = "http://www.sbml.org/sbml"
#: (level, version) as they are written -> the namespace of the core.
NAMESPACES: Mapping[tuple[str, str], str] = {
    ("1", "1"): f"{SBML}/level1",
    ("1", "2"): f"{SBML}/level1",
    ("2", "1"): f"{SBML}/level2",
    **{("2", version): f"{SBML}/level2/version{version}" for version in "2345"},
    **{("3", version): f"{SBML}/level3/version{version}/core" for version in "12"},
}
PACKAGE = "http://www.sbml.org/sbml/level3/version1/"
#: What changes no number: a unit that is not defined (units are kept as text and checked by
#: ``unit_mismatches``) and lists that should not stand there empty;
#: the sum formula of a species.
HARMLESS = {
    10313,
    libsbml.EmptyListElement,
    libsbml.EmptyListInReaction,
    libsbml.EmptyListInKineticLaw,
    libsbml.EmptyUnitListElement,
    libsbml.FbcSpeciesFormulaMustBeString,
}
#: Packages that say how a model looks; their checks cost more than all others.
OF_LOOKS = {"groups", "layout", "render"}
#: libsbml's checks that find faults of numbers, not of units or of style.
SKIPPED = (
    libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
    libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
    libsbml.LIBSBML_CAT_MODELING_PRACTICE,
)


def sbml_document(raw: bytes, file: str, location: str = "") -> Any:
    """A libsbml document without errors, packages ``comp`` resolved and fbc 1 turned into 2.

    location: path of the file, from which external models are resolved. Raises DataError on what
    is not SBML, on libsbml's consistency errors (the first three, with their lines), and on
    packages that the model requires and we cannot represent.
    """
    root = xml_root(raw, file)
    _check_root(root, file)
    _check_packages(root, file)
    document = libsbml.readSBMLFromString(_text(raw, file))
    _drop_looks(document)
    if location:
        document.setLocationURI(f"file:{location}")
    _check(document, file)
    if document.getModel() is None:
        raise DataError(f"{file} is SBML without a model; expected <model>")
    if document.getPlugin("comp") is not None:
        _convert(document, _flattening(), file, "holds submodels that cannot be put together")
        _check(document, file)
    model = document.getModel()
    fbc = model.getPlugin("fbc")
    if fbc is not None and fbc.getPackageVersion() == 1:
        properties = libsbml.ConversionProperties()
        properties.addOption("convert fbc v1 to fbc v2", True)
        _convert(document, properties, file, "holds flux bounds of fbc version 1 that do not fit 2")
    return document


def faults(document: Any, skipped: tuple[int, ...] = SKIPPED) -> list[str]:
    """What libsbml's checks find wrong: ``line: words``, errors only, in their order."""
    for category in skipped:
        document.setConsistencyChecks(category, False)
    if not _errors(document):
        document.checkConsistency()
    return _errors(document)


def _errors(document: Any) -> list[str]:
    found = (document.getError(place) for place in range(document.getNumErrors()))
    return [
        f"line {error.getLine()}: {' '.join(error.getMessage().split())}"
        for error in found
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR
        and error.getErrorId() not in HARMLESS
        and error.getPackage() not in OF_LOOKS
    ]


def _drop_looks(document: Any) -> None:
    plugins = [document.getPlugin(at) for at in range(document.getNumPlugins())]
    for name, uri, prefix in [
        (one.getPackageName(), one.getURI(), one.getPrefix()) for one in plugins
    ]:
        if name in OF_LOOKS:
            document.disablePackage(uri, prefix)


def _check(document: Any, file: str) -> None:
    found = faults(document)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise DataError(f"{file} is not valid SBML; " + "; ".join(found[:3]) + more)


def _check_root(root: XmlRoot, file: str) -> None:
    """The namespace is that of level and version: libsbml ends the process where it is not."""
    if root.tag != "sbml":
        raise DataError(f"{file}, line {root.line}: <{root.tag}>; expected <sbml>")
    given = (root.attributes.get("level", ""), root.attributes.get("version", ""))
    if NAMESPACES.get(given) != root.namespace:
        raise DataError(
            f"{file}, line {root.line}: level {given[0]!r} and version {given[1]!r} in the "
            f"namespace {root.namespace!r}; expected the namespace "
            f"{NAMESPACES.get(given, 'of a level and version of SBML')!r}"
        )


def _check_packages(root: XmlRoot, file: str) -> None:
    for key, value in root.attributes.items():
        namespace, _, name = key.rpartition(" ")
        if name != "required" or not namespace or value not in {"true", "1"}:
            continue
        package = namespace.removeprefix(PACKAGE).partition("/")[0]
        if not namespace.startswith("http://www.sbml.org/sbml/level3/"):
            package = namespace
        if package.rpartition("level3/version2/")[2] not in KNOWN:
            raise DataError(
                f"{file}, line {root.line}: the model requires the package {package!r}, which "
                f"cannot be represented; expected only {', '.join(sorted(KNOWN))}"
            )


def _flattening() -> Any:
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("performValidation", False)
    properties.addOption("leavePorts", False)
    return properties


def _convert(document: Any, properties: Any, file: str, what: str) -> None:
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        said = "; ".join(_errors(document)[:3]) or "libsbml gives no reason"
        raise DataError(f"{file} {what}: {said}")


def _text(raw: bytes, file: str) -> str:
    """The text; libsbml takes a string, so other encodings are turned into UTF-8."""
    head = raw[:200].decode("ascii", "replace")
    encoding = "utf-8"
    if "encoding=" in head.partition("?>")[0]:
        quoted = head.partition("encoding=")[2]
        encoding = quoted[1:].partition(quoted[0])[0]
    try:
        text = raw.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not text in {encoding}: {error}") from error
    return text if encoding.lower() == "utf-8" else text.replace(encoding, "UTF-8", 1)
