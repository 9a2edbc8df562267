"""The axon's prior with learned gates against a free network, under a block never trained on.

The table is what is asked for; it may say that the prior does not win.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.run import run_context
from cellula.models.hybrid.channel_block import BLOCKS, BlockRow, compare_under_block
from cellula.models.hybrid.membrane_training import MembraneOptions

SEEDS = 5


def told(rows: list[BlockRow]) -> str:
    one = rows[0]
    cells = [f"{r.mean:.2f} ({r.lower:.2f} to {r.upper:.2f})" for r in rows]
    if one.n == 1:
        cells = [f"{r.mean:.2f}" for r in rows]
    return f"| {one.channel} {one.share:.0%} | {one.model} | {' | '.join(cells)} |"


@pytest.mark.slow
@pytest.mark.requirement("K9", "K4")
def test_the_prior_under_unseen_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, _ = compare_under_block(SEEDS, MembraneOptions(), run_context(0, tmp_path))
    with capsys.disabled():
        print(f"\n| block | model ({SEEDS} seeds) | RMSE of V, mV | peak, mV | spikes |")
        print("|---|---|---|---|---|")
        for k in range(0, len(rows), 3):
            print(told(list(rows[k : k + 3])))
    assert len(rows) == 3 * 3 * len(BLOCKS)
    assert np.isfinite([one.mean for one in rows]).all()
    unblocked = {one.model: one for one in rows if one.share == 0 and one.measure == "rmse"}
    assert unblocked["prior"].mean < unblocked["free"].mean
