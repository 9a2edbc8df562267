"""A second source for the drugs of the demo, which GDSC's table names by id only.

CCLE measured drugs of the same names in the same lines [barretina2012: doi:10.1038/nature11003].
Among all 265 drugs of GDSC the ids that the demo calls PLX4720, lapatinib and nutlin-3a must be
among those whose ln IC50 correlates best with CCLE's activity area. The agreement of the two
studies is weak [haibekains2013: doi:10.1038/nature12831], so that what is asked is a place among
the best three (by chance 1 %), not a correlation. CCLE has no dabrafenib (GDSC id 1373).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

STUDY = Path(__file__).parents[2] / "examples" / "gdsc" / "study.toml"
EXPLAINED = tomllib.loads(STUDY.read_text())["explain"]["perturbation"]
#: CCLE's name -> the GDSC ids that the demo study gives it.
SAME = {"PLX4720": ("1036", "1371"), "lapatinib": ("119",), "Nutlin-3": ("1047",)}
#: With fewer lines in common a correlation is not counted.
FEWEST_LINES = 50
BEST = 3


def plain(names: pd.Series) -> pd.Series:
    """Names of cell lines without case and punctuation: ``NCI-H292`` is ``NCIH292``."""
    return names.str.upper().str.replace("[^A-Z0-9]", "", regex=True)


@pytest.fixture(scope="module")
def gdsc(data_dir: Path) -> pd.DataFrame:
    """ln IC50, lines x 265 drugs, by the plain name of the line."""
    table = pd.read_csv(data_dir / "drug/gdsc/IC50_v17.csv.gz").set_index("COSMIC_ID")
    table.columns = table.columns.str.extract(r"Drug_(\d+)_IC50", expand=False)
    info = pd.read_csv(data_dir / "drug/gdsc/cosmic_info.csv.gz")
    info["line"] = plain(info["SAMPLE_NAME"])
    info = info.drop_duplicates("line", keep=False)  # two lines of one plain name: neither
    lines = info.set_index("COSMIC_ID")["line"].reindex(table.index)
    named = table[lines.notna()]
    return named.set_axis(lines.dropna(), axis=0)


@pytest.fixture(scope="module")
def ccle(data_dir: Path) -> pd.DataFrame:
    """Activity area (0 no effect, larger more sensitive), by drug and plain name of the line."""
    info = pd.read_csv(data_dir / "drug/ccle/sensitivity_info.csv.gz", index_col=0)
    area = pd.read_csv(data_dir / "drug/ccle/sensitivity_profiles.csv.gz", index_col=0)
    cells = pd.read_csv(data_dir / "drug/ccle/cells.csv.gz", index_col=0)
    assert set(info["cellid"]) <= set(cells["cellid"])
    table = info[["cellid", "drugid"]].join(area["auc_published"], how="inner", validate="1:1")
    return table.assign(line=plain(table["cellid"]))


def sensitivity(gdsc: pd.DataFrame, ccle: pd.DataFrame, drug: str) -> pd.Series:
    """Minus the Pearson correlation of a CCLE drug with every drug of GDSC, best first."""
    area = ccle[ccle["drugid"] == drug].groupby("line")["auc_published"].mean()
    lines = area.index.intersection(gdsc.index)
    response = gdsc.loc[lines]
    n_shared = response.notna().mul(area[lines].notna(), axis=0).sum()
    return -response.loc[:, n_shared >= FEWEST_LINES].corrwith(area[lines]).sort_values()


@pytest.mark.data
@pytest.mark.parametrize("drug", SAME)
def test_the_ids_of_the_demo_agree_with_ccle(
    gdsc: pd.DataFrame, ccle: pd.DataFrame, drug: str
) -> None:
    ranked = sensitivity(gdsc, ccle, drug)
    assert len(ranked) > 200
    best = [f"{id} ({value:.2f})" for id, value in ranked.head(6).items()]
    print(f"{drug}: {', '.join(best)}")
    for id in SAME[drug]:
        place = ranked.index.get_loc(id) + 1
        assert place <= BEST, f"{drug} is {id} in the demo, number {place} of {len(ranked)}: {best}"


@pytest.mark.data
@pytest.mark.parametrize("drug", SAME)
def test_lines_that_are_mixed_up_do_not_agree(
    gdsc: pd.DataFrame, ccle: pd.DataFrame, drug: str
) -> None:
    shuffled = gdsc.set_axis(np.random.default_rng(1).permutation(gdsc.index), axis=0)
    ranked = sensitivity(shuffled, ccle, drug)
    assert not set(SAME[drug]) <= set(ranked.index[:BEST])
    assert ranked.iloc[0] < 0.4


@pytest.mark.data
def test_gdsc_itself_names_nutlin(data_dir: Path) -> None:
    """Of the drugs of the demo only this one is in GDSC's short list of names."""
    names = pd.read_csv(data_dir / "drug/gdsc/DRUG_DECODE.csv").set_index("DRUG_ID")["DRUG_NAME"]
    assert names["Drug_1047_IC50"] == "Nutlin-3a"


@pytest.mark.data
@pytest.mark.parametrize("drug", EXPLAINED, ids=lambda drug: f"{drug['name']}-{drug['id']}")
def test_the_expected_feature_is_the_strongest_one_alone(
    data_dir: Path, drug: dict[str, Any]
) -> None:
    """Without any model: of 678 features the expected one correlates best with the response."""
    response = pd.read_csv(data_dir / "drug/gdsc/IC50_v17.csv.gz").set_index("COSMIC_ID")
    features = pd.read_csv(data_dir / "drug/gdsc/genomic_features_v17.csv.gz")
    features = features.set_index("COSMIC_ID").drop(columns="TISSUE_FACTOR")
    measured = response[f"Drug_{drug['id']}_IC50"].dropna()
    known = features.reindex(measured.index).dropna()
    known = known.loc[:, known.nunique() > 1]
    strength = known.corrwith(measured[known.index]).abs().sort_values(ascending=False)
    assert [strength.index[0]] == drug["expected"]
