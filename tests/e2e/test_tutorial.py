"""The tutorial, followed literally: every command of the page, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellula.data.catalogue import source as catalogue

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
#: A fenced block: what it is, and what stands in it.
BLOCK = re.compile(r"^```(\{code-block\} \w+|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r":caption: (\S+)\n\n")
EXIT_CODE = re.compile(r"  # exit code (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the page and the exit code that the page promises."""

    text: str
    exit_code: int


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """What each block is for: (file name, content) or ("", commands)."""
    for kind, text in BLOCK.findall(page):
        caption = CAPTION.match(text)
        if kind == "sh":
            yield "", text
        elif caption:
            yield caption[1], text[caption.end() :]


def commands(text: str) -> Iterator[Command]:
    """The commands of a block: those of one block up to the next that promises an exit code."""
    waiting: list[str] = []
    for line in text.splitlines():
        promised = EXIT_CODE.search(line)
        if promised is None:
            waiting.append(line)
            continue
        yield Command("\n".join(waiting), 0)
        waiting = []
        yield Command(line, int(promised[1]))
    yield Command("\n".join(waiting), 0)


def test_the_page_is_read_as_it_is_meant() -> None:
    page = (
        "```sh\na\nb  # exit code 2\nc\n```\n```{code-block} toml\n:caption: x.toml\n\ny = 1\n```\n"
    )
    (_, text), (name, content) = blocks(page)
    assert [*commands(text)] == [Command("a", 0), Command("b  # exit code 2", 2), Command("c", 0)]
    assert (name, content) == ("x.toml", "y = 1\n")


@pytest.mark.requirement("R7")
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    if catalogue.cached(catalogue.source("gdsc")) is None:
        pytest.skip("the GDSC data are not cached: fetch them with `cellula data get gdsc`")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(catalogue.default_cache().parent),
    }
    folder = tmp_path / "tutorial"
    folder.mkdir()
    for name, text in blocks(PAGE.read_text(encoding="utf-8")):
        if name:
            (folder / name).write_text(text, encoding="utf-8")
            continue
        for command in commands(text):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command.text],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            told = f"$ {command.text}\n{done.stdout}{done.stderr}"
            assert done.returncode == command.exit_code, told
            assert "Traceback" not in done.stderr, told
