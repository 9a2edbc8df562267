"""Work without a study through the command line: fit, predict, explain, cite."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from shell import Shell

from cellula.core import registry
from cellula.core.canonical import hash_bytes
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra
from cellula.core.query import QueryTable
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.io.state import read_state
from cellula.report.references import read_bibliography
from cellula.testing.examples import ic50_table, single_cells
from cellula.testing.rule import refuses
from cellula.validation.exploratory import Declared, open_declared
from mechanistic_example import decay_options, petab_options, uptake_options

Toy = Callable[..., Path]
ROLES = "perturbation=gene,control=control,context=line"
#: A network that trains for a moment.
SMALL = ("--option", "train.epochs=2", "--option", "width=16", "--option", "steps=2")
CELLS_ROLES = "perturbation=perturbation,control=is_control,context=context"
FEATURES = "--perturbation-features"
HOURS = {"hours": {"rest_mv": 12, "peak_mv": 48}}
#: Models that are what their options say.
OWN_OPTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "mechanistic_model": lambda: decay_options(Path()),
    "flux_front": lambda: uptake_options(Path()),
    "growth_kinetics": lambda: HOURS,
    "neural_ode": lambda: HOURS,
    "petab_model": lambda: petab_options(Path()),
    "petab_residual": lambda: {"mechanism": petab_options(Path())},
}
#: Of these, models of data of another kind than the examples: each refuses both, in words.
OTHER_DATA = ("growth_kinetics", "neural_ode", "petab_model", "petab_residual")


def listing() -> dict[str, str]:
    """Every file and folder here, with the hash of its content."""
    return {
        path.as_posix(): hash_bytes(path.read_bytes()) if path.is_file() else ""
        for path in sorted(Path().rglob("*"))
    }


def refused(shell: Shell, *words: object) -> str:
    """What is said when a command is refused; it must have written nothing."""
    before = listing()
    output = shell(*map(str, words), exit_code=1)
    assert listing() == before, "something was written"
    assert "cellula: " in output
    return output.partition("cellula: ")[2]


def fit(model: str = "mean_response", *more: str) -> tuple[str, ...]:
    words = ("fit", "--data", "cells.h5ad", "--roles", ROLES, "--model", model, "--out", "fitted")
    return (*words, *more)


def predict(out: str, *more: str) -> tuple[str, ...]:
    return ("predict", "--fitted", "fitted", "--queries", "queries.csv", "--out", out, *more)


def ask(*rows: tuple[str, str]) -> None:
    frame = pd.DataFrame(rows, columns=["perturbation", "context"])
    frame.to_csv("queries.csv", index=False)


def write_example(data: Dataset) -> dict[str, Any]:
    """Files of an example dataset, and how to declare them."""
    if data.value_type is ValueType.LOG1P:
        data.data.write_h5ad("profiles.h5ad")
        found = {"data": "profiles.h5ad", "roles": CELLS_ROLES, "readouts": ""}
    else:
        table = data.obs[["perturbation", "context"]].astype(str)
        table["ln_ic50"] = data.dense()[:, 0]
        table.to_csv("profiles.csv", index=False)
        roles = "perturbation=perturbation,context=context"
        found = {"data": "profiles.csv", "roles": roles, "readouts": "ln_ic50"}
    for label in ("context", "perturbation"):
        features = getattr(data, f"{label}_features")
        features.rename_axis(label).reset_index().to_csv(f"{label}.csv", index=False)
    return found | {"value_type": data.value_type.value}


def declared(how: dict[str, Any]) -> Declared:
    return Declared(
        Path(how["data"]),
        dict(part.split("=") for part in how["roles"].split(",")),
        how["value_type"],
        {},
        readouts=(how["readouts"],) if how["readouts"] else (),
        context_features=(Path("context.csv"),),
        perturbation_features=(Path("perturbation.csv"), *how.get("structures", ())),
    )


def words_of(how: dict[str, Any]) -> list[str]:
    words = ["--data", how["data"], "--roles", how["roles"], "--value-type", how["value_type"]]
    words += ["--context-features", "context.csv", FEATURES, "perturbation.csv"]
    words += [part for path in how.get("structures", ()) for part in (FEATURES, str(path))]
    return words + (["--readouts", how["readouts"]] if how["readouts"] else [])


def write_structures(data: Dataset) -> tuple[Path, ...]:
    """Alcohols of growing length, as if they were what was given."""
    names = sorted(set(map(str, data.queries().perturbation)) - {"control"})
    lines = [f"{'C' * (i + 1)}O {name}" for i, name in enumerate(names)]
    Path("structures.smi").write_text("\n".join(lines) + "\n")
    return (Path("structures.smi"),)


def option_words(options: dict[str, Any]) -> list[str]:
    """How the command line says options."""
    told = {name: json.dumps(value, default=str) for name, value in options.items()}
    return [part for name, value in told.items() for part in ("--option", f"{name}={value}")]


# -- every model -------------------------------------------------------------------------------
@pytest.mark.requirement("E1")
@pytest.mark.parametrize("name", registry.names("model"))
def test_every_model_answers_from_its_folder_as_it_does_in_process(
    shell: Shell, name: str, tmp_path: Path
) -> None:
    try:
        plugin = registry.load("model", name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    accepted = 0
    for number, example in enumerate((single_cells(), ic50_table())):
        how = write_example(example)
        if plugin.capabilities.needs_structures:
            how["structures"] = write_structures(example)
        data = open_declared(declared(how))
        words = ["fit", *words_of(how), "--model", name, "--out", f"fitted{number}", "--seed", "4"]
        quick: dict[str, Any] = {}
        if name in OWN_OPTIONS:
            quick = OWN_OPTIONS[name]()
            words += option_words(quick)
        elif "train" in plugin.options_type.model_fields:
            quick = {"train": {"epochs": 2}}
            words += ["--option", "train.epochs=2"]
        model = plugin(plugin.options_type.model_validate(quick))
        run = run_context(4, tmp_path)
        refusal = refuses(lambda model=model, data=data, run=run: model.fit(data, None, run))
        if refusal:
            assert refusal in refused(shell, *words)
            continue
        accepted += 1
        own = model.fit(data, None, run_context(4, tmp_path))
        shell(*words)
        queries = QueryTable.of(
            [str(data.labels("perturbation")[-1]), "never seen"],
            [str(data.labels("context")[0])] * 2,
        )
        queries.frame().to_csv("queries.csv", index=False)
        out = f"pred{number}.parquet"
        words = ["predict", "--fitted", f"fitted{number}", "--queries", "queries.csv", "--out", out]
        control = None
        if refuses(lambda own=own, queries=queries, run=run: list(own.predict(queries, None, run))):
            control = data.controls  # a model that moves cells must be given some
            words += ["--control", how["data"]]
        expected = list(own.predict(queries, control, run_context(4, tmp_path)))
        shell(*words, "--seed", "4")
        found = pd.read_parquet(out)
        means = np.concatenate([batch.mean for batch in expected])
        assert np.array_equal(found["mean"].to_numpy(), means.ravel())
        in_domain = np.concatenate([batch.in_domain for batch in expected])
        width = len(data.readouts)
        assert np.array_equal(found["in_domain"].to_numpy(), np.repeat(in_domain, width))
        if expected[0].lower is not None:
            lower = np.concatenate([batch.lower for batch in expected])
            assert np.array_equal(found["lower"].to_numpy(), lower.ravel())
    assert accepted or name in OTHER_DATA


# -- fit and predict ---------------------------------------------------------------------------
def test_fit_writes_a_card_that_says_exploratory(shell: Shell, toy: Toy) -> None:
    toy()
    said = shell(*fit(), "--data", str(Path("cells.h5ad").absolute()))
    assert "exploratory (T0)" in said
    card = json.loads(Path("fitted/model.json").read_text())
    assert (card["tier"], card["status"], card["model"]) == ("T0", "exploratory", "mean_response")
    assert card["n_controls"] == 80
    assert card["control_contexts"] == ["k562"]
    assert list(card["sources"]) == ["cells.h5ad"]
    assert str(Path.cwd()) not in Path("fitted/model.json").read_text()
    assert sorted(path.name for path in Path("fitted").iterdir()) == ["model.json", "state.npz"]


def test_the_same_fit_gives_the_same_bytes(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit())
    before = listing()
    shell(*fit("mean_response", "--force"))
    assert listing() == before


def test_the_three_formats_hold_the_same_means(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit())
    ask(("G1", "k562"), ("G3+G2", "k562"), ("control", "k562"))
    for out in ("p.parquet", "p.csv", "p.h5ad"):
        assert "answered 3 questions" in shell(*predict(out))
    long, text, matrix = (
        pd.read_parquet("p.parquet"),
        pd.read_csv("p.csv", float_precision="round_trip"),
        anndata.read_h5ad("p.h5ad"),
    )
    assert np.array_equal(long["mean"].to_numpy().reshape(3, -1), matrix.X)
    assert np.array_equal(text["mean"].to_numpy(), long["mean"].to_numpy())
    assert list(text.columns) == [
        "perturbation",
        "context",
        "readout",
        "mean",
        "in_domain",
        "tier",
    ]
    assert set(text["tier"]) == set(long["tier"]) == {"T0"}
    assert matrix.uns["cellula"]["tier"] == "T0"
    assert list(matrix.obs["perturbation"]) == ["G1", "G2+G3", "control"]
    assert list(matrix.obs["in_domain"]) == [True, False, True]
    for table in (text, long):
        assert list(table["in_domain"]) == [*[True] * 40, *[False] * 40, *[True] * 40]
    assert list(matrix.var_names[:2]) == ["R0", "R1"]


def test_with_controls_cells_are_predicted_and_without_them_means(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit())
    ask(("G1", "k562"), ("G2", "k562"))
    shell(*predict("p.h5ad", "--control", "cells.h5ad"))
    cells = anndata.read_h5ad("p.h5ad")
    sizes = cells.obs.groupby("query").size()
    assert list(sizes.index) == [0, 1]
    assert (sizes > 50).all()
    assert cells.uns["cellula"]["X"] == "cells"
    shell(*predict("m.h5ad", "--control", "cells.h5ad", "--means"))
    means = anndata.read_h5ad("m.h5ad")
    assert means.shape == (2, 40)
    first = cells.X[(cells.obs["query"] == 0).to_numpy()].toarray().mean(axis=0)
    assert np.corrcoef(first, means.X[0])[0, 1] > 0.98


def test_controls_in_another_order_of_readouts_give_the_same_answers(
    shell: Shell, toy: Toy
) -> None:
    toy()
    shell(*fit())
    ask(("G1", "k562"))
    cells = anndata.read_h5ad("cells.h5ad")
    cells[cells.obs["gene"] == "control", ::-1].copy().write_h5ad("controls.h5ad")
    shell(*predict("a.csv", "--control", "cells.h5ad"))
    shell(*predict("b.csv", "--control", "controls.h5ad"))
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


@pytest.mark.requirement("E8")
def test_size_and_time_are_told(shell: Shell, toy: Toy) -> None:
    toy()
    assert re.search(r"^cost +[\d,]+ parameters; .*s of processor time, ", shell(*fit()), re.M)
    ask(("G1", "k562"))
    for words in (fit("mean_response", "--force", "--json"), predict("p.csv", "--json")):
        cost = json.loads(shell(*words))["cost"]
        arrays = read_state(Path("fitted/state.npz").read_bytes()).arrays
        assert cost["n_parameters"] == sum(array.size for array in arrays.values()) > 0
        assert cost["seconds"] >= 0
        assert cost["cpu_seconds"] >= 0
        assert cost["peak_bytes"] > 1e6
    assert "cost     " in shell(*predict("q.csv"))
    assert "seconds" not in Path("fitted/model.json").read_text()


def test_tuning_options_and_json(shell: Shell, toy: Toy) -> None:
    toy()
    features = ("--perturbation-features", "features.csv", "--json")
    told = json.loads(shell(*fit("ridge", *features, "--tune", "0.25", "--option", "cells=0")))
    assert told["card"]["tuning"] == {"share": 0.25, "kind": "unseen_perturbation"}
    assert told["card"]["options"]["cells"] == 0
    ask(("G1", "k562"))
    assert json.loads(shell(*predict("p.csv", "--json")))["written"]["queries"] == 1


def test_doses_and_times_are_converted(shell: Shell, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"drug": ["a", "a", "b", "b"] * 3, "uM": [1.0, 10.0] * 6, "h": 24})
    table["line"] = np.repeat(["x", "y", "z"], 4)
    table["viability"] = rng.random(12)
    table.to_csv("cells.csv", index=False)
    roles = "perturbation=drug,context=line,dose_molar=uM,time_s=h"
    shell(
        *("fit", "--data", "cells.csv", "--roles", roles, "--value-type", "viability"),
        *("--readouts", "viability", "--dose-unit", "uM", "--time-unit", "h"),
        *("--model", "mean_response", "--out", "fitted"),
    )
    queries = pd.DataFrame({"perturbation": ["a"], "context": ["x"], "dose": [1e4], "time": [1]})
    queries.to_csv("queries.csv", index=False)
    shell(*predict("p.csv", "--dose-unit", "nM", "--time-unit", "d"))
    found = pd.read_csv("p.csv")
    mean = table[(table["drug"] == "a") & (table["uM"] == 10)]["viability"].mean()
    assert found["mean"][0] == pytest.approx(mean)
    assert (found["dose_molar"][0], found["time_s"][0]) == (pytest.approx(1e-5), 86400.0)
    assert found["in_domain"][0]
    assert "--dose-unit" in refused(shell, *predict("q.csv"))
    queries.drop(columns="dose").to_csv("queries.csv", index=False)
    assert "lacks the column(s) dose" in refused(shell, *predict("q.csv", "--time-unit", "d"))


# -- bad input ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--roles", "perturbation=gen,control=control,context=line"), "did you mean gene?"),
        (("--roles", "perturbation=gene,colour=line"), "colour: no such role"),
        (("--roles", "perturbation"), "expected name=value"),
        (("--roles", "perturbation=gene,perturbation=line"), "twice"),
        (("--roles", "perturbation=gene,context=line"), "no control is declared"),
        (("--value-type", "counts"), "is not an integer"),
        (("--value-type", "log9"), "value_type: Input should be"),
        (("--model", "mean_respons"), "did you mean mean_response"),
        (("--option", "cels=3"), "cels"),
        (("--option", "cells=-1"), "cells"),
        (("--where", "line=hela"), "never holds 'hela'"),
        (("--data", "missing.h5ad"), "no such file"),
        (("--tune", "1.5"), "share"),
        (("--tune", "0.5", "--tune-for", "unseen_planet"), "kind"),
        (("--tune", "0.5", "--tune-for", "unseen_context"), "a split needs at least 2"),
        (("--perturbation-features", "none.csv"), "no such file"),
        (("--model", "knn"), "features"),
        (("--out", "cells.h5ad"), "is a file"),
        (("--out", "home"), "holds other things"),
    ],
)
def test_a_wrong_fit_writes_nothing(
    shell: Shell, toy: Toy, words: tuple[str, ...], said: str
) -> None:
    toy()
    Path("home/note").write_text("mine")
    assert said in refused(shell, *fit(), *words)


def test_nothing_is_replaced_unasked(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit())
    assert "--force" in refused(shell, *fit())
    ask(("G1", "k562"))
    shell(*predict("p.csv"))
    assert "--force" in refused(shell, *predict("p.csv"))
    shell(*predict("p.csv", "--force"))
    Path("fitted/note").write_text("mine")
    assert "holds other things" in refused(shell, *fit("control", "--force"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("perturbation,context\n", "asks nothing"),
        ("perturbation\nG1\n", "lacks the column(s) context"),
        ("perturbation,context,cell\nG1,k562,1\n", "cell, which no question has"),
        ("perturbation,context\nG1,k562\n,k562\n", "no value in row 1"),
        ("perturbation,context,dose,dose_molar\nG1,k562,1,1\n", "has both"),
        ("perturbation,context,dose_molar\nG1,k562,-1\n", "-1 in row 0"),
        ("perturbation,context\nG1,k562,3,4\n", "damaged"),
    ],
)
def test_wrong_questions_write_nothing(shell: Shell, toy: Toy, text: str, said: str) -> None:
    toy()
    shell(*fit())
    Path("queries.csv").write_text(text)
    assert said in refused(shell, *predict("p.parquet"))


def test_a_wrong_prediction_writes_nothing(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit("control"))
    ask(("G1", "k562"), ("G1", "hela"))
    assert "1 queried context(s): hela" in refused(shell, *predict("p.csv"))
    ask(("G1", "k562"))
    assert ".parquet" in refused(shell, *predict("p.xlsx"))
    cells = anndata.read_h5ad("cells.h5ad")
    cells[:, :30].copy().write_h5ad("few.h5ad")
    said = refused(shell, *predict("p.csv", "--control", "few.h5ad"))
    assert "lacks 10 of the 40 readouts" in said
    assert "no.csv cannot be read" in refused(
        shell, "predict", "--fitted", "fitted", "--queries", "no.csv", "--out", "p.csv"
    )
    assert "no fitted model" in refused(
        shell, "predict", "--fitted", "home", "--queries", "queries.csv", "--out", "p.csv"
    )
    state = Path("fitted/state.npz")
    whole = state.read_bytes()
    state.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "not the state" in refused(shell, *predict("p.csv"))
    state.write_bytes(whole)
    card = Path("fitted/model.json")
    card.write_text(card.read_text().replace('"version": 1', '"version": 2'))
    assert "newer cellula" in refused(shell, *predict("p.csv"))


def test_a_stream_that_breaks_leaves_nothing(
    shell: Shell, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model fails on its second batch: neither the file nor a part of it is there."""
    from cellula.models.baselines import answer

    toy()
    shell(*fit())
    ask(("G1", "k562"), ("G2", "k562"))
    monkeypatch.setattr(answer, "MAX_ROWS", 1)
    first = answer.Answer.stream

    def broken(*given: Any) -> Any:
        yield next(first(*given))
        raise DataError("broken on purpose")

    monkeypatch.setattr(answer.Answer, "stream", broken)
    for out in ("p.parquet", "p.csv", "p.h5ad"):
        assert "on purpose" in refused(shell, *predict(out))


