"""GEO series matrices: values, characteristics by sample, and files that are not whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.geo_series_matrix import GeoSeriesMatrix

TEXT = """\
!Series_title\t"Response to 5 µM"
!Series_relation\t"BioProject: 1"
!Series_relation\t"SRA: 2"
!Series_supplementary_file\t"ftp://x/GSE1_counts.tsv.gz"

!Sample_title\t"liver, treated"\t"kidney"\t"liver"
!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"
!Sample_characteristics_ch1\t"tissue: liver"\t"tissue: kidney"\t"age: 71"
!Sample_characteristics_ch1\t"age: 60"\t""\t"tissue: liver"
!Sample_characteristics_ch2\t"tissue: pool"\t"tissue: pool"\t"tissue: pool"
!Sample_data_processing\t"RMA"\t"RMA"\t"RMA"
!Sample_data_processing\t"log2"\t"log2"\t""
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"
"0012_at"\t1.5\tnull\t-3
"1007_s_at"\t2\t4\t
!series_matrix_table_end
"""


def made(folder: Path, text: str = TEXT, name: str = "GSE1_series_matrix.txt.gz") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.mark.requirement("D11")
def test_values_and_samples_through_the_name_that_geo_gives(tmp_path: Path) -> None:
    data = read(made(tmp_path))
    assert isinstance(data, AnnData)
    np.testing.assert_array_equal(data.X, [[1.5, 2], [np.nan, 4], [-3, np.nan]])
    assert data.var_names.tolist() == ["0012_at", "1007_s_at"]
    assert data.obs_names.tolist() == ["GSM1", "GSM2", "GSM3"]
    assert data.obs["tissue"].tolist() == ["liver", "kidney", "liver"]
    assert data.obs["age"].fillna(0).tolist() == [60, 0, 71]
    assert data.obs["tissue_ch2"].tolist() == ["pool"] * 3
    assert data.obs["data_processing"].tolist() == ["RMA | log2", "RMA | log2", "RMA"]
    assert data.obs["title"].tolist()[0] == "liver, treated"
    assert data.uns["series"]["relation"] == "BioProject: 1 | SRA: 2"


def test_older_files_are_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "old.series_matrix.txt"
    path.write_bytes(TEXT.encode("latin-1"))
    assert GeoSeriesMatrix().read(path).uns["series"]["title"] == "Response to 5 µM"


ROWS = TEXT[TEXT.index('"0012') : TEXT.index("!series_matrix_table_end")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT[: TEXT.index('"1007')], "no line !series_matrix_table_end"),
        (TEXT.replace("!series_matrix_table_begin", ""), "no GEO series matrix"),
        (TEXT.replace(ROWS, ""), "GSE1_counts.tsv.gz"),
        (TEXT.replace('"GSM1"\t"GSM2"\t"GSM3"\n"0', '"GSM2"\t"GSM1"\t"GSM3"\n"0'), "other order"),
        (TEXT.replace('\t"age: 71"', ""), "Sample_characteristics_ch1 has 2 values for 3"),
        (TEXT.replace("1.5", "high"), "'GSM1' holds 'high'"),
        (TEXT.replace("1007_s_at", "0012_at"), "'0012_at' occurs more than once"),
        (TEXT.replace("2\t4\t\n", "2\t4\n"), "damaged or cut short"),
    ],
)
def test_what_is_not_whole_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        GeoSeriesMatrix().read(made(tmp_path, text))
    assert "GSE1_series_matrix" in str(caught.value)
