"""Runs the program of a PySB model and writes the model as .bngl; knows nothing of cellula."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(question: str, answer: str) -> None:
    """Read what is asked, run it, write what is answered."""
    from pysb import Model
    from pysb.export import export

    asked = json.loads(Path(question).read_text())
    found: Any = runpy.run_path(asked["path"]).get("model")
    if not isinstance(found, Model):
        sys.exit(f"the program defines no PySB model called 'model', but {type(found).__name__}")
    Path(answer).write_text(json.dumps({"bngl": export(found, "bngl")}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
