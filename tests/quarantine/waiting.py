"""Signed records of the sample region in quarantine, and the decisions' store."""

from __future__ import annotations

from collections.abc import Sequence

from bus.model.verdict import Reason, Severity, Violation
from bus.quarantine.decision import DecisionKind, Grounds, grounds_of
from bus.quarantine.entry import QuarantineEntry
from bus.quarantine.store import QuarantineBatch, QuarantineStore
from bus.wire.delivery import Delivery
from bus.wire.release import ReleasedRecord, unwrap
from tests.factories import AGENCY, DATASET, Raw

TOPIC = f"quarantine.{AGENCY}"
INN = Violation(rule="inn-check-digits", path="inn", severity=Severity.QUARANTINE)
MENDED = grounds_of(DecisionKind.RELEASE, by="steward", because="rule mended")
USELESS: Grounds = grounds_of(
    DecisionKind.DISCARD, by="steward", second="operator", because="a test record"
)


def entry(
    raw: Raw, reason: Reason = Reason.RULE_VIOLATED, *, attempt: int = 0, catalogue: int = 7
) -> QuarantineEntry:
    return QuarantineEntry(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        agency=AGENCY,
        dataset=DATASET,
        reason=reason,
        path="",
        violations=(INN,) if reason is Reason.RULE_VIOLATED else (),
        catalogue=catalogue,
        record_id=None,
        key=raw.key,
        headers=raw.headers,
        value=raw.value,
        appended_ms=raw.timestamp,
        attempt=attempt,
    )


def quarantine_id(raw: Raw) -> str:
    return f"{raw.topic}/{raw.partition}/{raw.offset}"


class Custody:
    """The quarantine agent's part: entries in the order of its topic."""

    def __init__(self, keeper: QuarantineStore) -> None:
        self._keeper = keeper
        self._next = 0

    async def take(self, *entries: QuarantineEntry) -> int:
        start, self._next = self._next, self._next + len(entries)
        await self._keeper.positions({(TOPIC, 0): 0})
        return await self._keeper.apply(
            [
                QuarantineBatch(
                    topic=TOPIC, partition=0, start=start, end=self._next, entries=entries
                )
            ]
        )

    async def state(self, raw: Raw) -> tuple[str, Reason, int]:
        shown = await self._keeper.show(quarantine_id(raw))
        assert shown is not None
        return shown.state.value, shown.reason, shown.attempt


class ReleaseTopic:
    """What was written to the release topic; writing fails where it is told to."""

    def __init__(self) -> None:
        self.written: list[Delivery] = []
        self.fails = False

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.written += deliveries
        if self.fails:
            raise ConnectionError

    def places(self) -> list[tuple[int, int]]:
        """Offset and attempt of each, in order."""
        return [(one.offset, one.attempt) for one in map(_unwrapped, self.written)]


def _unwrapped(delivery: Delivery) -> ReleasedRecord:
    return unwrap(
        Raw(
            topic=delivery.topic,
            partition=delivery.partition,
            key=delivery.key,
            value=delivery.value,
            headers=delivery.headers,
        )
    )
