"""The dossier says what the evidence supports, all of it, and nothing it does not hold."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from dossier_example import example_files, example_ledger

from cellula.core.numerals import estimate
from cellula.report.dossier import render, sections
from cellula.report.page import inline
from cellula.report.record import StudyRecord, read_record

ORDER = [
    "verdict", "cautions", "gates", "data", "models", "agreement", "intervals", "failures", "why",
    "experiments", "application", "governance", "attempts", "credibility", "requirements", "verify",
]  # fmt: skip
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects ids, links, tags and visible text, and checks that tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if found.get("href"):
            self.targets.append(str(found["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return example_files(1200)


@pytest.fixture(scope="module")
def record(files: dict[str, bytes]) -> StudyRecord:
    return read_record(files, example_ledger())


@pytest.fixture(scope="module")
def html(record: StudyRecord) -> str:
    return render(record)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def changed(files: dict[str, bytes], path: str, change: Any, ledger: Any = ()) -> str:
    content = json.loads(files[path])
    content = change(content) or content
    return render(read_record({**files, path: json.dumps(content).encode()}, ledger))


def test_sections_stand_in_order_with_links(page: Page) -> None:
    assert [name for name in page.ids if name in ORDER] == ORDER
    assert page.targets == [f"#{name}" for name in ORDER]
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.requirement("O2")
def test_it_is_one_quiet_file(html: str, page: Page) -> None:
    """No script, no network, no foreign file; equal records give equal bytes."""
    assert len(html.encode()) < 1_500_000
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:|//|data:)""", html)
    assert not re.search(r"@import|\son\w+=", html)
    policies = [found for name, found in page.tags if found.get("http-equiv")]
    assert [found["http-equiv"] for found in policies] == ["Content-Security-Policy"]
    assert str(policies[0]["content"]).startswith("default-src 'none'")


def test_equal_records_give_equal_pages(html: str, files: dict[str, bytes]) -> None:
    assert render(read_record(dict(reversed(files.items())), example_ledger())) == html


@pytest.mark.requirement("R7", "C1")
def test_the_banner_says_what_is_supported_and_what_is_not(page: Page, html: str) -> None:
    assert "supports this use – prioritise experiments – for unmeasured pairs" in page.text
    assert "does not support it for contexts never seen in training" in page.text
    assert "complian" not in html.lower()


def test_scores_carry_interval_baseline_and_threshold(record: StudyRecord, page: Page) -> None:
    for claim in ("unseen-pair", "unseen-tissue"):
        (score,) = record.gate_scores(claim)
        anchored = score.anchored
        told = estimate(anchored.value, anchored.lower, anchored.upper)
        assert f"Variance explained {told}, lower bound required" in page.text
    assert "On this scale 0 is the mean response, 1 the ideal value." in page.text
    assert re.search(r"required ≥\s.50: reached\.", page.text)
    assert re.search(r"required ≥\s.20: not reached\.", page.text)


def test_every_score_of_the_evidence_stands_in_a_table(record: StudyRecord, page: Page) -> None:
    table = record.scores("unseen-pair")
    assert table is not None
    assert "constant within every drug" in page.text, "a missing number needs its reason"
    for metric in ("variance explained", "RMSE", "Spearman within perturbation", "90 % coverage"):
        assert metric in page.text
    shown = [row for row in table.rows if row.value == row.value]
    for row in shown:
        assert f"{row.value:.2f}".replace("-", "−").replace("0.", ".", 1) in page.text


@pytest.mark.requirement("L0", "L4")
def test_the_board_has_nine_slots_and_the_feedback(page: Page) -> None:
    cards = [found for name, found in page.tags if "gate " in f"{found.get('class')} "]
    assert len([c for c in cards if c.get("role") == "cell"]) == 9
    assert "Next: regularise the model or give it more data." in page.text
    assert "assay, endpoint and power, fixed in advance" in page.text


@pytest.mark.requirement("R6")
def test_every_threshold_has_its_reason(page: Page) -> None:
    assert "half of what the drug mean leaves open saves a second screen" in page.text
    assert "below a fifth, one measured plate tells more" in page.text


