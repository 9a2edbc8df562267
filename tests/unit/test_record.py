"""A record holds what the bundle says, and a damaged bundle is refused by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dossier_example import STUDY, example_files, example_ledger, parquet

from cellula.core.errors import EvidenceError
from cellula.core.gate import Outcome
from cellula.report.record import StudyRecord, read_record


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return example_files(600)


@pytest.fixture(scope="module")
def record(files: dict[str, bytes]) -> StudyRecord:
    return read_record(files, example_ledger())


@pytest.mark.requirement("R5")
def test_everything_of_the_bundle_is_in_the_record(record: StudyRecord) -> None:
    assert [claim["id"] for claim in record.claims] == ["unseen-pair", "unseen-tissue"]
    failed = [v for v in record.verdicts if v.outcome is Outcome.FAILED]
    assert [v.gate for v in failed] == ["anchored_score", "stability"]
    assert failed[0].about == "variance_explained@1"
    assert {card.id for card in record.models if card.is_baseline} == {
        "row_column_offset",
        "mean_response",
    }
    assert len(record.fits) == 40
    assert record.statement["version"] == 1
    assert record.altered == ()


def test_numbers_are_those_of_the_tables(record: StudyRecord) -> None:
    """The anchored score follows from predicted and observed alone."""
    pair, (score,) = record.agreements["unseen-pair"], record.gate_scores("unseen-pair")
    error = ((pair.observed - pair.predicted) ** 2).sum()
    base = ((pair.observed - pair.baseline) ** 2).sum()
    assert score.anchored.value == pytest.approx(1 - error / base)
    inside = (pair.lower <= pair.observed) & (pair.observed <= pair.upper)
    assert 0.8 < inside.mean() < 1


def test_the_selected_model_may_differ_by_fold(files: dict[str, bytes]) -> None:
    changed = dict(files)
    path = "evidence/selection-unseen-pair.json"
    found = json.loads(changed[path])
    found["payload"]["folds"][0]["selected"] = "mean_response"
    changed[path] = json.dumps(found).encode()
    before = read_record(files).agreements["unseen-pair"]
    after = read_record(changed).agreements["unseen-pair"]
    is_same = np.isclose(before.predicted, after.predicted)
    assert len(before.predicted) == len(after.predicted)
    assert is_same.mean() == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(after.predicted[~is_same], after.baseline[~is_same])


def test_only_the_study_must_be_there(files: dict[str, bytes]) -> None:
    bare = read_record({"study.json": files["study.json"]})
    assert (bare.verdicts, bare.data, bare.ledger) == ((), (), ())
    assert bare.scores("unseen-pair") is None
    with pytest.raises(EvidenceError, match=r"no study\.json"):
        read_record({"data.json": files["data.json"]})


@pytest.mark.parametrize("change", [lambda data: data + b" ", lambda data: data[:-1]])
def test_a_changed_file_is_named(files: dict[str, bytes], change: Callable[[bytes], bytes]) -> None:
    changed = {**files, "study.toml": change(files["study.toml"])}
    assert read_record(changed).altered == ("study.toml",)
    fewer = {path: data for path, data in files.items() if path != "study.toml"}
    assert read_record(fewer).altered == ("study.toml",)


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("verdicts.json", b"[{]", r"verdicts\.json is not JSON"),
        ("verdicts.json", b"{}", r"verdicts\.json holds a dict; expected a JSON list"),
        ("verdicts.json", b'[{"gate": "x"}]', r"verdicts\.json: entry 0 has another form"),
        ("study.json", b"[]", r"study\.json holds a list"),
        ("models.json", b'["ridge"]', r"models\.json: entry 0"),
        ("evidence/scores-unseen-pair.json", b"{}", r"scores-unseen-pair\.json: entry 0"),
        ("truth/unseen-pair.parquet", b"PAR1", r"truth/unseen-pair\.parquet cannot be read"),
    ],
)
def test_a_damaged_file_is_named(
    files: dict[str, bytes], path: str, data: bytes, message: str
) -> None:
    with pytest.raises(EvidenceError, match=message):
        read_record({**files, path: data})


def test_a_question_answered_twice_is_refused(files: dict[str, bytes]) -> None:
    path = "predictions/unseen-pair/pair_completion.parquet"
    table = pd.read_parquet(io.BytesIO(files[path]))
    doubled = pd.concat([table, table.iloc[:1]])
    with pytest.raises(EvidenceError, match="answer one question twice"):
        read_record({**files, path: parquet(doubled)})


def test_a_damaged_ledger_entry_is_refused(files: dict[str, bytes]) -> None:
    wrong: list[dict[str, Any]] = [{"seq": 1, "time": "2026-11-02"}]
    with pytest.raises(EvidenceError, match="the ledger: entry 0"):
        read_record({"study.json": files["study.json"]}, wrong)


def test_a_clock_in_seconds_becomes_a_date(files: dict[str, bytes]) -> None:
    entry = {"seq": 1, "time": 0.0, "kind": "registered", "subject": "s", "payload": {}}
    found = read_record({"study.json": files["study.json"]}, [entry]).ledger[0]
    assert found.time == "1970-01-01T00:00:00+00:00"


def test_entries_of_other_studies_are_left_out(files: dict[str, bytes]) -> None:
    """A workspace may hold several; earlier versions of this one stay, they are attempts."""
    own = example_ledger()
    kinds = ("registered", "run_started", "labels_opened", "decided")
    other = [
        {"seq": 90 + n, "time": "", "kind": kind, "subject": "s", "payload": {"study_hash": "0"}}
        for n, kind in enumerate(kinds)
    ]
    other[-1]["payload"] = {"gate": "no_leakage"}
    assert read_record(files, [*own, *other]).ledger == read_record(files, own).ledger
    assert len(read_record(files, [*other, *own]).ledger) == len(own)
    older = [{**entry, "subject": STUDY["study"]["id"]} for entry in other]
    assert len(read_record(files, [*older, *own]).ledger) == len(own) + len(older)


def test_several_gates_of_a_claim_keep_their_order(files: dict[str, bytes]) -> None:
    path = "evidence/anchored_score-unseen-pair.json"
    second = json.loads(files[path])
    second["payload"]["metric"] = "spearman@1"
    more = {path.replace(".json", "-2.json"): json.dumps(second).encode(), **files}
    found = [score.metric for score in read_record(more).gate_scores("unseen-pair")]
    assert found == ["variance_explained@1", "spearman@1"]
