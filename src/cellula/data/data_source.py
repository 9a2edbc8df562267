"""How a study declares a file of data: what it holds, whose it is, what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from license_expression import ExpressionError, Licensing, get_spdx_licensing
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from cellula.core.errors import DataError
from cellula.core.perturbation import PerturbationKind
from cellula.core.roles import ROLES
from cellula.core.units import convert
from cellula.core.value_type import ValueType
from cellula.data.consent import consent_code
from cellula.data.feature_options import Fingerprint, Pairs

__all__ = [
    "COLUMN_ROLES",
    "DataSource",
    "Harmonise",
    "Layout",
    "licensing",
    "spdx_expression",
]

#: What a column may be declared as: every role, the controls by their label or a true/false column.
COLUMN_ROLES = (*(role for role in ROLES if role != "is_control"), "control")

#: Roles whose column holds numbers, or names no column.
UNLABELLED = ("dose_molar", "time_s", "control")

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


def _known(code: str) -> str:
    """The consent code as it was written. Raises DataError when there is no such code."""
    consent_code(code)
    return code


Consent = Annotated[str, AfterValidator(_known)]
Scalar = bool | int | float | str


class Layout(BaseModel):
    """A wide table: by default one measured value of one readout a cell of the table.

    With ``orientation = "readouts_as_rows"`` a row is a readout and a column a profile.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    orientation: Literal["one_readout", "readouts_as_rows"] = "one_readout"
    """Whether a cell is a value of the one readout, or a column is a profile of many."""
    rows: Literal["context", "perturbation"] | None = None
    """What a row is; its labels stand in the column that ``columns`` names for this role."""
    columns: Literal["context", "perturbation"]
    """What a column is."""
    pattern: str = "(.+)"
    """Regular expression of a whole column name; its one group is the label."""
    readout: str = Field(min_length=1)
    """The name of the readout that the values are; of readouts as rows, the column of names."""

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if groups != 1:
            raise ValueError(
                f"{pattern!r} has {groups} groups; expected one, around the label: 'Drug_(\\d+)'"
            )
        return pattern

    @model_validator(mode="after")
    def _two_axes(self) -> Self:
        if self.orientation == "readouts_as_rows":
            if self.rows is not None:
                raise ValueError("rows are the readouts: leave 'rows' out")
        elif self.rows is None:
            raise ValueError("rows is missing: say what a row is, 'context' or 'perturbation'")
        if self.rows == self.columns:
            raise ValueError(f"rows and columns are both {self.rows!r}; one must be the other role")
        return self


class Harmonise(BaseModel):
    """A correction of batches: fitted on the training profiles of every fold, applied to all."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name of the transform (``cellula plugins``), such as ``combat``."""
    options: Mapping[str, Any] = {}
    """Its options."""


