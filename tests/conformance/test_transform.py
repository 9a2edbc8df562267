"""Every registered transform keeps the rules of its contract."""

from __future__ import annotations

from typing import Any

import pytest

from cellula.core import registry
from cellula.core.errors import MissingExtra
from cellula.core.run import RunContext
from cellula.testing import TransformConformance
from cellula.testing.examples import examples

#: Networks train for a moment; what they learn is not asked here.
QUICK: dict[str, Any] = {"train": {"epochs": 2}, "label_epochs": 2, "is_embedding_only": False}
#: Those that bring two modalities together.
JOINT = {"multivi": "atac", "totalvi": "protein"}


def quick(plugin: Any) -> dict[str, Any]:
    fields = plugin.options_type.model_fields
    return {key: QUICK[key] for key in QUICK if "train" in fields and key in fields}


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("name", registry.names("transform"))
def test_transform(name: str, run: RunContext) -> None:
    try:
        plugin = registry.load("transform", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    data = examples()
    if name in JOINT:
        from cellula.testing.multimodal import two_counts

        data = {"two_counts": two_counts(JOINT[name])}
    TransformConformance(plugin, quick(plugin), data).check(run)
