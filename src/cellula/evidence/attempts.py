"""Attempts: how often the same held-out profiles were looked at before, and what that costs.

A later version of a study that holds out profiles which an earlier version opened is not blind.
Its attempt is counted, and it spends less of the error that may be made: with ``k`` earlier
attempts on linked labels an interval is taken at the level 1 - (1 - ci) / 2**k.

All attempts that follow one fresh hold-out then err with probability at most
(1 - ci) (1 + 1/2 + 1/4 + ...) < 2 (1 - ci), whatever their number (union bound, per gate). With
``f`` fresh hold-outs in the lineage the bound is 2 f (1 - ci): every fresh hold-out opens a series
of its own, and an attempt that joins several series counts the attempts of all of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cellula.core.errors import DataError, Tampered

__all__ = [
    "ATTEMPTS",
    "AttemptsTold",
    "Opening",
    "OpeningTold",
    "attempt_problems",
    "earlier_path",
    "held_out_profiles",
    "level_after",
    "linked",
    "split_path",
    "told_attempts",
]

#: Key of the registration's statement: claim -> :class:`AttemptsTold`.
ATTEMPTS = "attempts"


class OpeningTold(BaseModel):
    """Labels that an earlier version had opened: the SHA-256 of its study, and the claim."""

    model_config = ConfigDict(strict=True, frozen=True)

    study: str
    claim: str


class AttemptsTold(BaseModel):
    """What the statement tells of a claim: all openings, those that count, the levels left."""

    model_config = ConfigDict(strict=True, frozen=True)

    kind: str
    openings: list[OpeningTold]
    earlier_attempts: list[str]
    is_fresh: bool
    levels: list[float]


@dataclass(frozen=True, slots=True)
class Opening:
    """The opened labels of a claim of an earlier version: SHA-256 of its study, claim, names."""

    study: str
    claim: str
    profiles: frozenset[str]


def level_after(ci: float, n_earlier: int) -> float:
    """The confidence level after ``n_earlier`` attempts on linked labels: 1 - (1 - ci) / 2**n.

    ci: the registered level; it is kept as it is where no attempt came before.
    """
    return ci if n_earlier == 0 else round(1.0 - (1.0 - ci) / 2.0**n_earlier, 12)


def linked(profiles: frozenset[str], openings: Sequence[Opening]) -> tuple[str, ...]:
    """The studies whose opened labels share profiles, directly or through others in between.

    In the order of ``openings``, each once. Two attempts are linked where one profile was held
    out in both; a chain of shared profiles links too, or else a hold-out that moves on a little
    with every version would never be counted.
    """
    reached = set(profiles)
    found: set[int] = set()
    while True:
        more = {
            place
            for place, one in enumerate(openings)
            if place not in found and not reached.isdisjoint(one.profiles)
        }
        if not more:
            break
        found |= more
        reached.update(*(openings[place].profiles for place in more))
    return tuple(dict.fromkeys(openings[place].study for place in sorted(found)))


def told_attempts(statement: Mapping[str, Any]) -> dict[str, AttemptsTold]:
    """Claim -> its attempts, of a registration's statement; empty where it tells of none.

    Raises Tampered where they have another form.
    """
    told = TypeAdapter(dict[str, AttemptsTold])
    try:
        return told.validate_python(statement.get(ATTEMPTS, {}))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Tampered(f"its attempts have another form ({place}: {first['msg']})") from error


def split_path(claim: str) -> str:
    """Where the split of a claim lies in a bundle."""
    return f"splits/{claim}.parquet"


def earlier_path(study_hash: str, claim: str) -> str:
    """Where the split of an earlier version's claim lies in the bundle of a later one."""
    return f"splits/earlier/{study_hash}/{claim}.parquet"


def held_out_profiles(split: bytes, name: str) -> frozenset[str]:
    """The names of the profiles that a split holds out; DataError where it is no split."""
    try:
        table = pq.read_table(io.BytesIO(split), columns=["part", "profile"])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} is no table of a split ({error}); restore the file") from error
    parts, names = table["part"].to_pylist(), table["profile"].to_pylist()
    return frozenset(
        str(profile) for part, profile in zip(parts, names, strict=True) if part == "test"
    )


def attempt_problems(statement: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the counted attempts of a statement, counted again from the splits.

    files: those of the bundle, their hashes already checked. That no opening was left out only
    the ledger can tell.
    """
    try:
        attempts = told_attempts(statement)
    except Tampered as error:
        yield str(error)
        return
    for claim, told in attempts.items():
        try:
            again = _counted(claim, told.openings, files)
        except (KeyError, DataError) as error:
            yield f"the attempts at {claim!r} cannot be counted again: {error}"
            continue
        if list(again) != told.earlier_attempts or told.is_fresh != (not again):
            yield (
                f"counts {len(told.earlier_attempts)} earlier attempt(s) at {claim!r}; its "
                f"splits show {len(again)} that held out the same profiles"
            )


def _counted(
    claim: str, openings: Sequence[OpeningTold], files: Mapping[str, bytes]
) -> tuple[str, ...]:
    def profiles(path: str) -> frozenset[str]:
        return held_out_profiles(files[path], path)

    if not openings:
        return ()
    earlier = [
        Opening(one.study, one.claim, profiles(earlier_path(one.study, one.claim)))
        for one in openings
    ]
    return linked(profiles(split_path(claim)), earlier)
