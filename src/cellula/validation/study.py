"""The study file: what would convince us, said in advance.

Strict: an unknown key is an error, and all mistakes are listed at once, each with its path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.claim import ClaimKind
from cellula.core.errors import StudyError
from cellula.core.gate import FEEDBACK, Feedback, Loop
from cellula.core.perturbation import PerturbationKind
from cellula.core.roles import ROLES
from cellula.data.data_source import DataSource
from cellula.data.splits import Folds, Fraction
from cellula.evaluation.uncertainty.abstention import AbstentionOptions
from cellula.validation.document import parse_document, read_document
from cellula.validation.experiment_plan import Application, Middle, Outer
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
    "Uncertainty",
    "json_schema",
    "parse_study",
    "read_study",
]

Level = Literal["low", "medium", "high"]
#: The fewest profiles of a half that is a replicate, where a claim does not say it.
REPLICATE_PROFILES = 5


#: A metric and the version of its definition.
METRIC = r"^[a-z0-9_]+@[0-9]+$"


class Header(Strict):
    """Who asks what."""

    id: str = Field(pattern=NAME, max_length=64)
    """Name of the study in the ledger, in files and in the dossier."""
    title: str = Field(min_length=1)
    """What the dossier is headed with."""
    owner: str = Field(min_length=1)
    """The person or group that answers for the study."""
    question: str = Field(min_length=1)
    """What is to be decided, in one sentence."""
    version: int = Field(default=1, ge=1)
    """Number of this version; a registered one changes only by the next number."""
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Day of this version, YYYY-MM-DD."""
    seed: int = Field(default=0, ge=0)
    """Seed of all that is random in the run."""


class ContextOfUse(Strict):
    """What the answer will be used for; asked before anything else."""

    role: str = Field(min_length=1)
    """What the answer is for, such as ``prioritise targets``."""
    regulatory: bool
    """Whether a regulator will see it."""
    influence: Level
    """How much the decision rests on the model; with ``consequence``, its risk."""
    consequence: Level
    """How bad a wrong decision would be."""
    needs_mechanism: bool
    """Whether the question needs a mechanism, not a prediction alone."""


class Boundary(Strict):
    """Where the study speaks; outside it a prediction is out of bounds."""

    species: tuple[str, ...] = ()
    """Species, such as ``human``."""
    cell_types: tuple[str, ...] = ()
    """Cell types or lines, by name or by Cell Ontology id."""
    perturbations: tuple[PerturbationKind, ...] = ()
    """Kinds of perturbation."""
    level: Literal["molecular", "intracellular", "cellular", "multicellular", "tissue", "organism"]
    """Scale that the answer is about."""
    dose_molar: tuple[float, float] | None = None
    """Lowest and highest dose, in mol/l."""
    time_s: tuple[float, float] | None = None
    """Earliest and latest time after the perturbation, in s."""


class Amendment(Strict):
    """Why this version follows an earlier one: ``cellula amend`` writes it."""

    amends: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the study of the version before (its ``study_hash``)."""
    reason: str = Field(min_length=1)
    """What led to this version."""


class ModelChoice(Strict):
    """A model that competes: a registered kind with its options."""

    id: str = Field(pattern=NAME, max_length=64)
    """Name of the model in the study's scores; ``selected`` and ``replicate`` are taken."""
    kind: str
    """Name of a registered model (``cellula plugins``)."""
    options: dict[str, Any] = {}
    """Options of that model; those not named have their defaults."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """One fit a seed; the first one answers, the spread over all tells stability."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"{list(seeds)} repeat a seed; each seed counts once")
        return seeds


