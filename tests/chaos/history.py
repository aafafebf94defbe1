"""What producers wrote down of a run: what each tried to send, and how each attempt ended.

One JSON Lines file for each producer. A line is written before a record is sent (`invoke`, with all
of it) and when the answer is known (`ok`, `fail`, `info`, for many records at once). A producer may
be killed at any byte: a line counts once its line break is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_TORN: Final = b"\x18"
"""Ends a line that a killed producer left half written; no line of JSON can hold it."""


@unique
class Outcome(StrEnum):
    """How an attempt to send a record stands, in the words of Jepsen."""

    INVOKE = "invoke"
    """Begun."""
    OK = "ok"
    """It certainly happened: the broker acknowledged it."""
    FAIL = "fail"
    """It certainly did not happen."""
    INFO = "info"
    """It may or may not have happened."""


@unique
class Fate(StrEnum):
    """What the bus must do with a record; whoever made the record knows."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    """By enforcement, or by the fund."""
    EITHER = "either"
    """As the catalogue says that judges it, which nobody knows beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One record that a producer tries to send, once or several times.

    A producer sends the versions of one registry entry in ascending order.
    """

    mark: str
    """Names it in the history: its record id, or, where its bytes tell no id that can be trusted
    (or the id of another record), any text of its own."""
    process: str
    """The producer."""
    agency: str
    dataset: str
    key: str
    version: int
    record_id: str | None
    """As its header says; None where it has none."""
    supersedes: str | None = None
    """Record id of the version that it follows."""
    stamp: str
    """Unique text within its value; topics and fund show it again."""
    fate: Fate = Fate.ACCEPTED
    group: str | None = None
    """Id of its group, unique in agency and dataset; None: it stands for itself."""
    group_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a history."""

    at_ms: int
    """Milliseconds since 1970 UTC by the producer's clock; it decides nothing."""
    outcome: Outcome
    sent: Sent | None = None
    """What is begun, where the outcome is `INVOKE`."""
    marks: tuple[str, ...] = ()
    """What ends with this outcome, otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What all producers tried to send, and what came of it as far as they know."""

    sent: Mapping[str, Sent]
    """By mark, in the order in which they were first tried."""
    outcomes: Mapping[str, Outcome]
    """By mark: `OK` if any attempt is, `FAIL` if every attempt is, otherwise `INFO`."""
    altered: tuple[Sent, ...] = ()
    """What was tried again under a mark with other content."""


def history_of(events: Iterable[Event]) -> History:
    """Fold the events of all producers; those of each one in their order.

    Raises:
        ValueError: Something ends that nobody began.
    """
    account = _Account()
    for event in events:
        if event.sent is None:
            account.end(event.marks, event.outcome)
        else:
            account.begin(event.sent)
    return account.history()


@dataclass(slots=True)
class _Account:
    """Attempts, counted by mark while events are read."""

    sent: dict[str, Sent] = field(default_factory=dict)
    altered: list[Sent] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    """How many did not certainly fail; left out where that is the one and only attempt, as it
    nearly always is."""
    succeeded: set[str] = field(default_factory=set)

    def begin(self, sent: Sent) -> None:
        first = self.sent.get(sent.mark)
        if first is None:
            self.sent[sent.mark] = sent
            return
        self.attempts[sent.mark] = self.attempts.get(sent.mark, 1) + 1
        if first != sent:
            self.altered.append(sent)

    def end(self, marks: Iterable[str], outcome: Outcome) -> None:
        for mark in marks:
            if mark not in self.sent:
                raise ValueError(f"{mark!r} ends with {outcome}, but no line before begins it")
            if outcome is Outcome.OK:
                self.succeeded.add(mark)
            elif outcome is Outcome.FAIL:
                self.attempts[mark] = max(0, self.attempts.get(mark, 1) - 1)

    def history(self) -> History:
        return History(
            sent=self.sent,
            outcomes={mark: self._outcome(mark) for mark in self.sent},
            altered=tuple(self.altered),
        )

    def _outcome(self, mark: str) -> Outcome:
        if mark in self.succeeded:
            return Outcome.OK
        return Outcome.INFO if self.attempts.get(mark, 1) > 0 else Outcome.FAIL


class HistoryWriter:
    """Appends to one producer's file; what a call wrote outlives a kill of the process."""

    def __init__(self, path: Path) -> None:
        """Go on behind what an earlier life of this producer wrote."""
        self._file = path.open("a+b")
        end = self._file.seek(0, os.SEEK_END)
        if end and self._last_byte(end) != b"\n":
            self._write([_TORN])

    def _last_byte(self, end: int) -> bytes:
        self._file.seek(end - 1)
        return self._file.read(1)

    def invoke(self, sent: Iterable[Sent], *, at_ms: int) -> None:
        """Write down what is about to be sent; to be called before any of it is."""
        self._write(
            _line({"at_ms": at_ms, "outcome": Outcome.INVOKE, "sent": asdict(one)}) for one in sent
        )

    def end(self, outcome: Outcome, marks: Iterable[str], *, at_ms: int) -> None:
        """Write down how the attempts under way of some records ended, all with one outcome."""
        self._write([_line({"at_ms": at_ms, "outcome": outcome, "marks": list(marks)})])

    def _write(self, lines: Iterable[bytes]) -> None:
        self._file.write(b"".join(line + b"\n" for line in lines))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _line(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def read_events(path: Path) -> Iterator[Event]:
    """Read one producer's file; a line that was not finished is passed over.

    Raises:
        ValueError: Another line is damaged, which no kill explains.
    """
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and not line.endswith(_TORN + b"\n"):
                yield _event(json.loads(line))


def _event(content: Mapping[str, Any]) -> Event:
    sent = content.get("sent")
    return Event(
        at_ms=content["at_ms"],
        outcome=Outcome(content["outcome"]),
        sent=None if sent is None else Sent(**{**sent, "fate": Fate(sent["fate"])}),
        marks=tuple(content.get("marks", ())),
    )


def read_history(paths: Iterable[Path]) -> History:
    """Read the files of all producers; a producer that came back under another name counts as one.

    Raises: as `read_events` and `history_of`.
    """
    return history_of(event for path in paths for event in read_events(path))
