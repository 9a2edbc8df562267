"""The study file: what would convince us, said in advance.

Strict: an unknown key is an error, and all mistakes are listed at once, each with its path.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, field_validator

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.claim import ClaimKind
from cellula.core.errors import StudyError
from cellula.core.gate import FEEDBACK, Feedback, Loop
from cellula.core.perturbation import PerturbationKind
from cellula.core.roles import ROLES
from cellula.data.data_source import DataSource
from cellula.data.splits import Folds, Fraction
from cellula.validation.governance_plan import Governance, Rights
from cellula.validation.mistakes import AS, mistakes_of
from cellula.validation.strict import NAME, Strict

__all__ = [
    "UNITS",
    "Amendment",
    "Claim",
    "Explain",
    "GateRule",
    "ModelChoice",
    "Study",
    "json_schema",
    "parse_study",
    "read_study",
]

Level = Literal["low", "medium", "high"]


class Header(Strict):
    """Who asks what."""

    id: str = Field(pattern=NAME, max_length=64)
    title: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    question: str = Field(min_length=1)
    version: int = Field(default=1, ge=1)
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    seed: int = Field(default=0, ge=0)


class ContextOfUse(Strict):
    """What the answer will be used for; asked before anything else."""

    role: str = Field(min_length=1)
    regulatory: bool
    influence: Level
    consequence: Level
    needs_mechanism: bool


class Boundary(Strict):
    """Where the study speaks; outside it a prediction is out of bounds."""

    species: tuple[str, ...] = ()
    cell_types: tuple[str, ...] = ()
    perturbations: tuple[PerturbationKind, ...] = ()
    level: Literal["molecular", "intracellular", "cellular", "multicellular", "tissue", "organism"]
    dose_molar: tuple[float, float] | None = None
    time_s: tuple[float, float] | None = None


class Amendment(Strict):
    """Why this version follows an earlier one: ``cellula amend`` writes it.

    amends: SHA-256 of the study of the version before (its ``study_hash``).
    """

    amends: str = Field(pattern=r"^[0-9a-f]{64}$")
    reason: str = Field(min_length=1)


class ModelChoice(Strict):
    """A model that competes: a registered kind with its options."""

    id: str = Field(pattern=NAME, max_length=64)
    kind: str
    options: dict[str, Any] = {}
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{list(seeds)} repeat a seed; each seed counts once")
        return seeds


class GateRule(Strict):
    """A threshold with its reason."""

    metric: str = Field(pattern=r"^[a-z0-9_]+@[0-9]+$")
    space: str = Field(default="readouts", pattern=r"^(readouts|pca[1-9][0-9]*)$")
    at_least: float
    ci: float = Field(default=0.95, gt=0.5, lt=1)
    ci_width_max: float = Field(gt=0)
    why: str = Field(min_length=1)
    on_fail: Feedback

    @field_validator("on_fail")
    @classmethod
    def _inner_feedback(cls, on_fail: Feedback) -> Feedback:
        if on_fail not in FEEDBACK[Loop.INNER]:
            allowed = ", ".join(sorted(FEEDBACK[Loop.INNER]))
            raise ValueError(f"not of the inner loop; expected one of {allowed}")
        return on_fail


def _form_of_hold_out(value: object) -> str | None:
    """Which of the forms of ``hold_out`` is meant; None where it is none of them."""
    if value == "each":
        return AS + "each"
    if isinstance(value, list | tuple):
        return AS + "names"
    for form, key in ((Fraction, "fraction"), (Folds, "folds")):
        if isinstance(value, form) or (isinstance(value, dict) and key in value):
            return AS + key
    return None


class Claim(Strict):
    """What is unseen, how it is held out, what replicates, and the gates it must pass.

    models: ids of the models that may be chosen for it; all of the study where empty.
    """

    id: str = Field(pattern=NAME, max_length=64)
    kind: ClaimKind
    hold_out: Annotated[
        Annotated[Literal["each"], Tag(AS + "each")]
        | Annotated[tuple[str, ...], Tag(AS + "names"), Field(min_length=1)]
        | Annotated[Fraction, Tag(AS + "fraction")]
        | Annotated[Folds, Tag(AS + "folds")],
        Discriminator(
            _form_of_hold_out,
            custom_error_type="hold_out",
            custom_error_message='expected "each", a list of names, { fraction, seed } or '
            "{ folds, seed }",
        ),
    ]
    over: str | None = None
    unit: str | None = None
    models: tuple[str, ...] = ()
    statement: str = ""
    gate: tuple[GateRule, ...] = Field(min_length=1)

    @field_validator("unit")
    @classmethod
    def _unit_is_a_role(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise ValueError(f"no unit of replication; expected one of {', '.join(UNITS)}")
        return unit


#: Roles that may be the unit of replication, in the order of preference.
UNITS = ("donor", "replicate", "batch", "perturbation", "context", "individual")


class ExplainedPerturbation(Strict):
    """A perturbation to explain; ``expected`` are features that the literature leads to expect."""

    id: str
    name: str = ""
    expected: tuple[str, ...] = ()
    source: str = ""


class Explain(Strict):
    """Which model explains which perturbations."""

    model: str
    top: int = Field(default=5, ge=1, le=50)
    perturbation: tuple[ExplainedPerturbation, ...] = Field(min_length=1)


class Advance(Strict):
    """The registered rule that turns hits into claims."""

    top: int = Field(ge=1)
    direction: Literal["predicted", "up", "down"]


class Application(Strict):
    """What a model that passed may be used for."""

    kind: Literal["targets", "compounds", "mechanism", "liver", "heart", "exposure", "twin"]
    candidates: str
    score: str
    advance: Advance


class Assay(Strict):
    """The experiment of the middle loop."""

    system: str
    kind: str
    endpoint: str
    unit: str


class AssayTest(Strict):
    """The pre-specified test of the experiment."""

    direction: Literal["up", "down", "two_sided"]
    min_effect: float = Field(gt=0)
    equivalence: float = Field(gt=0)
    alpha: float = Field(gt=0, lt=1)
    power: float = Field(gt=0, lt=1)


class Middle(Strict):
    """The middle loop: an experiment that may confirm or refute."""

    assay: Assay
    test: AssayTest


class Replicate(Strict):
    """What makes the outer loop's data independent."""

    platform_differs: bool
    prospective: bool


