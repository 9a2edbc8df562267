"""Run every model on the example studies and write the table of them: docs/models_table.md.

    python tools/models_table.py --data FOLDER --workspace W [STUDY ...]

Each example study is run by `cellula run` with all models in place of its own; a study whose bundle
lies in the workspace is not run again. The page is written from the bundles; studies without one
keep what the page says of them.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "models_table.md"
CORRELATION, ENERGY, VARIANCE = "pearson_delta@1", "energy_distance@1", "variance_explained@1"
SEEDS = [0, 1, 2, 3, 4]
#: Answers without a fitted relation: what every model has to beat.
BASELINES = ("mean_response", "control", "row_column_offset", "additive", "matching_mean")
#: Of these the last is the answer where training cannot be split to compare them.
SIMPLE: dict[str, dict[str, Any]] = {
    "knn": {},
    "ridge": {},
    "gradient_boosting": {"trees": 30},
    "pair_completion": {},
    "bilinear_ridge": {},
    "gp": {},
    "additive": {},
    "matching_mean": {},
    "shrunken_response": {},
    "row_column_offset": {},
    "stack": {},
    "context_transfer": {},
}
GRAPH = {"width": 16, "train.epochs": 40, "train.learning_rate": 0.01}
LEARNED: dict[str, dict[str, Any]] = {
    "mlp_response": {},
    "deep_ensemble": {},
    "perturbation_graph": GRAPH,
    "shuffled_graph": {**GRAPH, "knowledge": "shuffled"},
    "set_transformer": {},
    "nb_vae": {},
    "graph_vae_gan": {},
    "flow_matching": {},
    "latent_diffusion": {},
}
#: Names of models that are not their kind.
KINDS = {"shuffled_graph": "perturbation_graph"}
#: Models of cells, whose epochs are long.
MOVING = ("set_transformer", "nb_vae", "graph_vae_gan", "flow_matching", "latent_diffusion")


@dataclass(frozen=True, slots=True)
class Trial:
    """An example study with all models but some.

    members: what the stack weighs. left_out: who does not compete. options: what differs here.
    folds: parts that the first claim's labels are dealt into, where one at a time takes too long;
    share: or the share of them that is held out, where many parts do too.
    """

    study: str
    members: tuple[str, ...]
    left_out: tuple[str, ...]
    metric: str = CORRELATION
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    folds: int | None = None
    share: float | None = None

    @property
    def source(self) -> Path:
        """The example's file."""
        folder = "gdsc/study" if self.study == "gdsc" else self.study
        return ROOT / "examples" / f"{folder}.toml"


CONTEXT = ("mean_response", "context_transfer", "bilinear_ridge")
PERTURBATION = ("mean_response", "shrunken_response", "bilinear_ridge")
OFFSETS = (*PERTURBATION, "row_column_offset")
#: They need a table of features; and what is for pairs of few readouts takes long with many.
NO_FEATURES = ("knn", "ridge", "pair_completion")
#: Of the models that move cells, where they are fitted for many folds.
SHORT = {name: {"train.epochs": 10} for name in MOVING}
TRIALS = (
    Trial(
        "kang_unseen_context",
        CONTEXT,
        NO_FEATURES,
        options={
            "set_transformer": {"train.epochs": 15},
            "nb_vae": {"train.epochs": 6},
            "graph_vae_gan": {"train.epochs": 6},
        },
    ),
    Trial("glioblastoma_unseen_context", CONTEXT, NO_FEATURES),
    Trial(
        "norman_graph_control",
        (*PERTURBATION, "gp", "ridge"),
        ("pair_completion",),
        options=SHORT,
        share=0.25,
    ),
    Trial(
        "norman_unseen_combination",
        ("mean_response", "matching_mean", "shrunken_response"),
        NO_FEATURES,
        options=SHORT,
        folds=4,
    ),
    Trial("papalexi_unseen_perturbation", PERTURBATION, NO_FEATURES, options=SHORT, folds=5),
    Trial("tggates_unseen_dose", OFFSETS, (*NO_FEATURES, *MOVING)),
    Trial("tggates_unseen_time", OFFSETS, (*NO_FEATURES, *MOVING)),
    Trial("lincs_unseen_dose", OFFSETS, (*NO_FEATURES, *MOVING)),
    Trial(
        "gdsc",
        ("row_column_offset", "pair_completion"),
        ("gp",),
        VARIANCE,
    ),
)


