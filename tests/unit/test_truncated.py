"""Every reader refuses a file that is cut short, naming it, and reads the same file when whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import test_bionetgen_net
import test_bnet
import test_cellml
import test_cellxgene
import test_challenge_files
import test_depmap_csv
import test_gene_ontology
import test_geo_series_matrix
import test_gmt
import test_hpa_table
import test_midas
import test_myokit
import test_open_problems
import test_pairs
import test_petab_tables
import test_physics_toml
import test_pytdc_table
import test_sif
import test_tcga_table
import test_tenx_h5
import test_tenx_mtx
import test_thunor_tables
from anndata import AnnData

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.io.formats import read, write
from cellula.io.sbml import sbml_text
from cellula.testing.multimodal import two_modalities
from cellula.testing.simulator import decay
from experiment_example import decay_archive, decay_experiment


def matrix() -> AnnData:
    values = np.random.default_rng(0).normal(size=(30, 20))
    obs = pd.DataFrame({"line": ["a", "b"] * 15}, index=[f"s{i}" for i in range(30)])
    return AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(20)]))


def table() -> pd.DataFrame:
    return pd.DataFrame({"line": ["a", "b"] * 50, "value": np.arange(100) / 7})


def written(content: object, name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(content, folder / name)  # type: ignore[arg-type]
        return folder / name

    return make


def text(content: str, name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return make


def cells_of_census(folder: Path) -> Path:
    write(test_cellxgene.dataset(["ENSG1", "ENSG2", "ENSG3", "ENSG9"]), folder / "census.h5ad")
    return folder / "census.h5ad"


def many_cells() -> AnnData:
    """More than the padding of a tar: a half is really cut."""
    few = test_challenge_files.submission_2025()
    obs = pd.concat([few.obs] * 200, ignore_index=True)
    obs.index = obs.index.astype(str)
    noise = np.random.default_rng(0).exponential(size=(len(obs), few.n_vars)).astype(np.float32)
    return AnnData(sp.csr_matrix(noise), obs, few.var)


#: Reader -> a whole file of its format.
WHOLE: dict[str, Callable[[Path], Path]] = {
    "bnet": text(test_bnet.TEXT + "apoptosis_signal, TNF\n", "t.bnet"),
    "cellml": text(test_cellml.DECAY, "decay.cellml"),
    "bionetgen_net": text(test_bionetgen_net.WHOLE, "binding.net"),
    "mmt": text(test_myokit.CELL, "cell.mmt"),
    "cellxgene": cells_of_census,
    "delimited": written(table(), "t.csv.gz"),
    "depmap": text(test_depmap_csv.EFFECT, "CRISPRGeneEffect.csv"),
    "gct": written(matrix(), "t.gct"),
    "gctx": written(matrix(), "t.gctx"),
    "gene_ontology": test_gene_ontology.made,
    "geo_series_matrix": test_geo_series_matrix.made,
    "gmt": text(test_gmt.SETS, "hallmark.gmt"),
    "h5ad": written(matrix(), "t.h5ad"),
    "h5mu": written(two_modalities().data, "t.h5mu"),
    "hpa": lambda folder: test_hpa_table.zipped(folder, test_hpa_table.LONG),
    "midas": text(test_midas.TEXT, "t.midas.csv"),
    "omex": written(decay_archive(), "decay.omex"),
    "open_problems": lambda folder: test_open_problems.made(folder, counts=1.0, normalized=2.0),
    "parquet": written(table(), "t.parquet"),
    "petab": test_petab_tables.made,
    "petab_conditions": lambda folder: test_petab_tables.made(folder).with_name("conditions.tsv"),
    "petab_profiles": test_petab_tables.made,
    "petab_times": lambda folder: test_petab_tables.made(folder).with_name("measurements.tsv"),
    "physics": text(test_physics_toml.TEXT, "t.physics.toml"),
    "pytdc": text(test_pytdc_table.PAIRS, "davis.tab"),
    "sif": text(test_sif.TEXT + "apoptosis\t1\tcaspase\n", "t.sif"),
    "sbml": written(decay(), "decay.sbml"),
    "sedml": written(decay_experiment(), "decay.sedml"),
    "smiles": text("CCO ethanol\nOc1ccccc1 phenol\n", "drugs.smi"),
    "string_links": text(test_pairs.LINKS, "9606.protein.links.v12.0.txt"),
    "tcga": text(test_tcga_table.WIDE, "acc.csv"),
    "tenx_h5": lambda folder: test_tenx_h5.made(folder / "filtered_feature_bc_matrix.h5"),
    "tenx_mtx": lambda folder: test_tenx_mtx.made(folder / "filtered_feature_bc_matrix"),
    "thunor": test_thunor_tables.made,
    "vcc2025": lambda folder: written(many_cells(), "t.vcc")(folder),
    "vcc2026": lambda folder: written(test_challenge_files.submission_2026(), "t.vcc2026.h5ad")(
        folder
    ),
    "xml_model": text(sbml_text(decay()), "decay.xml"),
    "zarr": written(matrix(), "t.zarr"),
}


#: Plain text, of which half may be whole: it is cut within its last line.
LINES = {
    "bnet",
    "depmap",
    "gene_ontology",
    "gmt",
    "midas",
    "pytdc",
    "sif",
    "smiles",
    "string_links",
    "tcga",
}


#: Readers that need an engine of their own: tests/unit/test_outside.py.
OUTSIDE = {"bngl", "pysb"}


@pytest.mark.requirement("S2", "D11")
@pytest.mark.parametrize("name", sorted(set(registry.names("reader")) - OUTSIDE))
def test_half_a_file_is_refused(name: str, tmp_path: Path) -> None:
    path = WHOLE[name](tmp_path)
    content = read(path, name)
    assert not hasattr(content, "__len__") or len(content) > 0
    if path.is_dir():
        files = [item for item in path.rglob("*") if item.is_file()]
        cut = max(files, key=lambda item: item.stat().st_size)
    else:
        cut = path
    whole = cut.read_bytes()
    lines = whole.rstrip(b"\n").split(b"\n")
    is_text = name in LINES
    kept = whole[: whole.rindex(lines[-1]) + 6] if is_text else whole[: len(whole) // 2]
    cut.write_bytes(kept)
    with pytest.raises(DataError) as caught:
        read(path, name)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "part"), [("zarr", "obs"), ("zarr", "var"), ("tenx_mtx", "features.tsv.gz")]
)
def test_a_folder_without_one_of_its_parts_is_refused(name: str, part: str, tmp_path: Path) -> None:
    path = WHOLE[name](tmp_path)
    gone = path / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(DataError, match=path.name):
        read(path, name)