EvidenceSlot = Literal[
    "generalizability", "stability", "interpretability", "safety_review", "failure_modes"
]


class Outer(Strict):
    """The outer loop: another platform, prospective data, five evidence slots."""

    replicate: Replicate
    bands: dict[str, tuple[float, float]] = {}
    require: tuple[EvidenceSlot, ...] = ()


class Study(Strict):
    """A whole study file, checked."""

    study: Header
    amendment: Amendment | None = None
    context_of_use: ContextOfUse
    boundary: Boundary
    data: tuple[DataSource, ...] = Field(min_length=1)
    model: tuple[ModelChoice, ...] = Field(min_length=1)
    claim: tuple[Claim, ...] = Field(min_length=1)
    explain: Explain | None = None
    application: Application | None = None
    middle: Middle | None = None
    outer: Outer | None = None
    governance: Governance = Governance()
    rights: Rights = Rights()

    @property
    def canonical(self) -> bytes:
        """Canonical JSON of the study: its hash is the study's identity."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def hash(self) -> str:
        """SHA-256 of :attr:`canonical`."""
        return hash_bytes(self.canonical)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the study file."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "cellula study"
    return schema


def read_study(path: Path) -> Study:
    """Read a TOML or YAML study file.

    Raises StudyError listing every mistake with its path in the file.
    """
    if not path.is_file():
        raise StudyError(f"there is no study file {path}; `cellula init` writes one")
    return parse_study(path.read_bytes(), path.name)


def parse_study(content: bytes, name: str) -> Study:
    """Parse the bytes of a study file; the suffix of ``name`` tells TOML from YAML."""
    suffix = Path(name).suffix.lower()
    try:
        text = content.decode()
        if suffix == ".toml":
            tree = tomllib.loads(text)
        elif suffix in {".yaml", ".yml"}:
            tree = yaml.safe_load(text)
        else:
            raise StudyError(f"{name} ends in {suffix!r}; a study file ends in .toml or .yaml")
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise StudyError(f"{name} holds {type(tree).__name__}; expected tables such as [study]")
    return _checked(tree, name)


def _checked(tree: dict[str, Any], name: str) -> Study:
    try:
        study = Study.model_validate(tree)
    except ValidationError as error:
        mistakes = mistakes_of(error, tree)
        raise StudyError(f"{name} has {len(mistakes)} mistake(s):", mistakes) from error
    mistakes = _cross_checks(study)
    if mistakes:
        raise StudyError(f"{name} has {len(mistakes)} mistake(s):", mistakes)
    return study


def _cross_checks(study: Study) -> list[str]:
    """What no single key can tell."""
    mistakes: list[str] = []
    for table, items in (("model", study.model), ("claim", study.claim)):
        ids = [item.id for item in items]
        mistakes += [
            f"{table}.{number}.id: {name!r} is taken by an earlier {table}"
            for number, name in enumerate(ids)
            if name in ids[:number]
        ]
    models = {model.id for model in study.model}
    reserved = models & {"selected", "replicate"}
    mistakes += [f"model: the id {name!r} is reserved; choose another" for name in sorted(reserved)]
    for number, claim in enumerate(study.claim):
        mistakes += [
            f"claim.{number}.models: no model has the id {name!r}"
            for name in claim.models
            if name not in models
        ]
    if study.explain is not None and study.explain.model not in models:
        mistakes.append(f"explain.model: no model has the id {study.explain.model!r}")
    n_profiles = sum(source.role == "profiles" for source in study.data)
    if n_profiles != 1:
        mistakes.append(f"data: {n_profiles} entries have role = 'profiles'; expected exactly one")
    privacy = study.governance.privacy
    if privacy is not None and privacy.unit not in ROLES:
        mistakes.append(f"governance.privacy.unit: {privacy.unit!r} is no role")
    return mistakes
