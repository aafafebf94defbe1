"""Forms of single headers: what a value must look like, and what it then says. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from bus.model.record import GROUP_RECORDS_MAX, Group, Operation
from bus.wire import topics
from bus.wire.record_id import is_record_id

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/avro"
UNREADABLE_ROW: Final = "application/vnd.bus.unreadable-row+json"
"""Content type of a row that a source has and no value could be made of; it goes to quarantine."""
SOURCE_PREFIX: Final = "urn:bus:"
SCHEMA_PREFIX: Final = "urn:bus:schema:"
VERSION_MAX: Final = 2**63 - 1
_NUMBER_DIGITS_MAX: Final = 19
_NUMBERS_REMEMBERED: Final = 256
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_GROUP: Final = re.compile(r"([0-9a-f]{16})/(0|[1-9][0-9]?)/([1-9][0-9]?)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def version_of(text: str) -> int | None:
    """Read header `bus_version`; None where it has another form."""
    version = _number(text)
    return version if version is not None and version <= VERSION_MAX else None


def schema_id_of_header(text: str) -> int | None:
    """Read header `ce_dataschema`; None where it has another form."""
    if not text.startswith(SCHEMA_PREFIX):
        return None
    return _number(text[len(SCHEMA_PREFIX) :])


@lru_cache(_NUMBERS_REMEMBERED)
def _number(text: str) -> int | None:
    """Read a positive number of at most 19 digits, written the one way; None where it is not."""
    if not (text.isascii() and text.isdigit()) or text[0] == "0" or len(text) > _NUMBER_DIGITS_MAX:
        return None
    return int(text)


def fits_operation(operation: Operation | None, supersedes: str | None) -> bool:
    """Tell whether a record names a predecessor where it must, and none where it must not."""
    if operation is Operation.CREATE:
        return supersedes is None
    return supersedes is not None and is_record_id(supersedes)


def is_position(text: str | None) -> bool:
    """Tell whether a text is `topic/partition/offset`, or absent."""
    if text is None:
        return True
    try:
        return bool(topics.parse_position(text))
    except ValueError:
        return False


def parse_group(text: str) -> Group | None:
    """Read header `bus_group`; None where it has another form."""
    found = _GROUP.fullmatch(text)
    if found is None:
        return None
    index, size = int(found[2]), int(found[3])
    if not 2 <= size <= GROUP_RECORDS_MAX or index >= size:  # noqa: PLR2004 - one is no group
        return None
    return Group(id=found[1], index=index, size=size)


def event_time_ms(text: str) -> int | None:
    """Read an event time as milliseconds since 1970 UTC; None where it is no RFC 3339 UTC time."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except ValueError:
        return None


def as_sent(moment: datetime) -> str:
    """Write an event time as the bus's publisher does; with microseconds where it has them."""
    if moment.microsecond % 1000:
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return format_time(round(moment.timestamp() * 1000))


def format_time(instant_ms: int) -> str:
    """Write milliseconds since 1970 UTC as RFC 3339 with milliseconds."""
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
