"""Malformed tables: 540 cases through every reader of text, Parquet, ``check`` and ``describe``."""

from __future__ import annotations

import datetime
import gzip
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from malformed_cases import attempt, cases

from cellula.core.errors import DataError
from cellula.io.text_file import text_bytes
from cellula.testing.examples import ic50_table
from cellula.testing.malformed import damaged_bytes, damaged_text, require_legible

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from study_example import tree
from test_depmap_csv import EFFECT
from test_gct import NEW, OLD
from test_geo_series_matrix import TEXT as GEO
from test_hpa_table import LONG
from test_pytdc_table import PAIRS
from test_tcga_table import COUNTS, WIDE

MAF = "Hugo_Symbol\tTumor_Sample_Barcode\tt_depth\nTP53\tTCGA-OR-A5J1-01A\t30\n"
#: Name of a file -> a sound text of its format, and what stands between its fields.
TEXTS: Mapping[str, tuple[str, bytes]] = {
    "plain.csv": ("id,x,n,when\na,1.5,1,2020-01-01\nb,2.5,2,\n", b","),
    "plain.tsv.gz": ("id\tx\tn\na\t1.5\t1\nb\t\t2\n", b"\t"),
    "plain.txt": ("id;x;n\na;1.5;1\nb;;2\n", b";"),
    "new.gct": (NEW, b"\t"),
    "old.gct": (OLD, b"\t"),
    "one.series_matrix.txt": (GEO, b"\t"),
    "effect.depmap.csv": (EFFECT, b","),
    "tissue.tsv.zip": (LONG, b"\t"),
    "one.augmented_star_gene_counts.tsv": (COUNTS, b"\t"),
    "some.maf": (MAF, b"\t"),
    "wide.star_tpm.tsv.gz": (WIDE.replace(",", "\t"), b"\t"),
    "davis.tab": (PAIRS, b"\t"),
}


def packed(name: str, content: bytes) -> bytes:
    """The content as a file of this name holds it."""
    if name.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if name.endswith(".zip"):
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("table.tsv", content)
        return whole.getvalue()
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with studies of a wide table, of a long one and of features."""
    place = tmp_path_factory.mktemp("tables")
    (place / "wide.yaml").write_text(yaml.safe_dump(tree()))
    long = tree()
    long["data"][0] |= {"path": "long.csv", "readouts": ["value"]}
    long["data"][0]["columns"] = {"context": "context", "perturbation": "perturbation"}
    del long["data"][0]["layout"]
    (place / "long.yaml").write_text(yaml.safe_dump(long))
    long["data"][0]["path"] = "long.parquet"
    (place / "parquet.yaml").write_text(yaml.safe_dump(long))
    return place


def frames() -> Mapping[str, pd.DataFrame]:
    """The wide and the long form of a table of ln IC50."""
    data = ic50_table(n_contexts=8, n_perturbations=4)
    long = data.obs.astype(str).assign(value=data.dense()[:, 0]).reset_index(drop=True)
    wide = long.pivot(index="context", columns="perturbation", values="value")
    return {"wide": wide.rename_axis("line").reset_index(), "long": long}


CSV = {name: frame.to_csv(index=False).encode() for name, frame in frames().items()}


def test_sound_tables_are_read(folder: Path) -> None:
    for name, (text, _) in TEXTS.items():
        (folder / name).write_bytes(packed(name, text.encode()))
        assert attempt(folder, ["data", "describe", folder / name]) == 0, name
    (folder / "ic50.csv").write_bytes(CSV["wide"])
    (folder / "long.csv").write_bytes(CSV["long"])
    for study in ("wide", "long"):
        assert attempt(folder, ["check", folder / f"{study}.yaml"]) in {0, 2}


@cases(250)
@given(choice=st.data(), name=st.sampled_from(sorted(TEXTS)))
def test_250_texts_are_described_or_refused(folder: Path, choice: st.DataObject, name: str) -> None:
    text, separator = TEXTS[name]
    content = packed(name, choice.draw(damaged_text(text.encode(), separator)))
    (folder / name).write_bytes(content)
    attempt(folder, ["data", "describe", folder / name], name)


@cases(100)
@given(choice=st.data(), name=st.sampled_from(sorted(TEXTS)))
def test_100_files_of_damaged_bytes_are_described_or_refused(
    folder: Path, choice: st.DataObject, name: str
) -> None:
    whole = packed(name, TEXTS[name][0].encode())
    (folder / name).write_bytes(choice.draw(damaged_bytes(whole)))
    attempt(folder, ["data", "describe", folder / name], name)


@cases(40)
@given(choice=st.data(), name=st.sampled_from(["wide", "long"]))
def test_40_tables_of_a_study_are_checked_or_refused(
    folder: Path, choice: st.DataObject, name: str
) -> None:
    file = folder / {"wide": "ic50.csv", "long": "long.csv"}[name]
    file.write_bytes(choice.draw(damaged_text(CSV[name])))
    attempt(folder, ["check", folder / f"{name}.yaml"])


ODD_COLUMNS = (
    pa.array([[1, 2], None, []]),
    pa.array([{"a": 1}, None, {"a": 2}]),
    pa.array([b"\xff", b"a", None]),
    pa.array([datetime.date(2020, 1, 1)] * 3),
    pa.array([datetime.timedelta(1)] * 3),
    pa.array([None] * 3),
    pa.array([float("nan"), float("inf"), 1.0]),
    pa.array([2**63, 1, 2], pa.uint64()),
    pa.array(["a", "a", None]).dictionary_encode(),
    pa.array([True, None, False]),
    pa.array([1, 2, 3], pa.decimal128(5)),
    pa.array(["x" * 5000, "\x1b[31m", ""]),
    pa.array([10**9, 2, 3], pa.timestamp("ns", tz="UTC")),
    pa.array([1.0, 2.0, None], pa.float16()) if hasattr(pa, "float16") else pa.array([1.0] * 3),
)


@cases(75)
@given(
    names=st.lists(
        st.sampled_from(["context", "perturbation", "value", "value", "x", ""]),
        min_size=1,
        max_size=4,
    ),
    columns=st.lists(st.sampled_from(ODD_COLUMNS), min_size=4, max_size=4),
    is_checked=st.booleans(),
)
def test_75_odd_parquet_tables_are_checked_or_refused(
    folder: Path, names: list[str], columns: list[pa.Array], is_checked: bool
) -> None:
    file = folder / "long.parquet"
    pq.write_table(pa.Table.from_arrays(columns[: len(names)], names=names), file)
    if is_checked:
        attempt(folder, ["check", folder / "parquet.yaml"])
    else:
        attempt(folder, ["data", "describe", file], file.name)


@cases(75)
@given(choice=st.data())
def test_75_damaged_parquet_files_are_described_or_refused(
    folder: Path, choice: st.DataObject
) -> None:
    whole = io.BytesIO()
    frames()["long"].to_parquet(whole)
    file = folder / "long.parquet"
    file.write_bytes(choice.draw(damaged_bytes(whole.getvalue())))
    attempt(folder, ["data", "describe", file], file.name)


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.tsv.zip"])
def test_a_packed_table_is_unpacked_only_as_far_as_the_memory_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(packed(name, bytes(2**23)))
    monkeypatch.setattr("cellula.io.damage.total_memory", lambda: 2**22)
    with pytest.raises(DataError, match="says that it holds") as caught:
        text_bytes(tmp_path / name)
    require_legible(caught.value, name)
