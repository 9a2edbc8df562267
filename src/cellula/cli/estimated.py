"""What ``cellula estimate`` reads and writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cellula.core.model import Options
    from cellula.core.optimisation import Optimiser
    from cellula.core.petab import PetabProblem
    from cellula.models.mechanistic.petab_fit import Estimation, EstimationOptions

__all__ = ["checked", "files", "read_problem", "require_free", "result"]

RESULT = "estimate.json"
Checked = TypeVar("Checked", bound="Options")


def read_problem(path: Path) -> PetabProblem:
    """A PEtab problem. Raises DataError on a file of another kind."""
    from cellula.core.errors import DataError
    from cellula.core.petab import PetabProblem
    from cellula.io.formats import read

    found = read(path, "petab") if path.suffix in {".yaml", ".yml"} else read(path)
    if not isinstance(found, PetabProblem):
        raise DataError(f"{path} is no PEtab problem; expected its YAML file")
    return found


def checked(kind: type[Checked], given: Mapping[str, object]) -> Checked:
    """Options from the command line. Raises StudyError listing every unknown or wrong one."""
    from pydantic import ValidationError

    from cellula.core.errors import StudyError

    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        raise StudyError(
            f"options are wrong (there are: {known}):",
            [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']} (found {item['input']!r})"
                for item in error.errors()
            ],
        ) from error


def require_free(folder: Path, *, is_replaced: bool) -> None:
    """Raise StudyError where a result is already there and is not to be replaced."""
    from cellula.core.errors import StudyError

    if not is_replaced and (folder / RESULT).exists():
        raise StudyError(f"{folder} holds a result; name another folder or give --force")


def result(
    found: Estimation, optimiser: Optimiser, options: EstimationOptions, seed: int
) -> dict[str, Any]:
    """All of an estimation as JSON; what is not finite is null."""
    best = found.fit
    return {
        "problem": found.objective.problem.id,
        "objective": best.value,
        "nominal": _finite(found.nominal),
        "parameters": _parameters(found),
        "waterfall": [_finite(float(one)) for one in best.waterfall],
        "descents": [
            {
                "start": one.number,
                "objective": _finite(one.value),
                "evaluations": one.minimum.evaluations,
                "failures": one.minimum.failures + one.redrawn,
                "is_converged": one.minimum.is_converged,
                "reason": one.minimum.reason,
            }
            for one in best.descents
        ],
        "agreement": best.agreement,
        "evaluations": best.evaluations,
        "failures": best.failures,
        "null_directions": [dict(one.shares) for one in found.trade_offs],
        "profiles": [
            {"id": one.id, "at": one.at.tolist(), "objective": one.values.tolist()}
            for one in found.profiles
        ],
        "optimiser": {
            "name": optimiser.name,
            "version": getattr(optimiser, "version", ""),
            "options": optimiser.options.model_dump(mode="json"),
        },
        "options": options.model_dump(mode="json"),
        "seed": seed,
    }


def _parameters(found: Estimation) -> list[dict[str, Any]]:
    findings = {one.id: one for one in found.findings}
    bounds = set(found.at_bound)
    told = []
    for one in found.objective.estimated:
        row = {
            "id": one.id,
            "value": found.parameters[one.id],
            "scale": one.scale,
            "bounds": [one.lower, one.upper],
            "is_at_bound": one.id in bounds,
        }
        if one.id in findings:
            said = findings[one.id]
            row |= {
                "identifiability": said.kind,
                "interval": [said.lower, said.upper],
                "words": said.words,
            }
        told.append(row)
    return told


def files(found: Estimation, record: Mapping[str, Any]) -> dict[str, bytes]:
    """The result and the figures: name -> bytes."""
    import json

    from cellula.models.mechanistic.fitting import CLOSE
    from cellula.report.profile_panels import ProfilePanel, profile_panels
    from cellula.report.waterfall import waterfall

    title = found.objective.problem.id
    made = {
        RESULT: (json.dumps(record, indent=1, allow_nan=False) + "\n").encode(),
        "waterfall.svg": waterfall(list(found.fit.waterfall), title, CLOSE).encode(),
    }
    scales = {one.id: one.scale for one in found.objective.estimated}
    optimum = dict(zip(found.objective.ids, map(float, found.fit.optimum), strict=True))
    panels = [
        ProfilePanel(
            one.id,
            "" if scales[one.id] == "lin" else scales[one.id],
            one.at.tolist(),
            (one.values - one.best).tolist(),
            one.threshold,
            optimum[one.id],
            one.lower,
            one.upper,
            said.words,
        )
        for one, said in zip(found.profiles, found.findings, strict=True)
    ]
    if panels:
        made["profiles.svg"] = profile_panels(panels, title).encode()
    return made


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