def test_batches_make_one_file(shell: Shell, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from cellula.models.baselines import answer

    toy()
    shell(*fit())
    ask(*((f"G{i}", "k562") for i in range(7)))
    outs = ("p.parquet", "p.csv", "p.h5ad")
    for out in outs:
        shell(*predict(out, "--control", "cells.h5ad"))
    monkeypatch.setattr(answer, "MAX_ROWS", 3)
    for out in outs:
        shell(*predict(f"many-{out}", "--control", "cells.h5ad"))
    pd.testing.assert_frame_equal(pd.read_parquet("p.parquet"), pd.read_parquet("many-p.parquet"))
    assert Path("p.csv").read_bytes() == Path("many-p.csv").read_bytes()
    one, many = anndata.read_h5ad("p.h5ad"), anndata.read_h5ad("many-p.h5ad")
    pd.testing.assert_frame_equal(one.obs, many.obs)
    assert (one.X != many.X).nnz == 0


# -- explain and cite --------------------------------------------------------------------------
def test_explain_names_the_feature_that_acts(shell: Shell, tmp_path: Path) -> None:
    how = write_example(ic50_table())
    shell("fit", *words_of(how), "--model", "ridge", "--out", "fitted")
    said = shell("explain", "--fitted", "fitted", "--perturbation", "drug009", "--top", "3")
    assert said.splitlines()[1].split()[:2] == ["1", "mutated0"]
    assert "the strongest 3 of 8 features; exploratory (T0)" in said
    every = shell("explain", "--fitted", "fitted", "--top", "3")
    assert "mean size over 10 rows" in every
    words = ("explain", "--fitted", "fitted", "--perturbation", "drug009", "--json")
    told = json.loads(shell(*words))["explanation"]
    assert (told["row"], len(told["features"])) == ("drug009", 8)
    assert told["features"][0][1] < -0.2
    sizes = [abs(value) for _, value in told["features"]]
    assert sizes == sorted(sizes, reverse=True)
    said = refused(shell, "explain", "--fitted", "fitted", "--perturbation", "drug0001")
    assert "drug001" in said


def test_one_answer_of_a_network_is_explained(shell: Shell) -> None:
    how = write_example(single_cells())
    shell("fit", *words_of(how), "--model", "flow_matching", *SMALL, "--out", "fitted")
    ask = ("explain", "--fitted", "fitted", "--perturbation", "G1", "--control", "profiles.h5ad")
    said = shell(*ask, "--context", "type0", "--top", "3")
    assert "flow_matching: G1 in type0; integrated gradients" in said
    assert "the strongest 3 of 14 features" in said
    words = ("--context", "type0", "--against", "G2", "--readout", "gene3", "--json")
    told = json.loads(shell(*ask, *words, "--method", "shap"))["reasons"]
    assert [name for name, _ in told["readouts"]] == ["gene3"]
    assert {name.split(":")[0] for name, *_ in told["features"][:6]} & {"G1", "G2"}
    assert "no control profile of the context 'moon'" in refused(shell, *ask, "--context", "moon")
    assert "is no method" in refused(shell, *ask, "--context", "type0", "--method", "magic")
    assert "--control FILE" in refused(shell, *ask[:5], "--context", "type0")
    twice = ("--option", "train=3", "--option", "train.epochs=2")
    again = ("fit", *words_of(how), "--model", "flow_matching", *twice, "--out", "other")
    assert "gives 'train' a value and names within it" in refused(shell, *again)


def test_a_model_that_cannot_explain_names_those_that_can(shell: Shell, toy: Toy) -> None:
    toy()
    shell(*fit())
    said = refused(shell, "explain", "--fitted", "fitted")
    assert "pair_completion, ridge" in said


def test_cite_prints_bibtex_of_models_metrics_and_data(shell: Shell, toy: Toy) -> None:
    study = toy()
    text = study.read_text().replace(
        'license = "CC-BY-4.0"',
        'license = "CC-BY-4.0"\ncitation = "Iorio et al., doi:10.1016/j.cell.2016.06.017"',
    )
    study.write_text(text.replace('"features.csv"', '"features.csv"\ncitation = "Ours & more"'))
    found = read_bibliography(shell("cite", str(study)))
    assert {"ahlmanneltze2025", "szekely2013", "vovk2005", "iorio2016", "data1"} <= set(found)
    told = json.loads(shell("cite", str(study), "--json"))
    users = {one["key"]: one["users"] for one in told}
    assert users["iorio2016"] == ["data cells.h5ad"]
    assert "model bilinear_ridge" in users["ahlmanneltze2025"]
    assert "note = {Ours \\& more}" in next(one["entry"] for one in told if one["key"] == "data1")
    assert "no study file" in refused(shell, "cite", "none.toml")
