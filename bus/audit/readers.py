"""Who read an entry: exactly, where the gateway gave it; and who could, where Kafka did.

Kafka tells nobody which records a system fetched. What is known of it is who had the right to read
a topic of the dataset and when, from the notes of rights, and which consumer groups have positions
in it. A view shows some fields of some rows: the right to it is no proof that it had this entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from bus.audit.note import KeptNote
from bus.kafka.cluster import Cluster

_USER: Final = "User:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactRead:
    """The gateway gave a system the entry."""

    at: datetime
    way: str
    """A value of `bus.audit.note.Way`."""
    system: str
    agency: str
    agreements: tuple[str, ...]
    providers: tuple[str, ...]
    """Of all that was given with it; equal registry numbers of two providers have one mark."""
    request: str
    purpose: str
    note: int
    """Number of the note, whose digest is a leaf of the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """A system had the right to read a topic that shows the dataset, or a part of it."""

    system: str
    topic: str
    begins: datetime | None
    """None: before rights were put on record."""
    ends: datetime | None
    """None: it has the right now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A consumer group that has a position in a topic of the dataset."""

    group: str
    topic: str
    position: int
    """Offsets that it has passed, of all partitions together."""


def exact_reads(notes: Iterable[KeptNote], agency: str | None) -> list[ExactRead]:
    """Tell the reads that notes speak of, oldest first.

    Args:
        notes: Of reads that showed the key.
        agency: Only those that may have shown this provider's entry; None: all.
    """
    found = []
    for one in notes:
        content = one.content
        providers = _texts(content.get("providers"))
        if agency is None or agency in providers:
            found.append(
                ExactRead(
                    at=one.noted_at,
                    way=str(content["way"]),
                    system=str(content["system"]),
                    agency=str(content["agency"]),
                    agreements=_texts(content.get("agreements")),
                    providers=providers,
                    request=str(content.get("request", "")),
                    purpose=str(content.get("purpose", "")),
                    note=one.number,
                )
            )
    return found


def entitlements(
    notes: Iterable[KeptNote], now: Iterable[tuple[str, str]]
) -> tuple[Entitlement, ...]:
    """Tell who could read, and when, by the time at which it began.

    Args:
        notes: Of rights on the dataset's topics, oldest first.
        now: System and topic of each right to read that holds now; it stands without a beginning
            where no note tells of one.
    """
    open_ones: dict[tuple[str, str], Entitlement] = {}
    ended: list[Entitlement] = []
    for one in notes:
        content = one.content
        if content.get("operation") != "read" or content.get("permission") != "allow":
            continue
        system, topic = str(content["principal"]).removeprefix(_USER), str(content["name"])
        if content["change"] == "granted":
            right = Entitlement(system=system, topic=topic, begins=one.noted_at, ends=None)
            open_ones.setdefault((system, topic), right)
        else:
            unknown = Entitlement(system=system, topic=topic, begins=None, ends=None)
            ended.append(replace(open_ones.pop((system, topic), unknown), ends=one.noted_at))
    for system, topic in now:
        unknown = Entitlement(system=system, topic=topic, begins=None, ends=None)
        open_ones.setdefault((system, topic), unknown)
    return tuple(
        sorted(
            [*ended, *open_ones.values()],
            key=lambda one: (one.begins is not None, one.begins, one.system, one.topic),
        )
    )


async def subscriptions(cluster: Cluster, topics: Sequence[str]) -> tuple[Subscription, ...]:
    """Find the consumer groups that have a position in one of some topics, by name.

    Args:
        cluster: Reached as the administrator, who alone sees all groups.
        topics: Of the dataset.
    """
    admin = AIOKafkaAdminClient(**cluster.aiokafka_options())
    try:
        await admin.start()
        groups = sorted({str(name) for name, *_ in await admin.list_consumer_groups()})
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
    finally:
        await admin.close()
    return tuple(
        Subscription(group=group, topic=topic, position=position)
        for group, offsets in committed.items()
        for topic, position in _positions(offsets, topics).items()
    )


def _positions(offsets: Mapping[object, object], topics: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, at in offsets.items():
        topic, offset = place.topic, max(0, at.offset)  # type: ignore[attr-defined]
        if topic in topics:
            found[topic] = found.get(topic, 0) + offset
    return dict(sorted(found.items()))


def _texts(given: object) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, list | tuple) else ()