def test_status_is_shape_and_word(html: str) -> None:
    """Every coloured status holds a shape and a word; the four shapes differ."""
    macros = re.findall(r'<span class="status (pass|fail|wait|none)">(.*?)</span>', html, re.S)
    assert macros
    for status, content in macros:
        assert f'class="mark {status}"' in content
        assert re.sub(r"<[^>]*>|\s", "", content), "a status without a word"
    shapes = {
        status: re.search(rf'class="mark {status}"[^>]*>(.*?)</svg>', html, re.S)
        for status in ("pass", "fail", "wait", "none")
    }
    assert len({match.group(1) for match in shapes.values() if match}) == 4


def test_figures_have_both_drawings_and_a_text_alternative(page: Page) -> None:
    figures = [found for name, found in page.tags if name == "svg" and found.get("role") == "img"]
    assert len(figures) >= 16
    assert len(figures) % 2 == 0
    assert all(found.get("aria-label") for found in figures)


@pytest.mark.requirement("E8")
def test_models_carry_cost_assumptions_and_coverage(page: Page) -> None:
    for part in ("92,160", "6.1\u202fs", "210\u202fMB", "Responses have low rank", "unseen-pair 9"):
        assert part in page.text or part.replace("\u202f", " ") in page.text


@pytest.mark.requirement("D10", "F2")
def test_the_data_say_who_is_in_them(page: Page) -> None:
    for part in ("213,790 profiles", "BSD-3-Clause", "Iorio et al. 2016", "lung NSCLC"):
        assert part in page.text
    assert "median 224, from 10 to 265" in page.text
    assert "doi:10.1016/j.cell.2016.06.017" in page.text, "a key is told as a reference"
    assert "TISSUE FACTOR, 10: contexts · profiles" in page.text
    assert "context, 8 most frequent" not in page.text, "bars of one length tell nothing"


@pytest.mark.requirement("R1")
def test_the_seven_steps(page: Page) -> None:
    for step in (
        "Question of interest",
        "Context of use",
        "Model risk",
        "Credibility plan",
        "Execution",
        "Results",
        "Adequacy",
    ):
        assert step in page.text
    assert page.text.count("needs an experiment") >= 3
    assert "compliant" not in page.text
    assert "low: influence medium × consequence low" in page.text


@pytest.mark.requirement("C2", "R4")
def test_the_risk_is_shown_in_its_matrix_with_both_tiers(page: Page) -> None:
    assert page.text.count("this study") == 1
    assert re.search(r"low consequence low, T1 low, T1 this study medium, T2", page.text)
    assert "20 units of replication" not in page.text
    assert "all gates of the computation passed" in page.text, "what the failed claim misses"


@pytest.mark.requirement("A10", "B1")
def test_cautions_stand_beside_the_verdict_and_the_boundary(files: dict[str, bytes]) -> None:
    page = Page(render(read_record(files, example_ledger())))
    assert "2 cautions, listed below" in page.text
    assert "no second platform, laboratory or batch apart" in page.text
    assert page.text.count("no column of the data tells it") == 2
    content = json.loads(files["evidence/cautions-data.json"])
    content["payload"]["cautions"] = []
    none = {**files, "evidence/cautions-data.json": json.dumps(content).encode()}
    assert "None was raised" in render(read_record(none))


@pytest.mark.requirement("R5")
@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("evidence/stability-unseen-pair.json", "stability"),
        ("splits/unseen-pair.parquet", "splits by claim"),
        ("verdicts.json", "registered threshold and interval width"),
        ("evidence/consent-data.json", "consent"),
    ],
)
def test_a_requirement_without_its_file_is_not_met(
    files: dict[str, bytes], path: str, row: str
) -> None:
    def met(present: dict[str, bytes]) -> str:
        text = Page(render(read_record(present))).text
        section = text[text.rindex("Requirements met, with") :]
        return section.partition("No evidence here for:")[0]

    kind = path.rpartition("-")[0] or path.partition("/")[0]
    assert f" {row} " in met(files)
    assert path.rpartition("/")[2] in met(files)
    assert f" {row} " not in met({p: c for p, c in files.items() if not p.startswith(kind)})


@pytest.mark.requirement("P1")
def test_silence_about_consent_meets_no_requirement(files: dict[str, bytes]) -> None:
    content = json.loads(files["evidence/consent-data.json"])
    content["payload"]["sources"][0]["duo"] = []
    silent = {**files, "evidence/consent-data.json": json.dumps(content).encode()}
    assert "codes of every source allow the use" in render(read_record(files))
    assert "codes of every source allow the use" not in render(read_record(silent))


