"""Versions of a study: who amends whom, which attempts count, what is left to the intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_example import GATE, prepared, study, table, tree

from cellula.core.canonical import canonical_json
from cellula.core.dataset import Provenance
from cellula.core.errors import DataError, EvidenceError, StudyError, Tampered
from cellula.core.run import SilentProgress
from cellula.evidence.attempts import (
    Opening,
    attempt_problems,
    earlier_path,
    held_out_profiles,
    level_after,
    linked,
    told_attempts,
)
from cellula.evidence.bundle import read_bundle
from cellula.evidence.lineage import (
    attempt_faults,
    bundle_name,
    openings_before,
    other_studies,
    versions,
)
from cellula.evidence.seal import open_sealed
from cellula.evidence.witnesses import check_ledger
from cellula.io.parquet import frame_bytes
from cellula.report.dossier import render
from cellula.report.record import read_record
from cellula.validation.amendment import changes, latest_version, registered_tree
from cellula.validation.inner import run_study
from cellula.validation.preparation import PreparedStudy
from cellula.validation.registration import Registration, register
from cellula.validation.study import Amendment, Study, parse_study
from cellula.validation.study_text import amended, amended_text
from cellula.validation.workspace import Workspace, open_workspace

pytestmark = pytest.mark.requirement("L5")

DATA = replace(table(), provenance=Provenance({"ic50.csv": "a" * 64}, "CC-BY-4.0"))
LINES = sorted(set(DATA.obs["context"].astype(str)))


def lines(first: int, last: int, **claim: Any) -> PreparedStudy:
    """Version 1 of a study that holds out the lines from the first to the last."""
    given = {"kind": "unseen_context", "hold_out": LINES[first:last], "id": "lines"} | claim
    return prepared(study(**given), DATA)


def after(before: Registration, chosen: PreparedStudy, reason: str = "why") -> PreparedStudy:
    """The study as the version that follows a registered one."""
    statement = before.statement
    amendment = Amendment(amends=statement["study_hash"], reason=reason)
    return replace(chosen, study=amended(chosen.study, statement["version"] + 1, amendment))


def opened(place: Workspace, found: Registration, *claims: str) -> None:
    for claim, digest in found.sealed.items():
        if not claims or claim in claims:
            open_sealed(
                digest,
                subject=claim,
                study_hash=found.statement["study_hash"],
                purpose="a test",
                key=place.key,
                blobs=place.blobs,
                ledger=place.ledger,
            )


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "w", tmp_path / "key")


# -- the level ------------------------------------------------------------------------------------
def test_every_attempt_halves_the_error() -> None:
    assert [level_after(0.95, n) for n in range(4)] == [0.95, 0.975, 0.9875, 0.99375]
    assert level_after(0.9, 0) == 0.9


def test_the_attempts_of_all_series_keep_within_the_bound() -> None:
    """However hold-outs overlap, all attempts together err at most 2 f (1 - ci)."""
    rng = np.random.default_rng(7)
    reached = 0.0
    for _ in range(300):
        before: list[Opening] = []
        error, n_fresh = 0.0, 0
        width = int(rng.integers(2, 12))
        for number in range(12):
            start = int(rng.integers(0, 30))
            profiles = frozenset(str(one) for one in range(start, start + width))
            n_earlier = len(linked(profiles, before))
            error += 1.0 - level_after(0.95, n_earlier)
            n_fresh += n_earlier == 0
            before.append(Opening(str(number), "a", profiles))
        assert error <= 2 * n_fresh * 0.05
        reached = max(reached, error / (2 * n_fresh * 0.05))
    assert reached > 0.99


def test_attempts_are_linked_through_others() -> None:
    one, two, far = (
        Opening(name, "c", frozenset(names))
        for name, names in (("1", "ab"), ("2", "bc"), ("3", "x"))
    )
    assert linked(frozenset("c"), [one, two, far]) == ("1", "2")
    assert linked(frozenset("a"), [far]) == ()
    assert linked(frozenset("ax"), [one, one, far]) == ("1", "3")


def test_a_split_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match=r"splits/a\.parquet is no table of a split"):
        held_out_profiles(b"PAR1", "splits/a.parquet")


# -- registering versions -------------------------------------------------------------------------
def test_a_later_version_counts_what_was_opened(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    assert first.statement["attempts"]["lines"]["is_fresh"]
    assert list(first.levels("lines") or ()) == [0.95]
    opened(place, first)
    opened(place, first)
    second = register(after(first, lines(3, 9)), place)
    told = second.statement["attempts"]["lines"]
    assert told["earlier_attempts"] == [first.statement["study_hash"]]
    assert (told["is_fresh"], told["levels"]) == (False, [0.975])
    assert second.statement["reason"] == "why"
    opened(place, second)
    third = register(after(second, lines(12, 16)), place)
    told = third.statement["attempts"]["lines"]
    assert (told["is_fresh"], told["levels"], len(told["openings"])) == (True, [0.95], 2)
    opened(place, third)
    fourth = register(after(third, lines(8, 12)), place)
    told = fourth.statement["attempts"]["lines"]
    assert told["levels"] == [0.9875], "linked to the first through the second"
    for found in (first, second, third, fourth):
        assert list(attempt_faults(place.ledger.entries(), found.statement)) == []


def test_labels_that_stayed_sealed_are_no_attempt(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    second = register(after(first, lines(0, 6, statement="another")), place)
    assert second.statement["attempts"]["lines"]["openings"] == []
    assert [entry.payload["reason"] for entry in place.ledger.entries("amended")] == ["why"]


def test_another_id_of_the_claim_does_not_wash_it(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    opened(place, first)
    second = register(after(first, lines(0, 6, id="renamed")), place)
    assert second.statement["attempts"]["renamed"]["levels"] == [0.975]


def test_when_nothing_is_left_to_spend_it_says_so(place: Workspace) -> None:
    found = register(lines(0, 6), place)
    for number in range(4):
        opened(place, found)
        found = register(after(found, lines(0, 6, statement=str(number))), place)
    opened(place, found)
    with pytest.raises(EvidenceError, match=r"5 earlier attempts .* hold out profiles that nobody"):
        register(after(found, lines(0, 6, statement="last")), place)


def test_only_the_next_version_is_registered(place: Workspace) -> None:
    chosen = lines(0, 6)
    loose = Amendment(amends="0" * 64, reason="why")
    with pytest.raises(StudyError, match=r"version 1 .* has a table"):
        register(replace(chosen, study=amended(chosen.study, 1, loose)), place)
    with pytest.raises(StudyError, match="begin with version 1"):
        register(replace(chosen, study=amended(chosen.study, 2, loose)), place)
    first = register(chosen, place)
    with pytest.raises(StudyError, match=r"amends 0000.* expected version 2 .* cellula amend FILE"):
        register(replace(chosen, study=amended(chosen.study, 2, loose)), place)
    second = register(after(first, lines(0, 5)), place)
    stray = amended(chosen.study, 3, Amendment(amends=chosen.study.hash, reason="why"))
    with pytest.raises(StudyError, match="expected version 3"):
        register(replace(chosen, study=stray), place)
    assert latest_version(place, "s").signed == second.statement
    kept = registered_tree(place, latest_version(place, "s"))
    assert kept["amendment"]["reason"] == "why"


def test_the_names_of_results_tell_the_version() -> None:
    assert bundle_name("toy", 1) == "toy"
    assert bundle_name("toy", 12) == "toy-v12"


# -- what the ledger says -------------------------------------------------------------------------
def edited(found: Registration, **given: Any) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(canonical_json(found.statement))
    statement["attempts"]["lines"] |= given
    return statement


def test_a_statement_that_differs_from_the_ledger_is_found(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    opened(place, first)
    second = register(after(first, lines(0, 6, statement="x")), place)
    entries = place.ledger.entries()
    (fault,) = attempt_faults(entries, edited(second, earlier_attempts=[], is_fresh=True))
    assert "another registration" in fault
    unopened = [entry for entry in entries if entry.kind != "labels_opened"]
    (fault,) = attempt_faults(unopened, second.statement)
    assert "has no entry that the labels of lines were opened" in fault


def test_an_opening_after_the_successor_was_registered_is_found(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    second = register(after(first, lines(0, 6, statement="x")), place)
    opened(place, first)
    opened(place, second)
    (fault,) = attempt_faults(place.ledger.entries(), second.statement)
    assert "the registration leaves this out of the attempts at lines" in fault


def test_an_opening_counts_from_the_entry_after_it(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    opened(place, first)
    entries = place.ledger.entries()
    known = versions(entries, "s")
    (seq,) = [entry.seq for entry in entries if entry.kind == "labels_opened"]
    asked = (entries, known, "lines", "unseen_context")
    assert openings_before(*asked, seq) == ()
    assert openings_before(*asked, seq + 1) == ((known[0], "lines"),)


def test_an_opening_after_the_own_one_is_no_fault(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    second = register(after(first, lines(0, 6, statement="x")), place)
    opened(place, second)
    opened(place, first)
    assert list(attempt_faults(place.ledger.entries(), second.statement)) == []


def test_another_split_of_an_earlier_version_is_found(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    opened(place, first)
    second = register(after(first, lines(0, 6, statement="x")), place)
    entries = list(place.ledger.entries())
    assert list(attempt_faults(entries, second.statement)) == []
    statement: dict[str, Any] = json.loads(canonical_json(second.statement))
    path = earlier_path(first.statement["study_hash"], "lines")
    assert path in statement["splits"]
    statement["splits"][path] = "0" * 64
    document = dict(second.document) | {"statement": statement}
    entries = [
        replace(one, payload=dict(one.payload) | {"registration": document})
        if one.kind == "registered" and one.payload["registration"] == second.document
        else one
        for one in entries
    ]
    (fault,) = attempt_faults(entries, statement)
    assert fault.startswith("registered another split of lines for version ")


def test_a_skipped_predecessor_is_found(place: Workspace) -> None:
    first = register(lines(0, 6), place)
    second = register(after(first, lines(0, 5)), place)
    entries = [
        entry
        for entry in place.ledger.entries()
        if entry.payload.get("study_hash") != first.statement["study_hash"]
    ]
    (fault,) = attempt_faults(entries, second.statement)
    assert fault.startswith("registered no version before this version")


def test_other_studies_are_told_not_counted(place: Workspace) -> None:
    opened(place, register(lines(0, 6), place))
    content = tree(kind="unseen_context", hold_out=LINES[:6], id="lines")
    content["study"]["id"] = "washed"
    found = register(prepared(Study.model_validate(content), DATA), place)
    assert found.statement["attempts"]["lines"]["is_fresh"]
    entries = place.ledger.entries()
    assert other_studies(entries, found.statement["study_hash"]) == ("s",)
    place.ledger.export(place.folder / "l.jsonl")
    witness = check_ledger(
        found.statement["study_hash"],
        place.folder / "l.jsonl",
        None,
        place.key.public_hex,
        found.statement,
    )
    assert any(line.endswith("1 (s); told, not counted as attempts") for line in witness.known)
    own = versions(entries, "s")[0]
    assert other_studies(entries, own.hash) == (), "the other has not opened its labels"
    assert openings_before(entries, [own], "lines", "unseen_context", 10**6)


@pytest.mark.parametrize(
    "attempts", [[], {"lines": []}, {"lines": {"kind": 3}}, {"lines": {"openings": "x"}}]
)
def test_attempts_of_another_form_are_a_problem(place: Workspace, attempts: Any) -> None:
    with pytest.raises(Tampered, match="its attempts have another form"):
        told_attempts({"attempts": attempts})
    (problem,) = attempt_problems({"attempts": attempts}, {})
    assert "another form" in problem
    found = register(lines(0, 6), place)
    document = dict(found.document) | {"statement": dict(found.statement) | {"attempts": attempts}}
    payload = {"study_hash": found.statement["study_hash"], "registration": document}
    place.ledger.append("registered", "s", payload)
    (fault,) = attempt_faults(place.ledger.entries(), found.statement)
    assert "registers a study in another form (attempts" in fault


def test_a_split_that_is_missing_cannot_be_counted_again() -> None:
    told = {
        "kind": "k",
        "openings": [{"study": "a", "claim": "lines"}],
        "earlier_attempts": ["a"],
        "is_fresh": False,
        "levels": [0.975],
    }
    (problem,) = attempt_problems({"attempts": {"lines": told}}, {})
    assert "cannot be counted again: 'splits/" in problem
    del told["openings"]
    import pandas as pd

    split = frame_bytes(pd.DataFrame({"part": ["test", "excluded"], "profile": ["a", "b"]}))
    assert held_out_profiles(split, "s") == frozenset("a")


# -- a whole run ----------------------------------------------------------------------------------
def ran(chosen: PreparedStudy, place: Workspace) -> Mapping[str, bytes]:
    register(chosen, place)
    result = run_study(chosen, place, lambda files, study: b"{}", SilentProgress())
    return read_bundle(result.bundle)


@pytest.mark.requirement("D3")
def test_the_same_sequence_gives_the_same_bytes_and_a_curve(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        place = open_workspace(tmp_path / name, tmp_path / "key")
        first = lines(0, 6)
        ran(first, place)
        second = after(register(first, place), lines(0, 6, gate=[GATE | {"at_least": 0.2}]))
        found.append(ran(second, place))
        ledger = place.results("s") / "s-v2.ledger.jsonl"
    assert found[0] == found[1]
    score = json.loads(found[0]["evidence/anchored_score-lines.json"])
    assert score["payload"]["level"] == 0.975
    entries = [json.loads(line) for line in ledger.read_bytes().splitlines()]
    page = render(read_record(found[0], entries))
    assert "Anchored score by version of the study. lines: variance explained: version 1" in page
    assert "α/2" in page
    assert "97.5\u202f%, attempts counted" in page
    assert "Other studies" not in page
    once = [entry for entry in entries if entry["seq"] < 20 and entry["kind"] != "amended"]
    first_hash = entries[1]["payload"]["study_hash"]
    only = [entry for entry in once if entry["payload"].get("study_hash") == first_hash]
    assert "Curve over versions" not in render(read_record(found[0], only))


# -- the file and what changed --------------------------------------------------------------------
def test_changes_are_told_by_path() -> None:
    before = tree()
    after_it = tree(statement="more", gate=[GATE | {"at_least": 0.3}])
    after_it["study"]["version"] = 2
    after_it["amendment"] = {"amends": "a" * 64, "reason": "r"}
    after_it["model"] = [before["model"][0], {"id": "new", "kind": "knn"}]
    found = {one.path: (one.before, one.after) for one in changes(before, after_it)}
    assert found == {
        "claim.pairs.gate.0.at_least": (0.1, 0.3),
        "claim.pairs.statement": (None, "more"),
        "model.linear": ({"id": "linear", "kind": "ridge"}, None),
        "model.new": (None, {"id": "new", "kind": "knn"}),
    }
    turned = before | {"model": before["model"][::-1]}
    assert [one.path for one in changes(before, turned)] == ["model"]
    assert changes(before, before) == ()


TOML = """# what for
[study]  # who
id = "s"
title = "t"
owner = "o"
question = "q"

