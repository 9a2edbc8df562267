"""Gene Ontology: ancestors are inherited, what is not known is left out, sizes are bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.io.formats import read


def made(folder: Path, edges: str = "GO:3,GO:2,isa\nGO:2,GO:1,part of\n") -> Path:
    """Ten genes of GO:3 (grandchild of GO:1), one more of GO:2, one of function, one unknown."""
    rows = [f"G{i},BP,GO:3,IDA\nG{i},BP,GO:3,IEA\n" for i in range(10)]
    rows += ["H,BP,GO:2,IMP\n", "F,MF,GO:9,IDA\n", "U,BP,GO:1,ND\n"]
    path = folder / "graph"
    path.mkdir()
    (path / "human_gene_go.csv").write_text("symbol,ont,go_id,evidence\n" + "".join(rows))
    (path / "go_bp_parents.csv").write_text("child,parent,rel\n" + edges)
    return path


@pytest.mark.requirement("D11")
def test_a_gene_of_a_process_is_a_gene_of_its_ancestors(tmp_path: Path) -> None:
    data = read(made(tmp_path), "gene_ontology")
    assert data.obs["symbol"].tolist() == [*(f"G{i}" for i in range(10)), "H"]
    assert data.var["n_genes"].to_dict() == {"GO:1": 11, "GO:2": 11, "GO:3": 10}
    expected = np.ones((11, 3))
    expected[10, 2] = 0
    np.testing.assert_array_equal(data.X.toarray(), expected)


def test_a_circle_is_an_error(tmp_path: Path) -> None:
    path = made(tmp_path, "GO:3,GO:2,isa\nGO:2,GO:3,isa\n")
    with pytest.raises(DataError, match="circle"):
        read(path, "gene_ontology")


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    (path / "go_bp_parents.csv").write_text("child,above\n")
    with pytest.raises(DataError, match=r"go_bp_parents\.csv.* no column parent"):
        read(path, "gene_ontology")
    (path / "go_bp_parents.csv").unlink()
    with pytest.raises(DataError, match=r"graph has no go_bp_parents\.csv"):
        read(path, "gene_ontology")


@pytest.mark.data
def test_the_real_ontology(data_dir: Path) -> None:
    data = read(data_dir / "graph", "gene_ontology")
    assert {"KLF1", "MAPK1", "TGFBR2"} <= set(data.obs["symbol"])
    assert 10 <= data.var["n_genes"].min() <= data.var["n_genes"].max() <= 1000