def main() -> int:
    """Run what has not been run, then write the page of all that has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--page-only", action="store_true")
    given = parser.parse_args()
    for trial in TRIALS:
        if not given.page_only and (not given.studies or trial.study in given.studies):
            run(trial, given.data, given.workspace)
    PAGE.write_text(page(given.workspace), encoding="utf-8")
    return 0


def run(trial: Trial, data: Path, workspace: Path) -> None:
    """The study by the command that a user would give."""
    if bundle(trial, workspace) is not None:
        return
    folder = workspace / "studies_with_all_models"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trial.study}.toml"
    path.write_text(with_all_models(trial), encoding="utf-8")
    own = workspace / trial.study
    asked = ["run", "--register", path, "--data", data.resolve(), "--workspace", own, "--json"]
    command = [str(Path(sys.executable).parent / "cellula"), *map(str, asked)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    (folder / f"{trial.study}.json").write_bytes(done.stdout)


def with_all_models(trial: Trial) -> str:
    """The example's text with the models of this file in place of its own."""
    text = trial.source.read_text(encoding="utf-8")
    head, rest = re.split(r"(?=^\[\[model\]\])", text, maxsplit=1, flags=re.M)
    tail = re.search(r"^\[\[claim\]\].*", rest, flags=re.M | re.S)
    if tail is None:
        raise SystemExit(f"{trial.source}: no [[claim]] after [[model]]")
    claims = re.sub(r"^models = .*\n", "", tail.group(0), flags=re.M)
    if trial.folds is not None or trial.share is not None:
        part = f"folds = {trial.folds}" if trial.share is None else f"fraction = {trial.share}"
        dealt = f"hold_out = {{ {part}, seed = 7 }}"
        claims = re.sub(r"^hold_out = .*", dealt, claims, count=1, flags=re.M)
    return head + "\n".join(models(trial)) + "\n" + claims


def models(trial: Trial) -> Iterator[str]:
    """A table of TOML for every model; what cannot answer a claim is left out by the run."""
    for name, options in (LEARNED | SIMPLE).items():
        if name in trial.left_out:
            continue
        own = {**options, **trial.options.get(name, {})}
        if name == "stack":
            own["members"] = trial.members
        if name in MOVING:
            own.setdefault("train.epochs", 40)
        told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
        seeds = f"seeds = {SEEDS}\n" if name in LEARNED and name != "deep_ensemble" else ""
        kind = KINDS.get(name, name)
        yield f'[[model]]\nid = "{name}"\nkind = "{kind}"\n{seeds}options = {{ {told} }}\n'


def bundle(trial: Trial, workspace: Path) -> Path | None:
    """The bundle that a run left."""
    return next((workspace / trial.study).glob("studies/*/*.zip"), None)


