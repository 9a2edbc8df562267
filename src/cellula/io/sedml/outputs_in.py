"""Reports and plots of SED-ML; what is not drawn is told."""

from __future__ import annotations

from cellula.core.experiment import Curve, DataSet, Plot2D, ReportTable
from cellula.io.sedml.document import Part

__all__ = ["outputs_in"]


def outputs_in(
    root: Part,
) -> tuple[tuple[ReportTable, ...], tuple[Plot2D, ...], tuple[str, ...]]:
    """Reports, plots, and in words what else the file asks for."""
    reports, plots, left_out = [], [], []
    for part in root.parts("listOfOutputs"):
        if part.tag == "report":
            reports.append(_report(part))
        elif part.tag == "plot2D":
            plots.append(_plot(part))
            left_out += [
                f"{one.tag} {one.id!r} of plot {part.id!r}, which is not drawn"
                for one in part.parts("listOfCurves")
                if one.tag != "curve"
            ]
        else:
            left_out.append(f"{part.tag} {part.id!r}, which is not drawn")
    return tuple(reports), tuple(plots), tuple(left_out)


def _report(part: Part) -> ReportTable:
    columns = tuple(
        DataSet(one.text("label"), one.text("dataReference"))
        for one in part.parts("listOfDataSets")
    )
    return ReportTable(part.text("id"), columns, part.element.get("name", ""))


def _plot(part: Part) -> Plot2D:
    curves = [one for one in part.parts("listOfCurves") if one.tag == "curve"]
    return Plot2D(
        part.text("id"),
        tuple(_curve(one) for one in curves),
        part.element.get("name", ""),
        _is_log(part, curves, "x"),
        _is_log(part, curves, "y"),
    )


def _curve(part: Part) -> Curve:
    name = part.element.get("name", "")
    return Curve(part.text("xDataReference"), part.text("yDataReference"), name)


def _is_log(part: Part, curves: list[Part], axis: str) -> bool:
    """On the axis since Version 4, on every curve before."""
    own = part.child(f"{axis}Axis")
    if own is not None:
        return own.element.get("type", "linear") == "log10"
    return any(one.is_true(f"log{axis.upper()}", otherwise=False) for one in curves)
