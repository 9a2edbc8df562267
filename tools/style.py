"""Print the numbers of our code beside the best seen elsewhere: a compass, not a gate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

SOURCE = Path(__file__).resolve().parent.parent / "src" / "cellula"
SHOWN = 3
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Measured:
    """One function: where it is and its numbers."""

    where: str
    lines: int
    cyclomatic: int
    parameters: int
    is_annotated: bool
    is_public: bool
    is_documented: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: ours beside the compass, with the farthest from it."""

    what: str
    ours: str
    compass: str
    farthest: str


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions defined inside it."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))


def cyclomatic(function: Function) -> int:
    """McCabe's number: one more than the decisions."""
    count = 1
    for node in own_nodes(function):
        if isinstance(node, BRANCHES):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
    return count


def parameters(function: Function) -> list[ast.arg]:
    """The parameters without self and cls."""
    listed = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    listed += [arg for arg in (function.args.vararg, function.args.kwarg) if arg]
    return [arg for arg in listed if arg.arg not in {"self", "cls"}]


def measure(function: Function, where: str) -> Measured:
    """The numbers of one function."""
    given = parameters(function)
    return Measured(
        where=f"{where}:{function.lineno} {function.name}",
        lines=(function.end_lineno or function.lineno) - function.lineno + 1,
        cyclomatic=cyclomatic(function),
        parameters=len(given),
        is_annotated=function.returns is not None and all(arg.annotation for arg in given),
        is_public=not function.name.startswith("_"),
        is_documented=ast.get_docstring(function) is not None,
    )


def documented(tree: ast.Module, where: str) -> Iterator[tuple[str, bool]]:
    """Every public module, class and function (not nested in a function): has it a docstring?"""
    yield where, ast.get_docstring(tree) is not None
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{where}:{node.lineno} {node.name}", ast.get_docstring(node) is not None
            if isinstance(node, ast.ClassDef):
                pending.extend(node.body)


def forbidden(tree: ast.Module, where: str) -> Iterator[str]:
    """``except Exception``, ``print`` outside the command line, ``global``."""
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception")
        ):
            name = "except Exception"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = "print" if node.func.id == "print" and not where.startswith("cli/") else ""
        elif isinstance(node, ast.Global):
            name = "global"
        if name:
            yield f"{where}:{getattr(node, 'lineno', 0)} {name}"


def worst(pairs: list[tuple[int, str]], over: int) -> str:
    """The largest few above a bound, in words."""
    above = sorted((pair for pair in pairs if pair[0] > over), reverse=True)
    more = f" and {len(above) - SHOWN} more" if len(above) > SHOWN else ""
    return ", ".join(f"{where} ({number})" for number, where in above[:SHOWN]) + more


def share(flags: list[tuple[str, bool]]) -> tuple[str, str]:
    """Percentage of True, and the first few that are not."""
    missing = [where for where, flag in flags if not flag]
    percent = 100 * (1 - len(missing) / max(len(flags), 1))
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"{percent:.1f} %", ", ".join(missing[:SHOWN]) + more


def rows(source: Path) -> list[Row]:
    """The whole table of one source tree."""
    files: list[tuple[int, str]] = []
    functions: list[Measured] = []
    docs: list[tuple[str, bool]] = []
    found: list[str] = []
    for path in sorted(source.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        where, tree = path.relative_to(source).as_posix(), ast.parse(text)
        if text.count("\n") > 1:
            files.append((text.count("\n"), where))
        functions += [measure(n, where) for n in ast.walk(tree) if isinstance(n, Function)]
        docs += documented(tree, where)
        found += forbidden(tree, where)
    long = [f for f in functions if f.lines > 50]
    annotated = share([(f.where, f.is_annotated) for f in functions])
    described = share(docs)
    by = {
        name: [(getattr(f, name), f.where) for f in functions]
        for name in ("lines", "cyclomatic", "parameters")
    }
    return [
        Row("files", str(len(files)), "", ""),
        Row("file, longest", str(max(files)[0]), "<= 400 lines", worst(files, 400)),
        Row("file, median", f"{median(n for n, _ in files):g}", "<= 150 lines", ""),
        Row("functions", str(len(functions)), "", ""),
        Row("function, median", f"{median(f.lines for f in functions):g}", "<= 10 lines", ""),
        Row(
            "functions over 50 lines",
            f"{100 * len(long) / len(functions):.1f} %",
            "<= 1 %",
            worst(by["lines"], 50),
        ),
        Row(
            "cyclomatic, highest", _highest(by["cyclomatic"]), "<= 10", worst(by["cyclomatic"], 10)
        ),
        Row("parameters, most", _highest(by["parameters"]), "<= 6", worst(by["parameters"], 6)),
        Row("annotated", annotated[0], "100 %", annotated[1]),
        Row("documented", described[0], "100 %", described[1]),
        Row("forbidden words", str(len(found)), "0", ", ".join(found[:SHOWN])),
    ]


def _highest(pairs: list[tuple[int, str]]) -> str:
    return str(max(pairs)[0])


def main() -> None:
    """Print the table."""
    table = Table("", "ours", "compass", "farthest from it")
    for row in rows(SOURCE):
        table.add_row(row.what, row.ours, row.compass, row.farthest)
    Console().print(table)


if __name__ == "__main__":
    main()
