"""A network of receptors and a drug, its file, and what it would be measured to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.flux import FluxBalance, FluxObjective
from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.value_type import ValueType
from cellula.io.formats import write
from cellula.io.infix import parse

__all__ = [
    "decay_options",
    "petab_options",
    "planted",
    "planted_options",
    "signal",
    "uptake_options",
]

IC50 = {"drug_a": 3e-8, "drug_b": 5e-7}
#: Estimated parameter and its bounds.
PETAB_BOUNDS = (("k", 1e-4, 1e-2), ("amount", 1e-7, 1e-5), ("sigma", 1e-8, 1e-5))
DOSES = (0.0, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6)


def signal() -> Network:
    """R makes P at rate k R, P is lost at rate d P; hours, a litre."""
    return Network(
        "signal",
        (Compartment("cell"),),
        (Species("R", "cell", 1.0), Species("P", "cell", 2.0)),
        (Parameter("k", 1.0), Parameter("d", 0.5)),
        (
            Reaction("make", (), (Participant("P"),), parse("k * R"), ("R",)),
            Reaction("lose", (Participant("P"),), (), parse("d * P")),
        ),
        units={"time": "3600.0 second"},
    )


def exact(k: float, hours: float) -> float:
    """P after so many hours at a rate of k that was 1 before."""
    return 2 * k + (2 - 2 * k) * float(np.exp(-0.5 * hours))


def planted(seed: int = 0, noise: float = 0.01) -> Dataset:
    """P of two contexts, without a drug and at five doses of two drugs that inhibit k, in time."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for context, r in (("low", 1.0), ("high", 2.0)):
        for drug, ic50 in IC50.items():
            for dose in DOSES:
                for hours in (2.0, 8.0):
                    k = r / (1 + dose / ic50)
                    rows.append(
                        (drug if dose else "vehicle", context, dose, 3600 * hours, not dose)
                    )
                    values.append([exact(k, hours) * (1 + noise * rng.normal())])
    columns = ["perturbation", "context", "dose_molar", "time_s", "is_control"]
    obs = pd.DataFrame(rows, columns=columns, index=[f"well{i}" for i in range(len(rows))])
    for name in ("perturbation", "context"):
        obs[name] = obs[name].astype("category")
    data = AnnData(np.array(values), obs=obs, var=pd.DataFrame(index=["P_nm"]))
    return Dataset(data, ValueType.QUANTITY)


def planted_options(folder: Path, **changed: Any) -> dict[str, Any]:
    """Options of the model that planted them; its file is written into the folder."""
    path = folder / "signal.sbml"
    if not path.exists():
        write(signal(), path)
    given: dict[str, Any] = {
        "network": path,
        "targets": {
            name: [{"id": "k", "how": "inhibit", "ic50_molar": ic50, "highest_dose_molar": 1e-6}]
            for name, ic50 in IC50.items()
        },
        "readouts": {"P_nm": {"id": "P"}},
        "contexts": {"low": {"R": 1.0}, "high": {"R": 2.0}},
    }
    return given | changed


def decay_options(folder: Path) -> dict[str, Any]:
    """Options for the example data of the kit: time courses of A into B, and ln IC50s."""
    path = folder / "decay.sbml"
    if not path.exists():
        write(decay(), path)
    dose = {"id": "A", "how": "set", "value": 1.0, "is_per_molar": True}
    return {
        "network": path,
        "targets": {
            "A_bolus": [dose],
            **{f"drug{i:03d}": [{"id": "k", "how": "scale", "value": 0.5}] for i in range(10)},
        },
        "readouts": {"A": {"id": "A"}, "B": {"id": "B"}, "ln_ic50": {"id": "B"}},
        "time": {"unit_s": 1000.0, "after_s": 1000.0, "points": 5},
        "cells": {"n": 4, "spread": {"k": 0.3}},
    }


def decay() -> Network:
    """A turns into B."""
    rate = parse("k * A")
    return Network(
        "decay",
        (Compartment("cell"),),
        (Species("A", "cell", 2.0), Species("B", "cell")),
        (Parameter("k", 0.7),),
        (Reaction("decay", (Participant("A"),), (Participant("B"),), rate),),
    )


def uptake_options(folder: Path) -> dict[str, Any]:
    """Options of a front of flux balance for the kit's ln IC50s; mutations are its nutrients."""
    path = folder / "uptake.sbml"
    if not path.exists():
        write(_uptake(), path)
    return {
        "network": path,
        "uptakes": {"mutated0": "EX_a", "mutated1": "EX_b"},
        "readouts": {"ln_ic50": "biomass"},
        "train": {"epochs": 2},
    }


def _uptake() -> Network:
    """A and B are taken up, and biomass takes both or one."""
    ids = ("EX_a", "EX_b", "both", "biomass")
    takes = ({"A": 1}, {"B": 1}, {"A": 1, "B": 1}, {"C": 1})
    makes: tuple[dict[str, int], ...] = ({}, {}, {"C": 3}, {})
    reactions = tuple(
        Reaction(id, *(tuple(Participant(k, float(n)) for k, n in side.items()) for side in sides))
        for id, *sides in zip(ids, takes, makes, strict=True)
    )
    bounds = dict.fromkeys(ids, (0.0, 1000.0))
    flux = FluxBalance(bounds, (FluxObjective("growth", {"biomass": 1.0}),), "growth")
    species = tuple(Species(id, "cell") for id in "ABC")
    return Network("uptake", (Compartment("cell"),), species, (), reactions, flux=flux)


def petab_options(folder: Path) -> dict[str, Any]:
    """A PEtab problem of A that turns into B; its amount, rate and noise are not known."""
    network = Network(
        "bolus",
        (Compartment("cell"),),
        (Species("A", "cell", 1.0), Species("B", "cell", 0.0)),
        (Parameter("k", 1e-3),),
        (Reaction("turn", (Participant("A"),), (Participant("B"),), parse("k * A")),),
    )
    write(network, folder / "bolus.sbml")
    tables = {
        "parameters.tsv": [
            "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate",
            *(f"{id}\tlog10\t{low}\t{high}\t{low}\t1" for id, low, high in PETAB_BOUNDS),
        ],
        "conditions.tsv": ["conditionId\tA", "A_bolus\tamount"],
        "observables.tsv": [
            "observableId\tobservableFormula\tnoiseFormula",
            *(f"{id}\t{id}\tsigma" for id in "AB"),
        ],
        "measurements.tsv": [
            "observableId\tsimulationConditionId\tmeasurement\ttime",
            *(f"{id}\tA_bolus\t0\t{time}" for id in "AB" for time in (0, 600, 1800, 3600)),
        ],
        "bolus.yaml": [
            "format_version: 1",
            "parameter_file: parameters.tsv",
            "problems:",
            "- condition_files: [conditions.tsv]",
            "  measurement_files: [measurements.tsv]",
            "  observable_files: [observables.tsv]",
            "  sbml_files: [bolus.sbml]",
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return {"problem": folder / "bolus.yaml", "time": "time_s", "starts": 1, "atol": 1e-14}