def page(workspace: Path) -> str:
    """The page: a table of every claim that was run; of a study that was not, as it stands."""
    parts = [INTRODUCTION]
    before = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    for trial in TRIALS:
        path = bundle(trial, workspace)
        if path is None:
            parts += [one for one in before if one.startswith(f"## {trial.study}, ")]
            continue
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if re.fullmatch(r"evidence/scores-.*\.json", name):
                    parts.append(section(trial, archive, name))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def section(trial: Trial, archive: zipfile.ZipFile, name: str) -> str:
    """The table of one claim."""
    claim = name.removeprefix("evidence/scores-").removesuffix(".json")
    payload = json.loads(archive.read(name))["payload"]
    rows = {(row["model"], row["metric"]): row for row in payload["rows"]}
    by_unit = unit_means(archive, claim, trial.metric)
    kinds = [model for model, metric in rows if metric == trial.metric and "#" not in model]
    order = sorted(kinds, key=lambda one: -number(rows[one, trial.metric]["value"]))
    lines = [f"## {trial.study}, {claim}", "", *findings(trial, rows, by_unit, payload), ""]
    lines += [
        "| model | correlation | over seeds | energy distance | anchored |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(lines + [line(trial, rows, model) for model in order]) + "\n"


def line(trial: Trial, rows: Mapping[tuple[str, str], Any], model: str) -> str:
    """One model: its score with the interval over units, its range over seeds, its energy."""
    row = rows[model, trial.metric]
    seeds = [
        number(rows[f"{model}#{seed}", trial.metric]["value"])
        for seed in SEEDS[1:]
        if (f"{model}#{seed}", trial.metric) in rows
    ]
    over = [number(row["value"]), *seeds]
    spread = f"{short(min(over))} to {short(max(over))}" if seeds else ""
    cells = rows.get((model, ENERGY))
    anchored = row["anchored"]
    return (
        f"| {model} | {with_interval(row)} | {spread} "
        f"| {short(number(cells['value'])) if cells else ''} | {with_interval(anchored)} |"
    )


def findings(
    trial: Trial, rows: Mapping[tuple[str, str], Any], by_unit: pd.DataFrame, payload: Any
) -> list[str]:
    """What was selected in training beside the best simple answer, unit by unit."""
    simple = [one for one in BASELINES if (one, trial.metric) in rows]
    best = max(simple, key=lambda one: number(rows[one, trial.metric]["value"]))
    told = [f"{payload['n_units']} units, {payload['n_groups']} questions."]
    for against in dict.fromkeys(("mean_response", best)):
        gain = (by_unit["selected"] - by_unit[against]).dropna().to_numpy()
        told.append(f"Selected in training against {against}: {paired(gain)}.")
    return told


def paired(gain: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """Mean gain over units, its bootstrap interval and p of exchanged answers."""
    if not np.any(gain):
        return "the same answer"
    rng = np.random.default_rng(0)
    means = rng.choice(gain, (9999, len(gain))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    test = permutation_test(
        (gain,), np.mean, permutation_type="samples", n_resamples=9999, rng=np.random.default_rng(0)
    )
    few = "; fewer than 5 units: no claim" if len(gain) < 5 else f", p {test.pvalue:.3g}"
    return f"{short(gain.mean())} ({short(low)} to {short(high)}){few}"


def unit_means(archive: zipfile.ZipFile, claim: str, metric: str) -> pd.DataFrame:
    """Mean score of every unit (rows) and model (columns)."""
    table = pd.read_parquet(io.BytesIO(archive.read(f"scores/{claim}.parquet")))
    table = table[table["metric"] == metric]
    study = json.loads(archive.read("study.json"))
    unit = next(one["unit"] for one in study["claim"] if one["id"] == claim)
    key = unit if unit in table.columns else "perturbation"
    table = table[table[key] != ""]  # beside the units stands their mean
    return table.pivot_table(index=key, columns="model", values="value", aggfunc="mean")


def with_interval(row: Mapping[str, Any] | None) -> str:
    """A value and its interval."""
    if row is None:
        return ""
    value, low, high = (number(row[key]) for key in ("value", "lower", "upper"))
    if np.isnan(value):
        return "–"
    return f"{short(value)} ({short(low)} to {short(high)})"


def number(value: Any) -> float:
    """A number of JSON, where one that does not exist is null."""
    return float("nan") if value is None else float(value)


def short(value: float) -> str:
    """Three places, without the zero before the point; a dash where there is no number."""
    if np.isnan(value):
        return "–"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


INTRODUCTION = """# Models beside one another

[Example studies](examples.md) with the models that can answer their claims, run by

```
python tools/models_table.py --data FOLDER --workspace W
```

which writes this page from the bundles of `cellula run`. A study takes from minutes to an hour on
one core; one that lies in W is not run again, and one that does not keeps its table. Networks are
fitted with five seeds, on at most as many epochs as the tool says; their options stand as they
are. Some defaults of the models that move cells and of `shrunken_response` were settled after
looks at scores of Kang and other studies: read theirs as optimistic.
Models that move cells do not compete where there are profiles of bulk and no cells (TG-GATEs,
L1000, GDSC); for them Norman's pairs and Papalexi are dealt into four or five folds here, not one
label at a time; Norman's unseen genes stand in [examples](examples.md) with fewer models.
`drug_graph` needs structures, the models of the extra `scvi` that extra; networks that
predict a change need controls, which GDSC has none of.

- **correlation**: Pearson correlation of the predicted with the observed change; for GDSC the share
  of variance explained. In brackets the 95 % interval over the units of the claim.
- **over seeds**: the least and the greatest over five seeds.
- **energy distance** of predicted from observed cells in 50 components, where a study asks for it.
- **anchored**: 0 is the better of the mean response and the control, 1 a replicate experiment, or a
  perfect answer where the data hold too few profiles to halve.
- **selected**: what is best inside training, fold by fold. It is compared with the mean response,
  and with the best of the answers that fit no relation (mean response, control, offsets, sums and
  means of the parts), chosen after the fact: unit by unit, with a bootstrap interval and the p of
  exchanging the two answers.

"""

if __name__ == "__main__":
    raise SystemExit(main())
