"""The sample contract with one standing view on it, and a consumer at the end of its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from bus.agents.standing import signed_deliveries
from bus.catalogue.agreement import Condition, ConditionOperator
from bus.catalogue.lock import LockEntry, SchemaLock, schema_sha256
from bus.catalogue.schemas import complete_lock
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.catalogue.views import view_schema
from bus.client.delivered import DeliveredRecord
from bus.client.proof import prove_standing
from bus.client.registry_copy import RegistryCopy
from bus.contracts.contract import Classification
from bus.contracts.encode import decoder
from bus.fund.outbox import StandingOutbox, Waiting
from bus.model.record import Presence, StandingRow
from bus.wire.signature import SignatureChecker
from bus.wire.topics import Position
from tests import factories
from tests.access import regions
from tests.factories import Raw
from tests.fund.samples import CONTRACT, SAMARA, SCHEMA_IDS, SCHOOLS

LARGE = Condition(field="places", op=ConditionOperator.AT_LEAST, values=("100",))
"""Places may change, so that a school enters and leaves the view."""
_LAST_DAY = date(2027, 6, 30)


def snapshot(version: int = 7, *, valid_to: date = _LAST_DAY, with_view: bool = True) -> Snapshot:
    """Give a catalogue of the sample contract under one agreement."""
    agreement = replace(
        regions.agreement("planning", ["planner"], SCHOOLS, valid_to=valid_to),
        fields=("registry_number", "title"),
        rows=(LARGE,) if with_view else (),
    )
    contract = replace(
        CONTRACT,
        classification=MappingProxyType(dict.fromkeys(CONTRACT.field_names, Classification.PUBLIC)),
    )
    key = factories.signing_key("bus")
    schemas = {v.number: v.schema for v in contract.schema_versions}
    region = replace(
        regions.region(
            {SAMARA: {"edu-registry": [SCHOOLS]}, "planning": {"planner": []}}, [agreement]
        ),
        contracts=MappingProxyType({SCHOOLS: contract}),
        keys=MappingProxyType({key.key_id: key}),
        lock=SchemaLock(
            entries={
                SCHOOLS: {
                    number: LockEntry(id=SCHEMA_IDS[number], sha256=schema_sha256(schema))
                    for number, schema in schemas.items()
                }
            }
        ),
    )
    return build_snapshot(replace(region, lock=complete_lock(region)), version)


SNAPSHOT = snapshot()
(VIEW,) = SNAPSHOT.standing[SCHOOLS]


@dataclass(slots=True)
class Consumer:
    """Takes what Kafka would have, proves it and keeps a copy."""

    copy: RegistryCopy = field(default_factory=lambda: RegistryCopy(SCHOOLS))
    received: list[StandingRow] = field(default_factory=list)
    _checker: SignatureChecker = field(default_factory=SignatureChecker)

    async def send(self, page: Sequence[Waiting]) -> None:
        """Be sent a page."""
        raws = [
            Raw(
                topic=delivery.topic,
                partition=delivery.partition,
                key=delivery.key,
                value=delivery.value,
                headers=delivery.headers,
            )
            for delivery in signed_deliveries(page, SNAPSHOT, factories.signer("bus"))
        ]
        for row in prove_standing(
            raws,
            dataset=SCHOOLS,
            view=VIEW.view.code,
            snapshot=SNAPSHOT,
            checker=self._checker,
        ):
            self.received.append(row)
            self.copy.apply(_delivered(row, len(self.received)))

    async def take(self, outbox: StandingOutbox) -> list[tuple[str, Presence, int]]:
        """Take all that waits; tell key, presence and number of each record."""
        before, pages_left = len(self.received), 100
        while await outbox.send_page(self.send):
            pages_left -= 1
            assert pages_left, "the outbox does not come to an end"
        return [(one.key, one.presence, one.number) for one in self.received[before:]]

    @property
    def stands(self) -> dict[str, object]:
        """Key → title of what the copy says stands."""
        return {one.key: one.fields["title"] for one in self.copy.current()}


def _delivered(row: StandingRow, offset: int) -> DeliveredRecord:
    return DeliveredRecord(
        agency=row.agency,
        dataset=row.dataset,
        key=row.key,
        version=row.number,
        operation=row.presence,
        record_id=row.record_id,
        supersedes=None,
        event_time=row.event_time,
        lane=row.lane,
        fields={} if row.value is None else _DECODERS[row.schema_id](row.value),
        position=Position(topic=VIEW.topic, partition=0, offset=offset),
    )


_DECODERS = {
    cut.schema_id: decoder(view_schema(VIEW.view, version))
    for version in CONTRACT.schema_versions
    for cut in [VIEW.cuts[SCHEMA_IDS[version.number]]]
}
