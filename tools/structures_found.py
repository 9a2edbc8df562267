"""How many drugs of the shared data have a structure in the table of the FDA, by name.

python tools/structures_found.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from anndata import read_h5ad

from cellula.io.formats import read


def named(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Name of every set and the names of its drugs."""
    hepatocytes = read_h5ad(folder / "bulk" / "tggates_hepatocytes.h5ad").obs["drugid"]
    yield "TG-GATEs", set(hepatocytes.astype(str))
    plate = read_h5ad(folder / "bulk" / "LJP009_A375_24H_level4.h5ad").obs
    yield "L1000", set(plate.loc[plate["pert_type"] != "ctl_vehicle", "pert_iname"].astype(str))
    drugs = pd.read_csv(folder / "drug" / "ccle" / "drugs.csv", encoding="latin1")
    yield "CCLE", set(drugs["drug.name"].astype(str))
    doses = pd.read_csv(folder / "drug" / "thunor_tnbc" / "doses.csv.gz")
    yield "TNBC", set(doses["drug"].astype(str))
    names = pd.read_csv(folder / "drug" / "gdsc" / "DRUG_DECODE.csv")["DRUG_NAME"]
    yield "GDSC", set(names.astype(str))


def main() -> None:
    """Print one line a set."""
    folder = Path(sys.argv[1])
    table = read(folder / "safety" / "dili" / "dilirank_with_smiles.csv", "smiles")
    assert isinstance(table, pd.DataFrame)
    known = set(table.loc[table["smiles"].notna(), "Compound Name"].str.casefold())
    for name, drugs in named(folder):
        found = {drug for drug in drugs if drug.casefold() in known}
        print(f"{name:10} {len(drugs):4} drugs, {len(found):3} with a structure")


if __name__ == "__main__":
    main()
