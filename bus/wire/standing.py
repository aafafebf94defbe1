"""Records of standing views on the wire: their headers written, read and held against each other.

The names are those of `bus.wire.headers`, which is the list; what differs is said there.
"""

from __future__ import annotations

from bus.errors import InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode, ViewCode
from bus.model.record import Lane, Presence, RawRecord, StandingRow
from bus.wire import topics
from bus.wire.delivery import Delivery
from bus.wire.header_forms import CONTENT_TYPE, SCHEMA_PREFIX, SOURCE_PREFIX, SPEC_VERSION
from bus.wire.record_id import row_id


def standing_delivery(row: StandingRow, partition: int) -> Delivery:
    """Write a record, unsigned, to a partition of its view's topic."""
    return Delivery(
        topic=topics.view(row.view),
        partition=partition,
        key=row.key.encode(),
        value=row.value,
        headers=_headers(row),
    )


def parse_standing(raw: RawRecord, dataset: DatasetCode, view: ViewCode) -> StandingRow:
    """Read a record that the bus wrote to a standing view.

    Raises:
        InvariantBroken: The bus did not write it so: somebody else wrote to its topic.
    """
    sent = {name: value for name, value in raw.headers if name != "bus_sig"}
    try:
        texts = {name: value.decode() for name, value in sent.items()}
        _, _, agency, system = texts["ce_source"].split(":")
        key, number = (raw.key or b"").decode(), int(texts["bus_version"])
        presence = Presence(texts["bus_op"])
        row = StandingRow(
            view=view,
            agency=AgencyCode(agency),
            dataset=dataset,
            key=key,
            number=number,
            presence=presence,
            record_id=row_id(view, agency, dataset, key, number, presence),
            schema_id=int(texts["ce_dataschema"].removeprefix(SCHEMA_PREFIX)),
            value=raw.value,
            event_time=texts["ce_time"],
            lane=Lane(texts["bus_lane"]),
            system=SystemCode(system),
            bus_in=texts["bus_in"],
            catalogue=int(texts["bus_catalogue"]),
        )
    except (KeyError, ValueError, AttributeError):
        # Why without the cause: its message may hold what a stranger wrote.
        raise _foreign(raw, "its headers can't be read") from None
    # Written again it must be the same: no header more, none that disagrees with another.
    if sent != dict(_headers(row)) or (row.value is None) is (row.presence is Presence.STANDS):
        raise _foreign(raw, "its headers do not agree with each other")
    return row


def _headers(row: StandingRow) -> list[tuple[str, bytes]]:
    texts = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": row.record_id,
        "ce_source": f"{SOURCE_PREFIX}{row.agency}:{row.system}",
        "ce_type": f"registry.{row.dataset}.{row.presence}",
        "ce_time": row.event_time,
        "ce_dataschema": f"{SCHEMA_PREFIX}{row.schema_id}",
        "content-type": CONTENT_TYPE,
        "bus_op": row.presence,
        "bus_version": str(row.number),
        "bus_lane": row.lane,
        "bus_in": row.bus_in,
        "bus_catalogue": str(row.catalogue),
    }
    return [(name, text.encode()) for name, text in texts.items()]


def _foreign(raw: RawRecord, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"record {raw.topic}/{raw.partition}/{raw.offset} was not written by the bus ({why}); find "
        "who may write to the topic with `bus access diff`, then skip nothing: restore the topic's "
        "rights first"
    )
