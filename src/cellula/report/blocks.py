"""The blocks a section of the dossier is built of; the templates know how each looks.

Text may hold `code` between backticks; everything is escaped by the templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from markupsafe import Markup

__all__ = [
    "Absent",
    "Banner",
    "Block",
    "Board",
    "Cell",
    "Code",
    "Column",
    "Facts",
    "Figure",
    "Fold",
    "GateLine",
    "Heading",
    "Section",
    "SlotCard",
    "Standing",
    "Status",
    "Table",
    "Text",
]

#: Shown by shape, word and colour: passed, failed, undecided, nothing yet, "" for no status.
Status: TypeAlias = Literal["pass", "fail", "wait", "none", ""]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; ``is_soft`` for an explanation beside the finding."""

    kind: ClassVar[str] = "text"
    text: str
    is_soft: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Says what would stand here once it exists."""

    kind: ClassVar[str] = "absent"
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Commands, one a line."""

    kind: ClassVar[str] = "code"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``hint`` is a second, smaller line of its head; names are not broken."""

    label: str
    is_number: bool = False
    hint: str = ""
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell; ``small`` stands beneath ``text``: an interval, or words where ``is_prose``."""

    text: str
    small: str = ""
    status: Status = ""
    is_code: bool = False
    is_strong: bool = False
    is_prose: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; on a phone, ``is_stacked`` makes every row a card instead of scrolling."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in two drawings; ``wide`` and ``narrow`` are SVG with a text alternative."""

    kind: ClassVar[str] = "figure"
    wide: Markup
    narrow: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One claim in the banner."""

    name: str
    tier: str
    status: Status
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """What the evidence supports, and what it does not."""

    kind: ClassVar[str] = "banner"
    status: Status
    headline: str
    standings: tuple[Standing, ...]
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GateLine:
    """One verdict on the board; ``number`` holds interval and threshold, ``note`` the reason."""

    status: Status
    word: str
    name: str
    number: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class SlotCard:
    """One of the nine slots; without lines, ``note`` says what would stand here."""

    loop: str
    slot: str
    status: Status
    word: str
    lines: tuple[GateLine, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """Three loops by entry, decision and exit, row by row."""

    kind: ClassVar[str] = "board"
    loops: tuple[tuple[str, tuple[SlotCard, ...]], ...]
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens; ``summary`` tells what they come to, and is all that is seen."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: tuple[Block, ...]
    status: Status = ""


Block: TypeAlias = Text | Heading | Absent | Facts | Code | Table | Figure | Banner | Board | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the dossier; ``short`` is its name in the list of sections."""

    id: str
    title: str
    short: str
    blocks: tuple[Block, ...] = field(default=())