class GateRule(Strict):
    """A threshold with its reason."""

    metric: str = Field(pattern=METRIC)
    """A registered metric as ``name@version``, such as ``pearson_delta@1``."""
    space: str = Field(default="readouts", pattern=r"^(readouts|pca[1-9][0-9]*)$")
    """Readouts, or so many principal components (``pca50``) of the training cells."""
    at_least: float
    """What the lower bound must reach: 0 the best trivial answer, 1 a replicate."""
    ci: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the bootstrap interval over units of replication [efron1979]_."""
    ci_width_max: float = Field(gt=0)
    """The widest interval that still is an answer, in units of the anchored score."""
    why: str = Field(min_length=1)
    """Why the threshold means something to the decision."""
    on_fail: Feedback
    """Where a failure sends the study back to."""

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
    """What is unseen, how it is held out, what replicates, and the gates it must pass."""

    id: str = Field(pattern=NAME, max_length=64)
    """Name of the claim in verdicts and files."""
    kind: ClaimKind
    """What a model has not seen when it is asked."""
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
    """Each label in turn, the named ones, or a share or folds of them drawn with a seed."""
    over: str | None = None
    """Column that groups the labels held out, such as the tissue of cell lines."""
    unit: str | None = None
    """Role whose labels are resampled; by default the first of the units that there is."""
    models: tuple[str, ...] = ()
    """Ids of the models that may be chosen for it; all of the study where empty."""
    statement: str = ""
    """The claim in words."""
    metrics: tuple[Annotated[str, Field(pattern=METRIC)], ...] = ()
    """Metrics, as ``name@version``, that are reported beside those of the gates and the usual."""
    replicate_profiles: int = Field(default=REPLICATE_PROFILES, ge=1)
    """The fewest profiles in each half of a question that make one half a replicate of the other:
    5 of cells; 1 where a profile is a well, or a culture, of its own."""
    gate: tuple[GateRule, ...] = Field(min_length=1)
    """Thresholds; the claim must reach all of them."""

    @field_validator("unit")
    @classmethod
    def _unit_is_a_role(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise ValueError(f"no unit of replication; expected one of {', '.join(UNITS)}")
        return unit


#: Roles that may be the unit of replication, in the order of preference.
UNITS = ("donor", "replicate", "batch", "perturbation", "context", "individual")


class Uncertainty(Strict):
    """How the intervals of predictions are made; split conformal ones where it is absent."""

    method: str = "split_conformal"
    """Name of a registered method of intervals (``cellula plugins``)."""
    options: dict[str, Any] = {}
    """Options of that method, such as its ``level``; those not named have their defaults."""
    abstain: AbstentionOptions | None = None
    """Which share of questions is declined, by which doubt; nothing is where it is absent."""


class ExplainedPerturbation(Strict):
    """A perturbation to explain, and what the literature says of it."""

    id: str
    """Label of the perturbation in the data."""
    name: str = ""
    """What readers call it."""
    expected: tuple[str, ...] = ()
    """Features that the literature leads to expect."""
    source: str = ""
    """Where it does: a key of the bibliography or a citation."""


class Explain(Strict):
    """Which model explains which perturbations."""

    model: str
    """Id of the model that explains."""
    top: int = Field(default=5, ge=1, le=50)
    """How many features are shown, those of the largest attribution first."""
    perturbation: tuple[ExplainedPerturbation, ...] = Field(min_length=1)
    """What is explained."""


class Study(Strict):
    """A whole study file, checked."""

    study: Header
    """Name, question and owner."""
    amendment: Amendment | None = None
    """Why this version follows an earlier one; absent from the first."""
    context_of_use: ContextOfUse
    """What the answer will be used for."""
    boundary: Boundary
    """Where the study speaks."""
    data: tuple[DataSource, ...] = Field(min_length=1)
    """Files of data; exactly one of them holds the profiles."""
    model: tuple[ModelChoice, ...] = Field(min_length=1)
    """Models that compete; the baselines compete beside them."""
    claim: tuple[Claim, ...] = Field(min_length=1)
    """What is claimed of unseen cells."""
    explain: Explain | None = None
    """What is explained."""
    uncertainty: Uncertainty | None = None
    """How intervals are made; absent, it is no part of the study's identity."""
    application: Application | None = None
    """What a model that passed may be used for."""
    middle: Middle | None = None
    """The experiment that decides."""
    outer: Outer | None = None
    """The replication that decides."""
    governance: Governance = Governance()
    """What protects the people behind the data."""
    rights: Rights = Rights()
    """What belongs to provider, developer and user."""

    @property
    def canonical(self) -> bytes:
        """Canonical JSON of the study: its hash is the study's identity."""
        absent = {"uncertainty"} if self.uncertainty is None else set()
        told = self.model_dump(mode="json", exclude=absent)
        for claim in told["claim"]:  # a study of before it could be said keeps its hash
            if claim["replicate_profiles"] == REPLICATE_PROFILES:
                del claim["replicate_profiles"]
        return canonical_json(told)

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
    return parse_study(read_document(path), path.name)


def parse_study(content: bytes, name: str) -> Study:
    """Parse the bytes of a study file; the suffix of ``name`` tells TOML from YAML."""
    return _checked(parse_document(content, name), name)


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
