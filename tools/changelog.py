"""Write CHANGELOG.md from the fragments in ``changes/<version>/<noun>.<kind>.md``."""

from __future__ import annotations

import sys
from pathlib import Path

KINDS = {"added": "Added", "changed": "Changed", "fixed": "Fixed", "removed": "Removed"}
UNRELEASED = "unreleased"
HEAD = "# Changelog\n\nWritten by `make changelog` from the fragments in `changes/`.\n"


def version_key(name: str) -> tuple[int, ...]:
    """Sort key of a version folder: unreleased above all, then by number."""
    if name == UNRELEASED:
        return (sys.maxsize,)
    return tuple(int(part) for part in name.split("."))


def section(folder: Path) -> str:
    """One version: its fragments by kind, sorted by name."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        kind = path.stem.rsplit(".", 1)[-1]
        if kind not in found:
            raise SystemExit(f"{path}: kind {kind!r}; expected <noun>.<{'|'.join(KINDS)}>.md")
        text = " ".join(path.read_text(encoding="utf-8").split())
        if not text:
            raise SystemExit(f"{path} is empty; write what is different for a user")
        found[kind].append(f"- {text}")
    lines = [f"\n## {folder.name.capitalize()}"]
    for kind, items in found.items():
        if items:
            lines += [f"\n### {KINDS[kind]}", *items]
    return "\n".join(lines) + "\n"


def changelog(changes: Path) -> str:
    """The whole text, newest version first."""
    folders = [path for path in changes.iterdir() if path.is_dir()]
    folders.sort(key=lambda path: version_key(path.name), reverse=True)
    return HEAD + "".join(section(folder) for folder in folders)


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    (root / "CHANGELOG.md").write_text(changelog(root / "changes"), encoding="utf-8")
