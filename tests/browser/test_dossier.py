"""The dossier in a real browser: wide, narrow and dark, measured, not only looked at."""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path

import pytest

from browser.measured import browse, measure

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from dossier_example import corrected_batches, example_files, example_ledger, example_versions

from cellula.report.dossier import render
from cellula.report.record import read_record

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def page() -> str:
    return render(read_record(example_files(4000), example_ledger()))


@pytest.fixture(scope="module")
def whole() -> str:
    """A page that has every section and figure: several versions, batches corrected."""
    files = example_files(1200)
    batch = json.loads(files["evidence/batch-data.json"])
    batch["payload"] = corrected_batches() | {
        "is_applicable": True, "is_confounded": False, "is_shifted": False, "n_batches": 4,
        "p_value": 0.002, "variance_explained": 0.015, "confounding": 0.1, "alpha": 0.01,
        "min_variance_explained": 0.02, "reason": "1,720 control profiles; unit: donor (12)",
    }  # fmt: skip
    files["evidence/batch-data.json"] = json.dumps(batch).encode()
    return render(read_record(files, example_versions()))


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_readable(page: str, tmp_path: Path, width: int, scheme: str) -> None:
    dark = ("--force-dark-mode",) if scheme == "dark" else ()
    found = measure(page, tmp_path, width, *dark)
    assert found["width"] == width
    assert found["content"] <= width, "the page scrolls sideways"
    assert found["outside"] == []
    assert found["clashes"] == [], "labels of a figure overlap or leave it"
    assert found["faint"] == [], "text with a contrast below 4.5"
    assert found["smallest"] >= 10.5
    assert found["figures"] >= 8
    assert found["wide"] == (found["figures"] if width == 1280 else 0)
    assert (found["paper"] < 0.05) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_versions_cautions_and_corrections_are_readable(
    whole: str, tmp_path: Path, width: int, scheme: str
) -> None:
    """The sections that the demo lacks; what is folded is opened and measured as well."""
    for part in ("Curve over versions", "caution", "mixing of batches", "with evidence in this"):
        assert part in whole
    found = measure(whole, tmp_path, width, *(("--force-dark-mode",) if scheme == "dark" else ()))
    assert {"cautions", "versions", "requirements"} <= set(found["sections"])
    assert found["content"] <= width, "the page scrolls sideways"
    assert (found["outside"], found["clashes"], found["faint"]) == ([], [], [])
    assert found["smallest"] >= 10.5
    assert found["folded"] < 0.9 * found["height"], "folding must make the page shorter"


@pytest.mark.parametrize("width", [1280, 390])
def test_before_the_run_it_is_readable_too(tmp_path: Path, width: int) -> None:
    bare = render(read_record({"study.json": example_files(120)["study.json"]}))
    found = measure(bare, tmp_path, width)
    assert (found["outside"], found["faint"]) == ([], [])
    assert found["content"] <= width


def test_the_probe_finds_what_is_wrong(page: str, tmp_path: Path) -> None:
    """Planted: a wide block, faint text, two labels on one another."""
    planted = (
        '<p style="width:900px;color:#bbb">faint and too wide</p><svg role="img" width="99" '
        'height="20"><text x="1" y="15">one</text><text x="3" y="15">two</text></svg></main>'
    )
    found = measure(page.replace("</main>", planted), tmp_path, 390)
    assert any("faint and too wide" in name for name in found["outside"])
    assert any("faint and too wide" in name for name in found["faint"])
    assert any("one" in name and "two" in name for name in found["clashes"])


def test_the_policy_allows_no_script(page: str, tmp_path: Path) -> None:
    """With its policy in place, even a script planted in the page does not run."""
    path = tmp_path / "page.html"
    planted = '<script>document.body.append("it ran")</script></body>'
    path.write_text(page.replace("</body>", planted), encoding="utf-8")
    assert "it ran</body>" not in browse(tmp_path, "--dump-dom", path.as_uri())
    path.write_text(f"<body>{planted}", encoding="utf-8")
    assert "it ran</body>" in browse(tmp_path, "--dump-dom", path.as_uri()), "no proof"


def test_it_prints(page: str, tmp_path: Path) -> None:
    source, picture, paper = (tmp_path / name for name in ("page.html", "page.png", "page.pdf"))
    source.write_text(page, encoding="utf-8")
    browse(tmp_path, "--window-size=1280,2000", f"--screenshot={picture}", source.as_uri())
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", source.as_uri())
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1280, 2000)
    assert paper.read_bytes().startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", paper.read_bytes()))
    assert 8 <= pages <= 24
