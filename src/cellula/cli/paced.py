"""``cellula simulate --pace``: a protocol of pulses, and what every beat comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellula.core.batches import Batch
    from cellula.core.logic import LogicNetwork
    from cellula.core.network import Network
    from cellula.core.simulation import Schedule
    from cellula.models.mechanistic.pacing import Protocol

__all__ = ["Paced"]

#: So many beats are shown from the end on.
SHOWN = 5


@final
@dataclass(frozen=True, slots=True)
class Paced:
    """A paced network, and the beats of the first cell by every engine."""

    network: Network
    protocol: Protocol
    rows: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @classmethod
    def asked(cls, words: str, network: Network | LogicNetwork) -> Paced:
        """What ``period=1000,duration=0.5,amplitude=-80,beats=20`` asks of a network.

        Raises StudyError on a word that is no part of a protocol, or a network of logic;
        DataError as :func:`~cellula.models.mechanistic.pacing.protocol` does.
        """
        from pydantic import ValidationError

        from cellula.cli.pairs import pairs
        from cellula.core.errors import StudyError
        from cellula.core.network import Network
        from cellula.models.mechanistic.pacing import Pacing, paced, protocol

        if not isinstance(network, Network):
            raise StudyError("--pace paces a network of equations; this one has logic")
        try:
            wanted = Pacing.model_validate_strings(dict(pairs(words, "--pace")))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise StudyError(
                f"--pace {name}: {first['msg']}; expected {', '.join(Pacing.model_fields)}"
            ) from error
        found = protocol(network, wanted)
        return cls(paced(network, found), found)

    def doses(self, others: Schedule) -> Schedule:
        """The pulses among other doses, in the order of their times."""
        from cellula.core.simulation import Schedule
        from cellula.models.mechanistic.pacing import schedule

        both = (*others.doses, *schedule(self.protocol).doses)
        return Schedule(tuple(sorted(both, key=lambda dose: dose.time)))

    @property
    def times(self) -> NDArray[Any]:
        """The times that beats are read off."""
        from cellula.models.mechanistic.pacing import course_times

        return course_times(self.protocol)

    def take(self, batch: Batch) -> None:
        """Read the beats off the courses of a batch, of every engine."""
        from cellula.models.mechanistic.beats import beats_of

        for engine, course in enumerate(batch.courses):
            found = beats_of(course, self.protocol)
            for cell, beat, why in found.reasons:
                self.reasons.append(f"cell {batch.first + cell}, beat {beat + 1}: {why}")
            for cell in range(len(found.apd90)):
                for beat in range(self.protocol.beats):
                    at = cell, beat
                    self.rows.append(
                        {
                            "engine": engine,
                            "cell": batch.first + cell,
                            "beat": beat + 1,
                            "apd90": _plain(found.apd90[at]),
                            "peak": _plain(found.peak[at]),
                            "rest": _plain(found.rest[at]),
                            "steepest": _plain(found.steepest[at]),
                        }
                    )

    def record(self, names: tuple[str, ...]) -> dict[str, Any]:
        """For a program: the protocol, and a row an engine, cell and beat."""
        given = self.protocol
        return {
            "pacing": {
                "stimulus": given.stimulus,
                "voltage": given.voltage,
                "period": given.pulses.period,
                "start": given.pulses.start,
                "duration": given.pulses.duration,
                "amplitude": given.pulses.level,
                "beats": given.beats,
                "of_the_model": list(given.own),
            },
            "beats": [{**row, "engine": names[row["engine"]]} for row in self.rows],
            "no_apd90": self.reasons,
        }

    def tell(self, names: tuple[str, ...]) -> None:
        """For people: the protocol, the last beats of the first cell, how far engines are apart."""
        from cellula.cli.terminal import say

        given = self.protocol
        own = f"; of the model: {', '.join(given.own)}" if given.own else ""
        say(
            f"paced {given.stimulus}: {given.beats} pulses of {given.pulses.level:g} that last "
            f"{given.pulses.duration:g}, every {given.pulses.period:g} from "
            f"{given.pulses.start:g} on{own}"
        )
        say(f"{'beat':>6} {'engine':<12} {'APD90':>10} {'peak':>10} {'rest':>10}")
        for row in self.rows:
            if row["cell"] == 0 and row["beat"] > given.beats - SHOWN:
                told = "".join(f" {_told(row[name]):>10}" for name in ("apd90", "peak", "rest"))
                say(f"{row['beat']:>6} {names[row['engine']]:<12}{told}")
        for other in range(1, len(names)):
            say(f"APD90 of {names[0]} and {names[other]}: {self._apart(other)}")
        for why in self.reasons[:SHOWN]:
            say(f"  no APD90 of {why}")

    def _apart(self, other: int) -> str:
        first = {(row["cell"], row["beat"]): row["apd90"] for row in self.rows if not row["engine"]}
        gaps = [
            abs(row["apd90"] / first[row["cell"], row["beat"]] - 1)
            for row in self.rows
            if row["engine"] == other and row["apd90"] and first[row["cell"], row["beat"]]
        ]
        return f"at most {100 * max(gaps):.2g} % apart" if gaps else "no beat to compare"


def _plain(value: float) -> float | None:
    return float(value) if value == value else None


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