[context_of_use]
role = "test"
regulatory = false
influence = "low"
consequence = "low"
needs_mechanism = false

[boundary]
level = "cellular"

[[data]]
path = "a.csv"
role = "profiles"
value_type = "ln_ic50"
license = "CC-BY-4.0"

[[model]]
id = "m"
kind = "ridge"  # the first

[[claim]]
id = "c"
kind = "unseen_pair"
hold_out = "each"

[[claim.gate]]
metric = "variance_explained@1"
at_least = 0.1
ci_width_max = 2.0
why = "w"
on_fail = "structural_prior"
"""


def yaml_text(*, is_flow: bool) -> str:
    import tomllib

    import yaml

    return "# kept\n" + yaml.safe_dump(tomllib.loads(TOML), default_flow_style=is_flow)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.toml", TOML),
        ("s.toml", TOML.replace("\n", "\r\n")),
        ("s.yaml", yaml_text(is_flow=False)),
        ("s.yml", yaml_text(is_flow=True)),
    ],
)
def test_the_file_keeps_its_comments_and_layout(name: str, text: str) -> None:
    first = Amendment(amends="a" * 64, reason='said "so":\n ü 😀 # no comment')
    once = amended_text(text.encode(), name, 2, first)
    assert parse_study(once, name).amendment == first
    if "\r" in text:
        assert once.count(b"\n") == once.count(b"\r\n")
    if name == "s.toml" or "{" not in text:
        assert set(text.splitlines()) <= set(once.decode().splitlines())
    second = Amendment(amends="b" * 64, reason="again")
    twice = amended_text(once, name, 3, second)
    assert (parse_study(twice, name).study.version, parse_study(twice, name).amendment) == (
        3,
        second,
    )
    assert twice.count(b"amends") == 1
    assert b"a" * 64 not in twice


def test_a_form_that_cannot_be_edited_is_said() -> None:
    header, rest = TOML.split("\n\n", 1)
    keys = ", ".join(line for line in header.splitlines()[2:])
    inline = f"study = {{ {keys} }}\n\n{rest}"
    with pytest.raises(StudyError, match=r"s\.toml .* write by hand: study\.version = 2"):
        amended_text(inline.encode(), "s.toml", 2, Amendment(amends="a" * 64, reason="r"))
