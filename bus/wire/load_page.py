"""What the gateway and a consumer say to each other in a first load, as JSON and back.

    GET /first-load/<dataset>                              which loads, each with its token and seam
    GET /first-load/<dataset>/records?token=…&after=…      a page of records; `next` is the `after`
                                                           of the page behind it, null at the end
    GET /first-load/<dataset>/records?token=…&ids=…        those of a held group, comma-separated

A record comes as it lies in its topic: key, framed value, headers. Its signature is the bus's own,
over the topic `first-load.<topic>`, so that it passes for nothing else.
Source: ADR-0015.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from bus.model.identifiers import RecordId
from bus.model.record import GROUP_RECORDS_MAX
from bus.wire.record_id import is_record_id

TOKEN_CHARACTERS_MAX: Final = 16_384
_PREFIX: Final = "first-load."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadName:
    """Names one first load for good: what the accepted topic held below these offsets."""

    topic: str
    """`accepted.<dataset>` or `view.<view>`: whose records it gives."""
    positions: tuple[int, ...]
    """By partition of the accepted topic; excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """A group of the accepted topic of which a predecessor had not come (ADR-0013)."""

    id: str
    """16 hexadecimal digits."""
    record_ids: tuple[RecordId, ...]
    """Of its members, in their order."""


@dataclass(frozen=True, kw_only=True)  # without slots, for what it works out once
class Load:
    """A first load that was begun, and where its topic goes on from it."""

    name: LoadName
    live: tuple[int, ...]
    """By partition of the load's topic: everything before is in the load."""
    passed: tuple[RecordId, ...]
    """Records of the load that its topic may bring once more at or behind `live`."""
    held: tuple[HeldGroup, ...]
    """Groups that waited in the fund when it began: pages, which are in the order of entries, give
    their records one by one; whoever keeps a copy takes each group whole, behind the pages."""

    def is_apart(self, record_id: RecordId) -> bool:
        """Tell whether a record of a page is to be taken with its group instead."""
        return record_id in self._apart

    @cached_property
    def _apart(self) -> frozenset[RecordId]:
        return frozenset(one for group in self.held for one in group.record_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryVersion:
    """A place in the order of a load: agency, key, version."""

    agency: str
    key: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecord:
    """One record of a page; it is proved and read like one from a topic."""

    topic: str
    """`first-load.<topic>`, which the signature covers."""
    partition: int
    """Of the accepted topic, as is the offset."""
    offset: int
    timestamp: int
    """Append time in the accepted topic, milliseconds since 1970 UTC."""
    key: bytes
    value: bytes = field(repr=False)
    headers: Sequence[tuple[str, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records of a load in the order agency, key, version."""

    catalogue: int
    """Version that the values can be read with."""
    records: tuple[LoadedRecord, ...]
    next: str | None
    """Where the following page begins; None: this was the last."""


def signed_topic(topic: str) -> str:
    """Name what the bus's signature of a loaded record says it was sent to."""
    return f"{_PREFIX}{topic}"


def load_token(name: LoadName) -> str:
    """Write a load's name so that it can travel in an address."""
    return _packed([name.topic, list(name.positions)])


def parse_token(token: str) -> LoadName | None:
    """Read a load's name; None where a stranger made it up."""
    match _unpacked(token):
        case [str(topic), [*positions]] if _are_offsets(positions):
            return LoadName(topic=topic, positions=cast("tuple[int, ...]", tuple(positions)))
    return None


def load_cursor(place: EntryVersion) -> str:
    """Write a place in a load so that it can travel in an address."""
    return _packed([place.agency, place.key, place.version])


def parse_cursor(cursor: str) -> EntryVersion | None:
    """Read a place; None where a stranger made it up."""
    match _unpacked(cursor):
        case [str(agency), str(key), int(version)] if _are_offsets([version]) and _is_storable(
            agency + key
        ):
            return EntryVersion(agency=agency, key=key, version=version)
    return None


def render_load(load: Load) -> dict[str, object]:
    """Write one load of the list."""
    return {
        "topic": load.name.topic,
        "token": load_token(load.name),
        "live": list(load.live),
        "passed": list(load.passed),
        "held": [{"id": group.id, "records": list(group.record_ids)} for group in load.held],
    }


def parse_load(content: Mapping[str, Any]) -> Load:
    """Read one load of the list.

    Raises:
        ValueError: It is none.
    """
    name = parse_token(content["token"])
    if name is None:
        raise ValueError("a load without a readable token")
    return Load(
        name=name,
        live=tuple(map(int, content["live"])),
        passed=_record_ids(content["passed"]),
        held=tuple(
            HeldGroup(id=str(one["id"]), record_ids=_record_ids(one["records"]))
            for one in content["held"]
        ),
    )


def _record_ids(texts: Sequence[object]) -> tuple[RecordId, ...]:
    return tuple(RecordId(str(one)) for one in texts)


def joined_ids(record_ids: Sequence[RecordId]) -> str:
    """Write the ids of a group's records so that they can travel in an address."""
    return ",".join(record_ids)


def parse_joined_ids(text: str) -> tuple[RecordId, ...] | None:
    """Read ids of a group's records; None where they are none, or more than a group has."""
    texts = text.split(",")
    if len(texts) > GROUP_RECORDS_MAX or not all(map(is_record_id, texts)):
        return None
    return tuple(map(RecordId, texts))


def render_page(page: Page) -> bytes:
    """Write a page."""
    content = {
        "catalogue": page.catalogue,
        "records": [render_record(record) for record in page.records],
        "next": page.next,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def parse_page(text: bytes, topic: str) -> Page:
    """Read a page of a load of `topic`.

    Raises:
        ValueError: It is none.
    """
    try:
        content = json.loads(text)
        return Page(
            catalogue=int(content["catalogue"]),
            records=tuple(
                parse_record(record, signed_topic(topic)) for record in content["records"]
            ),
            next=content["next"],
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"not a page of a first load ({problem!r})") from problem


def render_record(record: LoadedRecord) -> dict[str, object]:
    """Write one record."""
    texts = {name: value.decode() for name, value in record.headers if name != "bus_sig"}
    signature = next(value for name, value in record.headers if name == "bus_sig")
    return {
        "partition": record.partition,
        "offset": record.offset,
        "appended_ms": record.timestamp,
        "key": record.key.decode(),
        "value": base64.b64encode(record.value).decode(),
        "headers": texts,
        "bus_sig": base64.b64encode(signature).decode(),
    }


def parse_record(content: Mapping[str, Any], topic: str) -> LoadedRecord:
    """Read one record.

    Args:
        content: As `render_record` wrote it.
        topic: Whose name its signature covers.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    headers = [(name, text.encode()) for name, text in content["headers"].items()]
    signature = base64.b64decode(content["bus_sig"], validate=True)
    return LoadedRecord(
        topic=topic,
        partition=int(content["partition"]),
        offset=int(content["offset"]),
        timestamp=int(content["appended_ms"]),
        key=content["key"].encode(),
        value=base64.b64decode(content["value"], validate=True),
        headers=[*headers, ("bus_sig", signature)],
    )


def _packed(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpacked(text: str) -> object:
    if len(text) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _is_storable(text: str) -> bool:
    """Tell whether PostgreSQL takes a text: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def _are_offsets(numbers: Sequence[object]) -> bool:
    return all(type(number) is int and 0 <= number < 2**63 for number in numbers)
