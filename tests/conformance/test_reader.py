"""Every registered reader, with the writer of its name, keeps the rules of its contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core import registry
from cellula.testing import ReaderConformance


@pytest.mark.requirement("S2")
@pytest.mark.parametrize("name", registry.names("reader"))
def test_reader(name: str, tmp_path: Path) -> None:
    writer = registry.load("writer", name) if name in registry.names("writer") else None
    ReaderConformance(registry.load("reader", name), writer).check(tmp_path)
