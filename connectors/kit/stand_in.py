"""A bus that can be killed at every step: its log and its positions outlive the runner.

What is sent for a row is decided by the bus's own code; only the broker is played. Why played at
all: a real one can't be made to stop between two steps of our choice. `make conformance` runs the
same on a real Kafka, with kills at moments of chance.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from bus.client import PublishReport, RehearsalLog, RehearsalPublisher, SourceRow
from bus.errors import Fenced
from bus.model.record import Operation
from connectors.reading import Fit
from connectors.source import Item, Json, Source, Span
from connectors.texts import message

_BEGIN: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Killed(BaseException):
    """The runner's process ends here; no `except Exception` may survive it."""


@dataclass(slots=True, kw_only=True)
class StandIn:
    """The bus, and the count of steps at which a runner can be killed."""

    key: str
    is_numbered: bool
    kill_at: int | None = None
    """Number of the step that is the last, from 1; None: nobody is killed."""
    log: RehearsalLog = field(default_factory=RehearsalLog)
    steps: list[str] = field(default_factory=list)
    kept: list[tuple[Json, Mapping[int, int]]] = field(default_factory=list)
    """Positions with their barriers, the latest last."""
    epoch: int = 0
    now: datetime = _BEGIN

    def step(self, name: str) -> None:
        """Come to a step; the process may end at it."""
        self.steps.append(name)
        if len(self.steps) == self.kill_at:
            raise Killed(name)

    def clock(self) -> datetime:
        """Give the present: each look at it takes a millisecond."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def view(self) -> dict[str, dict[str, object]]:
        """Tell what stands in the fund when everything is accepted: key → values."""
        standing: dict[str, tuple[int, dict[str, object] | None]] = {}
        for record in self.log.records():
            if record.is_unreadable or record.version < standing.get(record.key, (0, None))[0]:
                continue
            ended = record.operation in {Operation.ANNUL, Operation.CEASE}
            standing[record.key] = (record.version, None if ended else dict(record.content))
        return {key: values for key, (_, values) in standing.items() if values is not None}

    def histories(self) -> dict[str, list[tuple[str, Mapping[str, object]]]]:
        """Tell the versions of each entry, the earliest first: operation and content."""
        found: dict[str, list[tuple[int, str, Mapping[str, object]]]] = {}
        for record in self.log.records():
            entry = (record.version, record.operation.value, record.content)
            found.setdefault(record.key, []).append(entry)
        return {
            key: [(operation, content) for _, operation, content in sorted(all_of_it, key=_first)]
            for key, all_of_it in found.items()
        }

    def unreadable_places(self) -> Sequence[str]:
        """Tell the places of rows that came to quarantine."""
        return [str(one.content["place"]) for one in self.log.records() if one.is_unreadable]


def _first(entry: tuple[int, str, Mapping[str, object]]) -> int:
    return entry[0]


class StandInDoor:
    """The bus as one runner sees it; see `connectors.door.Door`."""

    def __init__(self, bus: StandIn, fit: Fit) -> None:
        """Take the bus, and what stands for the contract."""
        self._bus = bus
        self._fit = fit
        self._epoch = 0
        self._publisher: RehearsalPublisher | None = None
        self.position: Json = None
        self.is_new = True

    @property
    def fit(self) -> Fit:
        """See `connectors.door.Door`."""
        return self._fit

    async def __aenter__(self) -> Self:
        bus = self._bus
        bus.step("opening the door")
        bus.epoch += 1
        self._epoch = bus.epoch
        bus.step("reading position and log")
        barrier: Mapping[int, int] | None = None
        if bus.kept:
            kept, barrier = bus.kept[-1]
            self.position, self.is_new = json.loads(json.dumps(kept)), False
        self._publisher = RehearsalPublisher(
            bus.log,
            key_field=bus.key,
            is_numbered=bus.is_numbered,
            clock=bus.clock,
            barrier=barrier,
            step=bus.step,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._publisher = None

    async def publish(self, rows: AsyncIterator[SourceRow]) -> PublishReport:
        """See `connectors.door.Door`."""
        assert self._publisher is not None, "entered first"
        return await self._publisher.publish(rows)

    async def keep(self, position: Json) -> None:
        """See `connectors.door.Door`; fails where a later runner opened the door."""
        bus = self._bus
        bus.step(f"keeping position {_short(position)}")
        if self._epoch != bus.epoch:
            raise Fenced(message("kit.fenced"))
        bus.kept.append((position, bus.log.ends()))
        self.position, self.is_new = position, False
        bus.step(f"kept position {_short(position)}")


class Watched(Source[Any]):
    """A source whose every word and every call is a step of the stand-in."""

    def __init__(self, source: Source[Any], bus: StandIn) -> None:
        """Take the source itself."""
        super().__init__(source.config, source.context)
        self._source = source
        self._bus = bus

    async def read(self, position: Json) -> AsyncIterator[Item]:
        """Read it, step by step."""
        items = self._source.read(position)
        try:
            async for item in items:
                self._bus.step(f"the source gave {_told(item)}")
                yield item
        finally:
            await items.aclose()  # type: ignore[attr-defined]  # a generator is what authors write

    async def created(self) -> None:
        """Let it make what it needs."""
        self._bus.step("creating what the source needs")
        await self._source.created()
        self._bus.step("created what the source needs")

    async def acked(self, position: Json) -> None:
        """Let it learn of a position."""
        self._bus.step("telling the source")
        await self._source.acked(position)
        self._bus.step("told the source")

    def backfill(self, span: Span) -> AsyncIterator[Any]:
        """Read history."""
        return self._source.backfill(span)


def _told(item: Item) -> str:
    return f"{type(item).__name__} at {_short(item.position)}"


def _short(position: Json) -> str:
    written = json.dumps(position, default=repr)
    return written if len(written) < 60 else f"{written[:57]}..."  # noqa: PLR2004 - of one line
