"""Every single knock-out of a genome-scale model, as read from SBML, equals COBRApy's."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cobra
import numpy as np
import pytest
from cobra.flux_analysis import single_gene_deletion, single_reaction_deletion
from cobra.io import read_sbml_model

from cellula.core.network import Network
from cellula.io.formats import read
from cellula.models.mechanistic.flux_knock_outs import knock_outs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FILE = Path(cobra.__file__).parent / "data" / "iJO1366.xml.gz"


@pytest.mark.requirement("S3", "K9")
@pytest.mark.parametrize("what", ["reactions", "genes"])
def test_every_knock_out_of_a_genome_scale_model(what: str) -> None:
    network, peer = read(FILE), read_sbml_model(str(FILE))
    assert isinstance(network, Network)
    began = time.process_time()
    ours = knock_outs(network, what)
    middle = time.process_time()
    delete = single_reaction_deletion if what == "reactions" else single_gene_deletion
    table = delete(peer, processes=1)
    sys.stdout.write(
        f"\n{len(ours.knocked)} {what}: {middle - began:.0f} CPU s, "
        f"COBRApy {time.process_time() - middle:.0f}\n"
    )
    theirs = {min(ids): value for ids, value in zip(table["ids"], table["growth"], strict=True)}
    assert len(ours.knocked) == len(theirs)
    for (id,), value in zip(ours.knocked, ours.objective, strict=True):
        other = theirs[id.removeprefix("R_").removeprefix("G_")]
        assert np.isnan(value) == np.isnan(other), id
        assert np.isnan(value) or value == pytest.approx(other, abs=1e-6), id
