"""Thirds of responses by their size."""

from __future__ import annotations

import numpy as np

from cellula.evaluation.thirds import thirds_of


def test_thirds_by_size_whatever_the_order() -> None:
    sizes = np.array([5.0, 1.0, np.nan, 3.0, 4.0, 2.0])
    assert thirds_of(sizes).tolist() == ["large", "small", "small", "medium", "large", "medium"]
    assert thirds_of(np.array([2.0])).tolist() == ["small"]
    assert thirds_of(np.empty(0)).tolist() == []
