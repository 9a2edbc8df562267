"""The dossier in a real browser: wide, narrow and dark, measured, not only looked at."""

from __future__ import annotations

import html
import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from dossier_example import corrected_batches, example_files, example_ledger, example_versions

from cellula.report.dossier import render
from cellula.report.record import read_record

pytestmark = pytest.mark.system

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip

#: Measures the laid-out page and writes the findings where --dump-dom shows them.
PROBE = """
<script>
addEventListener("load", () => {
  const seen = e => e.getClientRects().length > 0 && !e.closest(".unseen");
  const box = e => e.getBoundingClientRect();
  const name = e => e.tagName + ":" + e.textContent.trim().slice(0, 40);
  const pages = document.documentElement;
  const folded = pages.scrollHeight;
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  const outside = [...document.querySelectorAll("main *")].filter(e => seen(e)
    && !e.closest(".wrap:not(.stack), pre") && box(e).right > innerWidth + 1).map(name);
  const figures = [...document.querySelectorAll("svg[role=img]")].filter(seen);
  const clashes = [];
  for (const figure of figures) {
    const texts = [...figure.querySelectorAll("text")];
    for (const t of texts) {
      const a = box(t), f = box(figure);
      if (a.left < f.left - 1 || a.right > f.right + 1 || a.bottom > f.bottom + 1)
        clashes.push("outside " + name(t));
      for (const u of texts) {
        const b = box(u);
        if (t !== u && texts.indexOf(t) < texts.indexOf(u) && a.left < b.right - 1
          && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
          clashes.push(name(t) + " / " + name(u));
      }
    }
  }
  const light = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = e => { while (e) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; e = e.parentElement; } return "rgb(255, 255, 255)"; };
  const faint = [];
  let smallest = 99;
  for (const e of document.querySelectorAll("main *, nav a")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !seen(e)) continue;
    const style = getComputedStyle(e), inFigure = e.tagName === "text";
    const figure = inFigure && e.ownerSVGElement;
    const shrunk = inFigure ? box(figure).width / figure.width.baseVal.value : 1;
    smallest = Math.min(smallest, parseFloat(style.fontSize) * shrunk);
    const colours = [inFigure ? style.fill : style.color, behind(e)];
    const pair = colours.map(light).sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) faint.push(contrast.toFixed(1) + " " + name(e));
  }
  const found = {width: innerWidth, content: pages.scrollWidth, outside, clashes, faint, smallest,
    folded, sections: [...document.querySelectorAll("section")].map(e => e.id),
    figures: figures.length, wide: figures.filter(f => f.closest(".wide")).length,
    paper: light(getComputedStyle(document.body).backgroundColor),
    height: pages.scrollHeight};
  parent.postMessage(found, "*");
});
</script>
"""
#: A frame of the width to measure: a window of a browser without a screen is never narrow.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe src="page.html" width="{width}" height="1400" style="border:0"></iframe>
<script>addEventListener("message", event => {{
  const out = document.createElement("pre");
  out.id = "probe"; out.textContent = JSON.stringify(event.data); document.body.append(out);
}});</script>
"""


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


def browse(tmp_path: Path, *arguments: str) -> str:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: make system installs it")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, profile, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measure(text: str, tmp_path: Path, width: int, *more: str) -> dict[str, Any]:
    """Lay the page out at a width and hand back what the probe found."""
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert open_page != text
    probed = open_page.replace("</body>", PROBE + "</body>")
    (tmp_path / "page.html").write_text(probed, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    wait = "--virtual-time-budget=3000"
    dom = browse(tmp_path, "--window-size=1400,1500", wait, "--dump-dom", *more, frame.as_uri())
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
    assert found, "the probe did not run"
    measured: dict[str, Any] = json.loads(html.unescape(found[1]))
    return measured


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