def test_what_does_not_exist_yet_says_what_would_be_there(files: dict[str, bytes]) -> None:
    """Before the run every section stands, with no number in it and no claim of success."""
    bare = render(read_record({"study.json": files["study.json"]}))
    page = Page(bare)
    assert [name for name in page.ids if name in ORDER] == ORDER
    assert bare.count("nothing yet") > 12
    assert "The evidence does not support use" in page.text
    assert "not registered yet" in page.text
    assert "attempts cannot be counted" in page.text


def test_peeking_and_second_looks_are_deviations(files: dict[str, bytes]) -> None:
    ledger = example_ledger()
    assert "No deviation" in render(read_record(files, ledger))
    opened = {"time": "", "kind": "labels_opened", "subject": "unseen-pair", "payload": {}}
    again = render(read_record(files, [*ledger, {**opened, "seq": 99}]))
    assert "held-out labels were opened twice: later runs are not blind" in again
    early = render(read_record(files, [{**opened, "seq": 0}, *ledger]))
    assert "held-out labels were opened before registration" in early


def test_an_altered_file_is_shown(files: dict[str, bytes]) -> None:
    page = Page(render(read_record({**files, "study.toml": b"changed"}, example_ledger())))
    assert "1 file differs from the signed manifest: do not rely on this page." in page.text
    assert "differs from the manifest" in page.text


def test_hostile_text_stays_text(files: dict[str, bytes]) -> None:
    def attack(study: dict[str, Any]) -> None:
        study["study"]["question"] = "<script>alert(1)</script>"
        study["claim"][0]["gate"][0]["why"] = '`</code><img src=x onerror="alert(1)">`'

    html = changed(files, "study.json", attack)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert inline("`<b>` & c") == "<code>&lt;b&gt;</code> &amp; c"


def test_high_risk_is_never_supported_by_a_model_alone(files: dict[str, bytes]) -> None:
    def raise_risk(study: dict[str, Any]) -> None:
        study["context_of_use"].update(influence="high", consequence="high")

    text = Page(changed(files, "study.json", raise_risk)).text
    assert "supports exploration only: this use requires T4" in text
    assert "supports this use" not in text


def test_a_leak_is_shown_as_one(files: dict[str, bytes]) -> None:
    def leak(found: dict[str, Any]) -> None:
        found["payload"]["checks"][0].update(count=7, is_leak=True)

    html = changed(files, "evidence/leakage-unseen-pair.json", leak)
    assert re.search(r'class="mark fail".*?leak', html, re.S)
    assert "leak: 7 of 21,379" in html


def test_batches_are_told_when_there_are_any(files: dict[str, bytes]) -> None:
    def shift(found: dict[str, Any]) -> None:
        found["payload"] = {
            "is_applicable": True, "reason": "", "n_batches": 4, "statistic": 3.1,
            "p_value": 0.0002, "variance_explained": 0.21, "confounding": 0.93,
            "is_confounded": True, "is_shifted": True,
        }  # fmt: skip

    text = Page(changed(files, "evidence/batch-data.json", shift)).text
    assert "yes: batches explain 21 % of the scatter, p < .001" in text
    assert "yes, .93 (0 none, 1 inseparable)" in text


def test_a_shift_needs_a_small_p_and_a_share_that_matters(files: dict[str, bytes]) -> None:
    def told(p_value: float, share: float) -> str:
        def shift(found: dict[str, Any]) -> None:
            found["payload"] = {
                "is_applicable": True, "reason": "", "n_batches": 2, "p_value": p_value,
                "variance_explained": share, "confounding": 0.0, "is_confounded": False,
                "is_shifted": False, "alpha": 0.01, "min_variance_explained": 0.02,
            }  # fmt: skip

        return Page(changed(files, "evidence/batch-data.json", shift)).text

    small = "too small to matter: batches explain 1.5 % of the scatter, p = .002"
    assert f"{small}; a share below 2 % is let pass" in told(0.002, 0.0154)
    assert "none found: batches explain 0.1 % of the scatter, p = .340" in told(0.34, 0.001)


