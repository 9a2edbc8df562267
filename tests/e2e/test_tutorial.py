"""The tutorial, followed literally: every command of the page, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellula.data.catalogue import source as catalogue

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
#: A fenced block: what it is, and what stands in it.
BLOCK = re.compile(r"^```(\{code-block\} \w+|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r":caption: (\S+)\n\n")
EXIT_CODE = re.compile(r" +# exit code (\d+)$", re.MULTILINE)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """What each block is for: (file name, content) or ("", commands)."""
    for kind, text in BLOCK.findall(page):
        caption = CAPTION.match(text)
        if kind == "sh":
            yield "", text
        elif caption:
            yield caption[1], text[caption.end() :]


def script(text: str) -> str:
    """Commands that stop at the first surprise: an exit code other than the page promises."""
    lines = ["set -euxo pipefail"]
    for line in text.splitlines():
        promised = EXIT_CODE.search(line)
        if promised is None:
            lines.append(line)
            continue
        command = line[: promised.start()]
        lines.append(f"code=0; {command} || code=$?; [ $code -eq {promised[1]} ]")
    return "\n".join(lines)


def test_the_page_is_read_as_it_is_meant() -> None:
    page = "```sh\na\nb  # exit code 2\nc\n```\n"
    page += "```{code-block} toml\n:caption: x.toml\n\ny = 1\n```\n"
    (_, text), (name, content) = blocks(page)
    promised = "code=0; b || code=$?; [ $code -eq 2 ]"
    assert script(text).splitlines() == ["set -euxo pipefail", "a", promised, "c"]
    assert (name, content) == ("x.toml", "y = 1\n")


@pytest.mark.parametrize(("line", "expected"), [("(exit 2)  # exit code 2", 0), ("(exit 2)", 2)])
def test_a_surprise_stops_the_page(line: str, expected: int) -> None:
    assert subprocess.run(["bash", "-c", script(line)], check=False).returncode == expected


@pytest.mark.requirement("R7")
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    if catalogue.cached(catalogue.source("gdsc")) is None:
        pytest.skip("the GDSC data are not cached: fetch them with `cellula data get gdsc`")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(catalogue.default_cache().parents[1]),
    }
    folder = tmp_path / "tutorial"
    folder.mkdir()
    found = list(blocks(PAGE.read_text(encoding="utf-8")))
    for name, content in found:
        if name:
            (folder / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", script("".join(text for name, text in found if not name))],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert "Traceback" not in told
