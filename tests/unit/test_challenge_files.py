"""Submissions to the challenges as files: every violation is listed, and both ways keep all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.challenge_rules import violations_2025, violations_2026
from cellula.io.conversion import convert
from cellula.io.formats import read
from cellula.io.h5ad import H5ad
from cellula.io.vcc2025 import Vcc2025File
from cellula.io.vcc2026 import Vcc2026File


def counted(labels: list[str], context: str = "A") -> AnnData:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"target_gene": labels, "context": context}).astype("category")
    obs.index = obs.index.astype(str)
    counts = sp.csr_matrix(rng.poisson(1, size=(len(labels), 6)).astype(np.float32))
    return AnnData(counts, obs, pd.DataFrame(index=[f"g{k}" for k in range(6)]))


def submission_2026() -> AnnData:
    return counted(["g0", "g1"] * 400)


def submission_2025() -> AnnData:
    content = counted(["g0", "non-targeting"] * 30)
    del content.obs["context"]
    content.X.data = np.log1p(content.X.data * np.float32(0.7))
    return content


def changed(change: Callable[[AnnData], None], content: AnnData) -> AnnData:
    change(content)
    return content


def relabelled(content: AnnData) -> None:
    labels = content.obs["target_gene"].astype(str).to_numpy()
    labels[:5] = "non-targeting"
    content.obs["target_gene"] = labels


BROKEN_2026: dict[str, tuple[Callable[[AnnData], None], tuple[str, ...]]] = {
    "fraction": (lambda c: c.X.data.__setitem__(0, 0.5), ("1 values of X are no whole counts",)),
    "negative": (lambda c: c.X.data.__setitem__(0, -1), ("1 values of X are negative",)),
    "nan": (lambda c: c.X.data.__setitem__(0, np.nan), ("not finite",)),
    "dense": (lambda c: setattr(c, "X", c.X.toarray()), ("not sparse by rows",)),
    "context": (lambda c: c.obs.pop("context"), ("obs has no column 'context'",)),
    "target": (lambda c: c.obs.pop("target_gene"), ("obs has no column 'target_gene'",)),
    "controls": (
        relabelled,
        ("5 cells are controls", "2 perturbation(s) have not 400 cells: A g0: 397, A g1: 398"),
    ),
    "more": (lambda c: c.obs.insert(0, "batch", 1), ("obs holds more columns: batch",)),
    "layers": (lambda c: c.layers.__setitem__("raw", c.X), ("it holds layers raw",)),
    "names": (lambda c: setattr(c, "var_names", ["g0"] * 6), ("gene names are not unique",)),
}
BROKEN_2025: dict[str, tuple[Callable[[AnnData], None], tuple[str, ...]]] = {
    "counts": (lambda c: setattr(c, "X", c.X.ceil()), ("whole numbers only",)),
    "large": (lambda c: c.X.data.__setitem__(0, 17.5), ("X holds 17.5, no log(1 + x)",)),
    "half": (lambda c: setattr(c, "X", c.X.astype(np.int64)), ("expected float32 or float64",)),
    "no controls": (lambda c: c.obs.__setitem__("target_gene", "g0"), ("no cell is a control",)),
    "more": (lambda c: c.obs.insert(0, "batch", 1), ("obs holds more columns: batch",)),
}


def test_an_accepted_submission_has_no_violation() -> None:
    assert violations_2026(submission_2026()) == ()
    assert violations_2025(submission_2025()) == ()


@pytest.mark.filterwarnings("ignore:.*names are not unique")
@pytest.mark.parametrize("case", BROKEN_2026)
def test_every_violation_of_2026_is_listed(case: str, tmp_path: Path) -> None:
    change, expected = BROKEN_2026[case]
    content = changed(change, submission_2026())
    found = violations_2026(content)
    assert len(found) == len(expected)
    assert all(words in line for words, line in zip(expected, found, strict=True))
    with pytest.raises(DataError, match=f"breaks {len(found)} rule"):
        Vcc2026File().write(content, tmp_path / "x.vcc2026.h5ad")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", BROKEN_2025)
def test_every_violation_of_2025_is_listed(case: str, tmp_path: Path) -> None:
    change, expected = BROKEN_2025[case]
    content = changed(change, submission_2025())
    found = violations_2025(content)
    assert len(found) == len(expected)
    assert all(words in line for words, line in zip(expected, found, strict=True))
    with pytest.raises(DataError, match=f"breaks {len(found)} rule"):
        Vcc2025File().write(content, tmp_path / "x.vcc")


def test_several_violations_are_told_at_once(tmp_path: Path) -> None:
    content = counted(["g0"] * 3 + ["non-targeting"])
    content.X.data[0] = 0.5
    H5ad().write(content, tmp_path / "upload.h5ad")
    with pytest.raises(DataError, match=r"breaks 3 rule.*no whole.*controls.*not 400"):
        read(tmp_path / "upload.h5ad", "vcc2026")


def test_a_conversion_takes_what_the_format_has_no_place_for(tmp_path: Path) -> None:
    content = submission_2026()
    content.obs["batch"] = 1
    content.layers["spliced"] = content.X.copy()
    H5ad().write(content, tmp_path / "full.h5ad")
    out = tmp_path / "upload.h5ad"
    with pytest.raises(DataError, match="cannot hold layers spliced; obs columns batch"):
        convert(tmp_path / "full.h5ad", out, to="vcc2026")
    done = convert(tmp_path / "full.h5ad", out, to="vcc2026", is_cut=True)
    assert (done.target, done.profiles, done.readouts) == ("vcc2026", 800, 6)
    assert violations_2026(read(out)) == ()


def test_a_packed_submission_is_a_tar_of_two_members(tmp_path: Path) -> None:
    content = submission_2025()
    for name in ("a.vcc", "b.vcc"):
        Vcc2025File().write(content, tmp_path / name)
    assert (tmp_path / "a.vcc").read_bytes() == (tmp_path / "b.vcc").read_bytes()
    with tarfile.open(tmp_path / "a.vcc") as archive:
        assert archive.getnames() == ["pred.h5ad.zst", "watermark.txt"]
        mark = archive.extractfile("watermark.txt")
        assert mark is not None
        assert mark.read() == b"vcc-prep"
    again = read(tmp_path / "a.vcc")
    np.testing.assert_array_equal(again.X.toarray(), content.X.toarray())
    pd.testing.assert_frame_equal(again.obs, content.obs)


@pytest.mark.parametrize("mark", [b"other", None])
def test_a_tar_of_something_else_is_refused(mark: bytes | None, tmp_path: Path) -> None:
    members = {"pred.h5ad.zst": b"no zstandard", "watermark.txt": mark}
    with tarfile.open(tmp_path / "x.vcc", "w") as archive:
        for name, data in members.items():
            if data is not None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    with pytest.raises(DataError, match="watermark"):
        read(tmp_path / "x.vcc")


def test_a_watermark_with_damaged_cells_is_refused(tmp_path: Path) -> None:
    packed = pa.compress(b"no hdf5", "zstd", asbytes=True)
    with tarfile.open(tmp_path / "x.vcc", "w") as archive:
        for name, data in {"pred.h5ad.zst": packed, "watermark.txt": b"vcc-prep"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(DataError, match=r"x\.vcc.*damaged"):
        read(tmp_path / "x.vcc")
