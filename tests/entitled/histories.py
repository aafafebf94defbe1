"""Invented histories: what providers send of a few entries, in which order the bus gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Final, TypeAlias

from bus.catalogue.snapshot import instant_ms
from bus.model.identifiers import AgencyCode, RecordId, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.wire import topics
from bus.wire.headers import compose
from bus.wire.record_id import record_id
from tests.entitled.documents import (
    DATASET,
    FIRST_DAY,
    KEY,
    KINDS,
    PARTITIONS,
    PROVIDERS,
    Documents,
)
from tests.factories import Raw

Entry: TypeAlias = tuple[AgencyCode, str]
_STATED: Final = (
    *(Operation.CORRECT,) * 6,
    *(Operation.ANNUL,) * 3,
    *(Operation.CEASE,) * 2,
    Operation.CREATE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One accepted registry record, and its values as its provider knows them."""

    envelope: Envelope
    key: str
    schema: int
    """Version of the schema."""
    fields: Mapping[str, object] = field(repr=False)
    raw: Raw
    """As it lies in the inbound topic."""

    @property
    def entry(self) -> Entry:
        return (self.envelope.agency, self.key)

    @property
    def came(self) -> datetime:
        return datetime.fromtimestamp(self.raw.timestamp / 1000, UTC)


def invent(chance: Random, documents: Documents) -> list[list[Sent]]:
    """Make batches of records in the order in which they come: some late, some twice."""
    drafts = [
        draft
        for agency in PROVIDERS
        for number in range(chance.randint(0, 2))
        for draft in _of_entry(chance, documents, (agency, f"k-{number}"))
    ]
    drafts = _shuffled(chance, drafts)
    moment = datetime.combine(FIRST_DAY, time(), UTC) - timedelta(hours=chance.randint(0, 48))
    sent: list[Sent] = []
    for draft in drafts:
        moment += timedelta(minutes=chance.choice((0, 1, 60, 600, 1_800)))
        sent.append(_sent(draft, documents, moment, offset=len(sent)))
    batches: list[list[Sent]] = []
    while sent:
        size = chance.randint(1, 4)
        batches.append(sent[:size])
        sent = sent[size:]
    return batches


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    envelope: Envelope
    key: str
    schema: int
    fields: Mapping[str, object]


def _of_entry(chance: Random, documents: Documents, entry: Entry) -> list[_Draft]:
    """State one entry's versions; each but a create follows any that came before it."""
    agency, key = entry
    fixed = {name: chance.choice(KINDS[kind].values) for name, kind in documents.kinds.items()}
    drafts: list[_Draft] = []
    ids: list[RecordId] = []
    for version in range(1, chance.randint(1, 6) + 1):
        operation = chance.choice(_STATED) if ids else Operation.CREATE
        supersedes = None
        if operation is not Operation.CREATE:
            supersedes = ids[-1] if chance.random() < 0.7 else chance.choice(ids)
        schema = chance.choice(list(documents.encoders))
        ids.append(record_id(agency, DATASET, key, version, operation))
        envelope = Envelope(
            record_id=ids[-1],
            agency=agency,
            system=SystemCode(PROVIDERS[agency]),
            event_time=f"2026-02-{version:02}T09:30:00Z",
            schema_id=documents.schema_ids[schema],
            operation=operation,
            version=version,
            supersedes=supersedes,
            lane=Lane.LIVE,
            resolves=None,
        )
        fields = _fields(chance, documents, schema, key, fixed)
        drafts.append(_Draft(envelope=envelope, key=key, schema=schema, fields=fields))
    return drafts


def _fields(
    chance: Random, documents: Documents, schema: int, key: str, fixed: Mapping[str, object]
) -> dict[str, object]:
    found = documents.contract.schema_versions[schema - 1].schema["fields"]
    assert isinstance(found, list)
    fields: dict[str, object] = {KEY: key}
    for name in (one["name"] for one in found if one["name"] != KEY):
        is_fixed = name in documents.contract.immutable_fields
        values = KINDS[documents.kinds[name]].values
        fields[name] = fixed[name] if is_fixed else chance.choice(values)
    return fields


def _shuffled(chance: Random, drafts: Sequence[_Draft]) -> list[_Draft]:
    """Mix the entries; let some come late, some not at all, some twice."""
    late = [(place + chance.choice((0, 0, 0, 0.5, 3, 9)), one) for place, one in enumerate(drafts)]
    if chance.random() < 0.7:
        late = [(chance.random() * len(drafts) / 4 + place % 7, one) for place, one in late]
    ordered = [one for _, one in sorted(late, key=lambda pair: pair[0])]
    twice = [one for one in ordered if chance.random() < 0.1]
    return [one for one in ordered if chance.random() < 0.95] + twice


def _sent(draft: _Draft, documents: Documents, moment: datetime, *, offset: int) -> Sent:
    envelope = draft.envelope
    raw = Raw(
        topic=topics.inbound(envelope.agency, DATASET),
        partition=int(draft.key[-1]) % PARTITIONS,
        offset=offset,
        timestamp=instant_ms(moment),
        key=draft.key.encode(),
        value=documents.encoders[draft.schema](draft.fields),
        headers=compose(envelope, DATASET),
    )
    return Sent(envelope=envelope, key=draft.key, schema=draft.schema, fields=draft.fields, raw=raw)
