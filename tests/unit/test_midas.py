"""MIDAS tables become conditions x times x readouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.io.midas import Midas

CUES = "TR:Toy:CellLine,TR:EGF,TR:TNF:Stimuli,TR:PI3Ki,TR:MEK:Inhibitors"
HEADER = f"{CUES},DA:Akt,DA:Erk,DV:Akt,DV:Erk"
TEXT = f"""{HEADER}
1,1,0,0,0,0,0,0,0
1,1,0,1,0,0,0,0,0.1
1,1,0,0,0,10,10,0.9,0.8
1,1,0,0,0,10,10,0.7,NaN
1,1,0,1,0,10,30,0.2,0.5
"""


def made(folder: Path, text: str = TEXT) -> Path:
    path = folder / "toy.midas.csv"
    path.write_text(text)
    return path


@pytest.mark.requirement("S2", "S3")
def test_cues_times_and_repeats(tmp_path: Path) -> None:
    found = Midas().read(made(tmp_path))
    assert found.stimuli == ("EGF", "TNF")
    assert found.inhibitors == ("PI3K", "MEK")
    assert found.readouts == ("Akt", "Erk")
    assert found.stimulated.tolist() == [[True, False], [True, False]]
    assert found.inhibited.tolist() == [[False, False], [True, False]]
    assert found.times.tolist() == [0, 10, 30]
    expected = [[[0, 0], [0.8, 0.8], [np.nan] * 2], [[0, 0.1], [0.2, np.nan], [np.nan, 0.5]]]
    np.testing.assert_allclose(found.values, expected)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("DV:", "XX:", "4 cues (TR:) and 0 values (DV:)"),
        ("1,1,0,1,0,10,30", "1,1,0,2,0,10,30", "'TR:PI3Ki' is not 0 or 1"),
        ("1,1,0,1,0,10,30", "1,1,0,,0,10,30", "'TR:PI3Ki' is not 0 or 1"),
        ("1,1,0,1,0,10,30", "0,1,0,1,0,10,30", "more than one cell line"),
        ("DA:Erk", "DA:Other", "'DV:Erk' has no time"),
        ("0.2,0.5", "0.2,high", "'DV:Erk' has 'high', which is no number"),
        (",10,30,", ",10,,", "a value of 'DV:Erk' has no time"),
        ("TNF:Stimuli", "TNF:Cytokine", "is a 'Cytokine'; expected Stimuli"),
    ],
)
def test_what_is_no_midas_table_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        Midas().read(made(tmp_path, TEXT.replace(old, new)))
    assert told in str(caught.value)
    assert "toy.midas.csv" in str(caught.value)
