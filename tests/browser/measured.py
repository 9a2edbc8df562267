"""A page laid out in Chromium and measured there."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["browse", "measure"]

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
