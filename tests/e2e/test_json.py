"""Every command prints JSON on request, and nothing else on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import click
import numpy as np
import pandas as pd
import pytest
import typer
from petab_files import PETAB
from shell import Shell
from typer.testing import CliRunner

from cellula.cli import demo
from cellula.cli.app import app
from cellula.data.catalogue import source as catalogue
from cellula.engines.outside import environment
from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay

Toy = Callable[..., Path]
#: Asks a person; its one output for programs is the schema, --json-schema.
INTERVIEW = "init"
ROLES = "perturbation=gene,control=control,context=line"


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_has_json() -> None:
    without = {
        name
        for name, command in COMMANDS.items()
        if "--json" not in {word for option in command.params for word in option.opts}
    }
    assert without == {INTERVIEW}


def prepare(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files for all commands, and a demo that is as small as the toy."""
    study = toy(n_genes=9)
    data = anndata.read_h5ad("cells.h5ad")
    shift = (data.obs["who"] == "donor1").to_numpy()[:, None]
    data.X = np.asarray(data.X) + 0.5 * shift
    data.write_h5ad("cells.h5ad")
    pd.DataFrame({"perturbation": ["G1"], "context": ["k562"]}).to_csv("queries.csv", index=False)
    np.save("v.npy", np.ones((data.n_obs, 2)))
    Path("v.names.json").write_text(json.dumps(list(data.obs_names)))
    Path("studies").mkdir()
    amended = study.read_text().replace("A toy", "A better toy")
    Path("amended.toml").write_text(amended)
    absolute = study.read_text().replace('path = "', f'path = "{Path().resolve()}/')
    Path("studies/gdsc.toml").write_text(absolute)
    Path("decay.xml").write_text(sbml_text(decay()))
    for name, text in PETAB.items():
        Path(name).write_text(text)
    monkeypatch.setattr(environment, "install", lambda one, progress, folder: Path("made"))
    monkeypatch.setattr(demo, "files", lambda _: Path())
    monkeypatch.setattr(catalogue, "fetch", lambda source, cache=None: Path("fetched"))


#: Command -> its words, in an order in which each finds what it needs.
WORDS = {
    "plugins": "",
    "data list": "--cache empty",
    "data get": "gdsc",
    "data describe": "cells.h5ad",
    "data convert": "cells.h5ad cells.zarr",
    "data embed": "cells.h5ad --with precomputed --checkpoint v.npy --to e.h5ad --value-type log1p",
    "data pretrain": "cells.h5ad --to made --name own --value-type log1p"
    ' --option genes=8 --option tokens=4 --option width=8 --option train={"epochs":1}',
    "data integrate": f"--data cells.h5ad --roles {ROLES},batch=who --method combat --out c.h5ad",
    "cite": "toy.toml",
    "check": "toy.toml",
    "register": "toy.toml",
    "run": "toy.toml",
    "dossier": "toy.toml",
    "amend": "amended.toml --reason better",
    "verify": "cellula-workspace/studies/toy/toy.zip",
    "fit": f"--data cells.h5ad --roles {ROLES} --model ridge --out fitted"
    " --perturbation-features features.csv",
    "predict": "--fitted fitted --queries queries.csv --out answers.csv",
    "perturb": "--fitted fitted --perturbation G1 --control cells.h5ad --out perturbed",
    "estimate": "problem.yaml --out estimated --starts 2 --profile all",
    "explain": "--fitted fitted",
    "evaluate": f"--real cells.h5ad --pred cells.h5ad --roles {ROLES} --metric rmse --no-embedding"
    " --out scored",
    "simulate": "decay.xml --end 2 --points 3 --engine roadrunner,copasi --out course.csv",
    "route": "apoptosis --mechanism kinetics",
    "engine list": "--folder engines",
    "engine install": "bionetgen --folder engines",
    "demo": "--workspace demo",
}


@pytest.mark.requirement("S2")
def test_the_output_of_every_command_parses(
    shell: Shell, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(toy, monkeypatch)
    assert set(WORDS) == set(COMMANDS) - {INTERVIEW}, "a command is missing in this list"
    for name, words in WORDS.items():
        result = CliRunner().invoke(app, [*name.split(), *words.split(), "--json"])
        assert result.exit_code in (0, 2), (name, result.output, result.exception)
        assert isinstance(json.loads(result.stdout), dict | list), name


def test_an_error_leaves_standard_output_empty(shell: Shell) -> None:
    result = CliRunner().invoke(app, ["data", "describe", "absent.h5ad", "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