class DataSource(BaseModel):
    """One file of data: profiles, or features of contexts or of perturbations."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    path: str = Field(min_length=1)
    """File or folder, from the study file on; with ``catalogue``, a file of that source."""
    format: str | None = None
    """Name of the reader (``cellula plugins``), where the file's name does not tell it."""
    catalogue: str | None = None
    """Name of a source of the catalogue (``cellula data list``)."""
    role: Literal["profiles", "context_features", "perturbation_features"]
    """What the file holds."""
    value_type: ValueType | None = None
    """What the numbers of the profiles are; profiles only."""
    license: str = "unknown"
    """SPDX expression, ``LicenseRef-...`` for terms without an SPDX id, or ``unknown``."""
    duo: tuple[Consent, ...] = ()
    """Data Use Ontology codes: ``GRU``, ``DUO:0000042``, ``DS:MONDO:0005015``, ``GS:GB``."""
    jurisdiction: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """ISO 3166 code of the country whose law governs the data."""
    residency: tuple[Country, ...] = ()
    """ISO 3166 codes of where the data may be kept; empty: anywhere."""
    citation: str = ""
    """How to cite the data."""
    columns: Mapping[str, str] = {}
    """Role -> column; ``control`` is a true/false column, ``column=value`` or a label."""
    where: Mapping[str, Scalar | tuple[Scalar, ...]] = {}
    """Column -> the value, or values, of the rows that are kept."""
    exclude: tuple[str, ...] = ()
    """Readouts or features that are left out."""
    labels: tuple[str, ...] = ()
    """Columns of a feature table that label the profiles and are no features."""
    modality: str | None = None
    """The one modality that is used, of a file of several; None: all of them."""
    value_types: Mapping[str, ValueType] = {}
    """Modality -> what its numbers are, where it is not ``value_type``."""
    layer: str | None = None
    """The layer that holds the values, such as ``counts``; None: X."""
    layout: Layout | None = None
    """How a wide table becomes profiles; None where a row is a profile."""
    readouts: tuple[str, ...] = ()
    """The columns of a table that are readouts; a table without ``layout`` needs them."""
    harmonise: Harmonise | None = None
    """How batches are brought together; profiles only."""
    embedding: str | None = Field(default=None, pattern=r"^(obsm|varm):[0-9A-Za-z_.-]+$")
    """Vectors that are the features: ``varm:KEY`` of genes, ``obsm:KEY`` of cells, their mean."""
    fingerprint: Fingerprint | None = None
    """How structures (``format = "smiles"``) become features; None: radius 2, 1,024 bits."""
    ignore_case: bool = False
    """Whether labels of features find those of the profiles whatever the case of their letters."""
    responses: int | None = Field(default=None, ge=1)
    """Features are so many principal components of the responses in these profiles of other
    cells; perturbation_features only."""
    pairs: Pairs | None = None
    """Features are coordinates in the graph of these pairs of genes; perturbation_features only."""
    dose_unit: str | None = None
    """Unit of the dose column."""
    time_unit: str | None = None
    """Unit of the time column."""
    perturbation_kind: PerturbationKind | None = None
    """The kind of every perturbation, where no column tells it."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 that the file must have."""

    @property
    def name(self) -> str:
        """The file's name in messages and in the provenance."""
        path = f"{self.catalogue}:{self.path}" if self.catalogue else self.path
        return f"{path} (responses)" if self.responses else path

    @property
    def is_derived(self) -> bool:
        """Whether the features are computed from what the file holds."""
        return self.responses is not None or self.pairs is not None

    @property
    def is_structures(self) -> bool:
        """Whether the file holds structures of compounds, from which features are made."""
        return self.format == "smiles" or self.path.endswith((".smi", ".smiles", ".smi.gz"))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that hold labels, in which a number is the text that it is written as."""
        named = [name for role, name in self.columns.items() if role not in UNLABELLED]
        turned = [self.layout.readout] if self.layout and self.layout.rows is None else []
        return (*named, *turned, *self.labels)

    @field_validator("license")
    @classmethod
    def _is_license(cls, license: str) -> str:
        return spdx_expression(license)

    @field_validator("columns")
    @classmethod
    def _are_roles(cls, columns: Mapping[str, str]) -> Mapping[str, str]:
        wrong = [role for role in columns if role not in COLUMN_ROLES]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: no such role; expected {', '.join(COLUMN_ROLES)}"
            )
        return columns

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        is_profiles = self.role == "profiles"
        mistakes = self._profile_mistakes() if is_profiles else self._feature_mistakes()
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def _profile_mistakes(self) -> list[str]:
        mistakes = [] if self.value_type else ["value_type is missing: say what the numbers are"]
        if self.is_derived:
            mistakes.append("responses and pairs belong to perturbation_features")
        if self.labels:
            mistakes.append("labels belong to a feature table; obs columns of profiles stay labels")
        if self.embedding:
            mistakes.append("embedding belongs to features; profiles keep what stands in obsm")
        if self.fingerprint or self.ignore_case:
            mistakes.append("fingerprint and ignore_case belong to features")
        for role, unit, key in (
            ("dose_molar", self.dose_unit, "dose_unit"),
            ("time_s", self.time_unit, "time_unit"),
        ):
            if (role in self.columns) != (unit is not None):
                mistakes.append(f"{key} and columns.{role} go together: give both or none")
            elif unit is not None:
                mistakes += _unit_mistake(key, unit, role)
        if self.layer and (self.layout or self.readouts):
            mistakes.append("layer belongs to an annotated matrix; a table has none")
        if self.modality and set(self.value_types) - {self.modality}:
            mistakes.append(f"value_types names other modalities than {self.modality!r}")
        if self.perturbation_kind and "perturbation_kind" in self.columns:
            mistakes.append("perturbation_kind is given twice: by itself and as a column")
        return mistakes + (self._layout_mistakes(self.layout) if self.layout else [])

    def _layout_mistakes(self, layout: Layout) -> list[str]:
        mistakes = ["a layout names its readouts by layout.readout"] if self.readouts else []
        if layout.orientation == "readouts_as_rows":
            if set(self.columns) - {"control"}:
                mistakes.append(
                    "readouts as rows: columns may name the label of the controls only; what a "
                    "column of the table is stands in layout.columns"
                )
            if "control" in self.columns and layout.columns != "perturbation":
                mistakes.append("columns.control is a label of layout.columns = 'perturbation'")
            return mistakes
        if layout.rows not in self.columns:
            mistakes.append(f"columns.{layout.rows} is missing: name the column of row labels")
        if set(self.columns) - {str(layout.rows)}:
            mistakes.append(f"a layout has no other columns than {layout.rows!r}")
        return mistakes

    def _derived_mistakes(self) -> list[str]:
        """Mistakes of features that are computed from profiles or from pairs of genes."""
        mistakes = []
        if self.role != "perturbation_features" or (self.responses and self.pairs):
            mistakes.append("responses, or pairs, make perturbation_features")
        if self.embedding or self.labels or self.harmonise:
            mistakes.append("computed features have no embedding, labels or harmonise")
        if self.pairs is not None and (self.columns or self.layout or self.value_type):
            mistakes.append("the columns of pairs stand in 'pairs': leave the others out")
        needed = {"perturbation", "control"} - set(self.columns)
        if self.responses is not None and (self.value_type is None or needed):
            mistakes.append(
                "responses need value_type and columns = { perturbation = ..., control = ... }"
            )
        return mistakes

    def _feature_mistakes(self) -> list[str]:
        if self.is_derived:
            return self._derived_mistakes()
        label = self.role.removesuffix("_features")
        mistakes = [
            f"{key} belongs to profiles"
            for key in (
                "value_type",
                "value_types",
                "layer",
                "modality",
                "readouts",
                "harmonise",
                "dose_unit",
                "time_unit",
                "perturbation_kind",
            )
            if getattr(self, key)
        ]
        if self.fingerprint and not self.is_structures:
            mistakes.append("fingerprint is for structures: format = 'smiles'")
        if self.is_structures and (label != "perturbation" or self.layout or self.embedding):
            mistakes.append("structures are perturbation_features, without layout and embedding")
        if self.layout is not None:
            return mistakes + self._turned_mistakes(self.layout, label)
        if self.embedding is not None:
            return mistakes + self._vector_mistakes(self.embedding, label)
        if set(self.columns) != {label}:
            mistakes.append(
                f"columns must name the column of the {label} labels: "
                f'columns = {{ {label} = "..." }}'
            )
        return mistakes

    def _vector_mistakes(self, embedding: str, label: str) -> list[str]:
        """Mistakes of vectors of genes, or of cells whose labels stand in obs."""
        mistakes = ["vectors have no columns: leave labels out"] if self.labels else []
        if embedding.startswith("varm:"):
            if label != "perturbation" or set(self.columns) - {label} or self.where:
                mistakes.append(
                    "vectors of genes (varm) are perturbation_features; columns.perturbation may "
                    "name the column of var with the names, and 'where' is for rows of obs"
                )
        elif set(self.columns) != {label}:
            mistakes.append(
                f"vectors of cells (obsm) are averaged by a column of obs: columns = {{ {label} = "
                '"..." }'
            )
        return mistakes

    def _turned_mistakes(self, layout: Layout, label: str) -> list[str]:
        """Mistakes of a table of features whose columns are the labels."""
        mistakes = []
        if layout.orientation != "readouts_as_rows" or layout.columns != label:
            mistakes.append(
                "the layout of a table of features has orientation = 'readouts_as_rows' and "
                f"columns = {label!r}: a row is a feature, a column a {label}"
            )
        if self.columns or self.labels:
            mistakes.append("features as rows: leave columns and labels out, the layout tells them")
        return mistakes


def _unit_mistake(key: str, unit: str, role: str) -> list[str]:
    try:
        convert(1.0, unit, role)
    except DataError as error:
        return [f"{key}: {error}"]
    return []


@lru_cache(maxsize=1)
def licensing() -> Licensing:
    """The licences that SPDX knows, read once."""
    return get_spdx_licensing()


def spdx_expression(text: str) -> str:
    """The expression as SPDX spells it. Raises ValueError naming the unknown keys."""
    if text == "unknown":
        return text
    try:
        parsed: Any = licensing().parse(text)
    except ExpressionError as error:
        raise ValueError(f"{text!r} is no SPDX expression: {error}") from error
    keys = licensing().unknown_license_keys(parsed) if parsed is not None else [text]
    unknown = [key for key in keys if not re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", key)]
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)}: no SPDX license; expected e.g. CC-BY-4.0, BSD-3-Clause, "
            "LicenseRef-NAME for other terms, or unknown"
        )
    return str(parsed.render())
