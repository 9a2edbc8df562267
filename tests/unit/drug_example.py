"""Drugs made of cores and side chains, whose side chains drive what they do to cells."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from rdkit import Chem

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

CORES = (
    "c1cc({a})ccc1{b}",
    "c1cc({a})cnc1{b}",
    "C1CC({a})CCC1{b}",
    "c1cc({a})c2ccccc2c1{b}",
    "C(C{a})CC{b}",
    "c1c({a})sc({b})c1",
    "N1(C{a})CCN({b})CC1",
)
#: The first two drive: a nitro group, a sulfonamide.
CHAINS = (
    "[N+](=O)[O-]",
    "S(=O)(=O)N",
    "C",
    "CC",
    "OC",
    "C(F)(F)F",
    "C(=O)OC",
    "CCO",
    "C#N",
)
NITRO, SULFONAMIDE = Chem.MolFromSmarts("[N+](=O)[O-]"), Chem.MolFromSmarts("S(=O)(=O)[NH2]")


def library() -> dict[str, str]:
    """Canonical SMILES by a name that tells nothing: some 250 molecules."""
    found = set()
    for core, a, b in product(CORES, CHAINS, CHAINS):
        mol = Chem.MolFromSmiles(core.format(a=a, b=b))
        if mol is not None:
            found.add(Chem.MolToSmiles(mol))
    order = np.random.default_rng(3).permutation(sorted(found))
    return {f"D{i:03d}": str(smiles) for i, smiles in enumerate(order)}


def has(smiles: str, pattern: Chem.Mol) -> bool:
    return bool(Chem.MolFromSmiles(smiles).HasSubstructMatch(pattern))


def sensitivities(
    n_drugs: int, n_lines: int, seed: int
) -> tuple[Dataset, NDArray[np.float64], tuple[str, ...]]:
    """ln IC50 of drugs in lines; a nitro group lowers it, a sulfonamide does in mutated lines.

    Returns the data, the truth (lines, drugs) without the offsets of lines, and the drugs.
    """
    rng = np.random.default_rng(seed)
    every = library()
    names = [str(name) for name in rng.choice(sorted(every), n_drugs, replace=False)]
    drugs = {name: every[name] for name in sorted(names)}
    lines = [f"L{i:02d}" for i in range(n_lines)]
    mutated = np.arange(n_lines) % 2 == 0
    nitro = np.array([has(smiles, NITRO) for smiles in drugs.values()])
    sulfonamide = np.array([has(smiles, SULFONAMIDE) for smiles in drugs.values()])
    truth = -2.0 * nitro[None, :] - 2.0 * sulfonamide[None, :] * mutated[:, None]
    values = truth + rng.normal(size=(n_lines, 1)) + 0.3 * rng.normal(size=truth.shape)
    line, drug = (part.ravel() for part in np.indices(truth.shape))
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(np.take(list(drugs), drug)),
            "context": pd.Categorical(np.take(lines, line)),
        },
        [f"p{i}" for i in range(len(line))],
    )
    data = AnnData(values[line, drug][:, None], obs, pd.DataFrame(index=["ln_ic50"]))
    genome = pd.DataFrame({"mutated": mutated.astype(float)}, lines)
    genome["noise"] = rng.normal(size=n_lines)
    return Dataset(data, ValueType.LN_IC50, genome, structures=drugs), truth, tuple(drugs)


def pairs(n_drugs: int, n_pairs: int, seed: int) -> tuple[Dataset, dict[str, float]]:
    """Log viability of single drugs and of pairs beside untreated wells of one line.

    Every drug has an effect of its own; a nitro group beside a sulfonamide does more than both.
    Returns the data and the synergy of every pair.
    """
    rng = np.random.default_rng(seed)
    every = library()
    chosen = [str(name) for name in rng.choice(sorted(every), n_drugs, replace=False)]
    drugs = {name: every[name] for name in sorted(chosen)}
    own = dict(zip(drugs, -rng.gamma(2.0, 0.3, n_drugs), strict=True))
    nitro = {name: has(smiles, NITRO) for name, smiles in drugs.items()}
    sulfonamide = {name: has(smiles, SULFONAMIDE) for name, smiles in drugs.items()}
    both = [(a, b) for i, a in enumerate(drugs) for b in list(drugs)[i + 1 :]]
    kept = [both[i] for i in np.sort(rng.choice(len(both), n_pairs, replace=False))]
    synergy = {
        f"{a}+{b}": -2.0 * float((nitro[a] and sulfonamide[b]) or (nitro[b] and sulfonamide[a]))
        for a, b in kept
    }
    means = {"control": 0.0, **own}
    means |= {f"{a}+{b}": own[a] + own[b] + synergy[f"{a}+{b}"] for a, b in kept}
    labels = [name for name in means for _ in range(12 if name == "control" else 2)]
    values = np.array([means[name] for name in labels]) + 0.1 * rng.normal(size=len(labels))
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(labels),
            "context": pd.Categorical(["line"] * len(labels)),
            "is_control": np.array(labels) == "control",
        },
        [f"w{i}" for i in range(len(labels))],
    )
    data = AnnData(values[:, None], obs, pd.DataFrame(index=["log_viability"]))
    return Dataset(data, ValueType.LOG2, structures=drugs), synergy
