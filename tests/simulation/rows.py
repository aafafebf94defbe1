"""From a row to a signed record, by the publisher's own functions; each one is made once."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from bus.client.decision import Next
from bus.client.sending import Chosen
from bus.model.record import Envelope, Lane
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.headers import compose
from bus.wire.record_id import record_id
from tests import factories
from tests.factories import AGENCY, DATASET, SCHEMA_ID, SOURCE, SYSTEM
from tests.simulation.script import Flaw, Row

PARTITIONS = 2
INBOUND = str(SOURCE)
ACCEPTED = topics.accepted(DATASET)
QUARANTINE = topics.quarantine(AGENCY)
_STAMP = re.compile(rb"stamp (\S+);")


def partition_of(key: str) -> int:
    """Choose an entry's partition."""
    return int(key[-1]) % PARTITIONS


def is_in_view(version: int) -> bool:
    """Tell whether a version's institution lies in the city whose institutions the view shows."""
    return version % 4 != 3


@cache
def value_of(row: Row) -> bytes:
    """Encode a row; its stamp stands in a field that the view shows too."""
    fields = {
        **factories.VALID,
        "registry_number": row.key,
        "full_name": f"stamp {row.mark};",
        "oktmo": "36701000" if is_in_view(row.version) else "36740000",
    }
    if row.flaw is Flaw.RULE:
        fields["inn"] = "6317000001"
    value = factories.encoded(fields)
    return value + b"\0" if row.flaw is Flaw.BYTES else value


def stamp_of(value: bytes | None) -> str | None:
    """Read a row's mark from a value, whole or cut to a view."""
    found = _STAMP.search(value or b"")
    return None if found is None else found[1].decode()


def chosen(row: Row, decision: Next) -> Chosen:
    """Make the record that is to be sent for a row, not signed yet."""
    made = _chosen(row, decision)
    return replace(made, delivery=replace(made.delivery, headers=[*made.delivery.headers]))


@cache
def _chosen(row: Row, decision: Next) -> Chosen:
    identity = record_id(AGENCY, DATASET, row.key, decision.version, decision.operation)
    envelope = Envelope(
        record_id=identity,
        agency=AGENCY,
        system=SYSTEM,
        event_time="2026-03-31T20:00:00Z",
        schema_id=SCHEMA_ID,
        operation=decision.operation,
        version=decision.version,
        supersedes=decision.supersedes,
        lane=Lane.LIVE,
        resolves=decision.resolves,
    )
    delivery = Delivery(
        topic=INBOUND,
        partition=partition_of(row.key),
        key=row.key.encode(),
        value=value_of(row),
        headers=compose(envelope, DATASET),
    )
    return Chosen(decision=decision, delivery=delivery, record_id=identity)