@pytest.mark.requirement("R7", "C1")
def test_few_units_leave_a_claim_undecided_not_refused(files: dict[str, bytes]) -> None:
    def starve(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["subject"] == "unseen-tissue" and verdict["slot"] != "entry":
                verdict["outcome"] = "underpowered"

    text = Page(changed(files, "verdicts.json", starve)).text
    assert "Undecided for contexts never seen in training: the units of replication are" in text
    assert "does not support it" not in text


def test_two_claims_on_one_scope_go_by_name(files: dict[str, bytes]) -> None:
    def alike(study: dict[str, Any]) -> None:
        study["claim"][0]["kind"] = study["claim"][1]["kind"]

    text = Page(changed(files, "study.json", alike)).text
    assert "for contexts never seen in training (unseen-pair)" in text
    assert "for contexts never seen in training (unseen-tissue)" in text


def test_an_interval_too_wide_is_not_called_a_score_too_low(files: dict[str, bytes]) -> None:
    def widen(verdicts: list[dict[str, Any]]) -> None:
        for verdict in verdicts:
            if verdict["subject"] == "unseen-pair" and verdict["slot"] == "decision":
                verdict["outcome"] = "failed"

    text = Page(changed(files, "verdicts.json", widen)).text
    assert re.search(r"required ≥\s.50: reached, but the interval is too wide\.", text)


def test_a_context_that_is_a_time_has_its_unit(files: dict[str, bytes]) -> None:
    def timed(study: dict[str, Any]) -> None:
        columns = {"context": "duration", "time_s": "duration", "perturbation": "drug"}
        study["data"][0].update(columns=columns, time_unit="h")

    study = json.loads(files["study.json"])
    timed(study)
    named = read_record({"study.json": json.dumps(study).encode()}).label_words("context")
    assert (named("24"), named("A172")) == ("24\u00a0h", "A172")
    plain = read_record({"study.json": files["study.json"]}).label_words("context")
    assert plain("24") == "24"


def test_long_tables_are_folded_with_what_they_come_to(html: str, page: Page) -> None:
    folds = re.findall(r"<summary>.*?<span>(.*?)</span></summary>", html, re.S)
    assert any(one.startswith("Every verdict with its reason: ") for one in folds)
    assert any("of the bundle, each with its SHA-256" in one for one in folds)
    assert any("requirements with evidence in this bundle" in one for one in folds)
    assert html.count("<details>") == len(folds)


def test_a_metric_without_any_value_is_named_with_its_reason(files: dict[str, bytes]) -> None:
    def add(found: dict[str, Any]) -> None:
        missing = {"metric": "energy_distance@1", "value": None, "reason": "needs cells"}
        found["payload"]["rows"] += [{"model": m, **missing} for m in ("selected", "ridge#2")]

    text = Page(changed(files, "evidence/scores-unseen-pair.json", add)).text
    assert "cannot answer, and why: energy distance needs cells" in text
    assert "ridge, seed 2" in text


def test_expected_features_show_their_rank(page: Page) -> None:
    assert "Drug 1047 (Drug_1047) TP53_mut 1 its known target" in page.text


def test_spread_over_seeds_is_told(files: dict[str, bytes]) -> None:
    seeds = {"model": "ridge", "over": "seeds", "n": 3, "seeds": [1, 2, 3], "sd": 0.012}

    def add(found: dict[str, Any]) -> None:
        rows = found["payload"]["rows"]
        rows.append({**rows[0], **seeds})

    html = changed(files, "evidence/stability-unseen-pair.json", add)
    assert "sd .01 over 1,000 resamples; sd .01 over 3 seeds of ridge" in Page(html).text


def test_gates_say_what_they_measured_and_which_way(page: Page) -> None:
    assert "variance explained · unseen-pair" in page.text
    assert re.search(r"required ≥\s.50", page.text)
    assert re.search(r"sd .01, required ≤\s.10", page.text)
    assert "sd of variance explained" in page.text


def test_sources_are_references(page: Page) -> None:
    assert "Hoerl and Kennard 1970. Ridge Regression" in page.text
    assert "doi:10.1080/00401706.1970.10488634" in page.text


def test_perturbations_go_by_name_where_one_is_known(page: Page) -> None:
    assert "AZD0001 (Drug_1003)" in page.text


def test_sections_are_blocks_for_other_renderers(record: StudyRecord) -> None:
    assert [section.id for section in sections(record)] == ORDER
    assert all(section.blocks for section in sections(record))


def test_a_selected_baseline_is_called_a_trivial_answer(files: dict[str, bytes]) -> None:
    def give_up(found: dict[str, Any]) -> None:
        for fold in found["payload"]["folds"]:
            fold["selected"] = "mean_response"

    text = Page(changed(files, "evidence/selection-unseen-tissue.json", give_up)).text
    assert "mean response in 5 of 5 folds, a trivial answer: inside training" in text
    assert "The model selected in training is the baseline itself." in text
