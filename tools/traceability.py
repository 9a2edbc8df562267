"""Print which tests cover which requirement, and which must-have has none.

The ids stand in ``docs/requirements.csv``; a test cites them with
``@pytest.mark.requirement("D3")``. An id that is not in the list is an error.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "requirements.csv"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the list; level is ``M`` (must) or ``S`` (should)."""

    id: str
    level: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Citations:
    """A pytest plug-in that keeps the tests of every cited id, in the order of collection."""

    tests: dict[str, list[str]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Read the marks of every collected test."""
        for item in items:
            test = item.nodeid.split("[")[0]
            for mark in item.iter_markers("requirement"):
                for name in mark.args:
                    known = self.tests.setdefault(str(name), [])
                    if test not in known:
                        known.append(test)


def requirements(path: Path = LIST) -> tuple[Requirement, ...]:
    """The list of requirements in its order."""
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(Requirement(**row) for row in csv.DictReader(lines))


def collected() -> Mapping[str, Sequence[str]]:
    """Requirement id -> its tests, from a collection that runs none of them.

    Raises SystemExit with pytest's words when the collection fails.
    """
    citations, told = Citations(), StringIO()
    with redirect_stdout(told):
        code = pytest.main(["--collect-only", "-q", str(ROOT / "tests")], plugins=[citations])
    if code != pytest.ExitCode.OK:
        raise SystemExit(told.getvalue())
    return citations.tests


def matrix(
    wanted: Iterable[Requirement], tests: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """The lines of the matrix, and the ids that are cited but not in the list."""
    wanted = tuple(wanted)
    lines: list[str] = []
    for one in wanted:
        found = tests.get(one.id, ())
        files = sorted({test.split("::")[0].removeprefix("tests/") for test in found})
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        lines.append(f"{one.id:4} {one.level} {len(found):4}  {shown or '-'}")
    for level, word in (("M", "must"), ("S", "should")):
        ids = [one.id for one in wanted if one.level == level]
        without = [name for name in ids if not tests.get(name)]
        covered = len(ids) - len(without)
        lines.append(f"\n{word}: {covered} of {len(ids)} have a test")
        if without:
            lines.append(f"  without: {' '.join(without)}")
    return lines, sorted(set(tests) - {one.id for one in wanted})


def main() -> None:
    """Print the matrix; exit 1 on an id that nobody has heard of."""
    tests = collected()
    lines, unknown = matrix(requirements(), tests)
    sys.stdout.write("\n".join(["id   l tests", *lines, ""]))
    if unknown:
        cited = "\n".join(f"  {name}: {', '.join(tests[name])}" for name in unknown)
        raise SystemExit(f"cited, but not in {LIST.relative_to(ROOT)}:\n{cited}")


if __name__ == "__main__":
    main()
