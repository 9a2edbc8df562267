"""The reader kit passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, final

import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.testing import NotConformant, ReaderConformance

MAGIC = b"TOY\0"


def read_toy(path: Path, fault: str) -> pd.DataFrame:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        if fault == "missing":
            raise
        raise DataError(f"{path} is not there") from error
    if fault == "believes" and not raw.startswith(MAGIC):
        return pd.DataFrame()
    if not raw.startswith(MAGIC):
        raise DataError("no toy" if fault == "mute" else f"{path.name} is no toy file")
    try:
        columns = json.loads(raw[len(MAGIC) :])
    except ValueError as error:
        if fault == "truncated":
            return pd.DataFrame()
        raise DataError(f"{path.name} is damaged") from error
    frame = pd.DataFrame(columns)
    return frame.iloc[:-1] if fault == "loses" else frame


def write_toy(content: Any, path: Path, fault: str) -> None:
    if not isinstance(content, pd.DataFrame) or fault == "refuses_all":
        if fault == "half":
            path.write_bytes(MAGIC)
        raise DataError("a toy file holds a table")
    path.write_bytes(MAGIC + json.dumps(content.to_dict("list")).encode())
    if fault == "scratch":
        (path.parent / f".{path.name}.part").write_bytes(b"")


def toy(fault: str = "", **changed: Any) -> type:
    @final
    class Toy:
        name: ClassVar[str] = "toy"
        suffixes: ClassVar[tuple[str, ...]] = (".toy",)

        def read(self, path: Path) -> pd.DataFrame:
            return read_toy(path, fault)

        def write(self, content: Any, path: Path) -> None:
            write_toy(content, path, fault)

    for name, value in changed.items():
        setattr(Toy, name, value)
    return Toy


def test_a_correct_reader_and_writer_pass(tmp_path: Path) -> None:
    ReaderConformance(toy(), toy()).check(tmp_path)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("missing", "a missing file is a DataError"),
        ("believes", "a file of noise is a DataError"),
        ("mute", "names the file"),
        ("truncated", "a truncated file is a DataError"),
        ("loses", "read back equal"),
        ("half", "leaves no file"),
        ("refuses_all", "accepts one content"),
        ("scratch", "no scratch file"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(NotConformant, match=rule):
        ReaderConformance(toy(fault), toy(fault)).check(tmp_path)


def test_wrong_suffixes_are_caught(tmp_path: Path) -> None:
    with pytest.raises(NotConformant, match="has its dot"):
        ReaderConformance(toy(suffixes=("toy",))).check(tmp_path)
    with pytest.raises(NotConformant, match="only what the reader reads"):
        ReaderConformance(toy(), toy(suffixes=(".other",))).check(tmp_path)
