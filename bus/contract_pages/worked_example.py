"""A contract's example as it goes over the wire: fields, headers, bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from bus.catalogue.region import Region
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Contract
from bus.contracts.encode import NotEncodable, encoder
from bus.contracts.example import judge_example
from bus.errors import DocumentError
from bus.model.identifiers import RecordId
from bus.model.record import Envelope, Lane, Operation
from bus.texts import message
from bus.wire import headers
from bus.wire.record_id import record_id


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedExample:
    """An invented record, ready to be compared with what one's own program makes."""

    key: str
    """Kafka key."""
    fields: Mapping[str, object]
    """Every field of the newest schema version, as JSON writes it."""
    headers: tuple[tuple[str, str], ...]
    """Of its creation by the first provider's first system; without the signature."""
    value_hex: str
    """The framed Avro value."""
    refused_rule: str | None
    refused_change: Mapping[str, object]
    """Field → value in its place, which the rule refuses; empty where no rule is named."""


def worked_example(contract: Contract, region: Region) -> WorkedExample | None:
    """Encode a contract's example.

    Returns: None where the contract has none, or no id or no provider yet.
    Raises: DocumentError: linting was not asked, and the example doesn't fit its schema.
    """
    example, newest = contract.example, contract.newest
    entry = region.lock.get(contract.dataset, newest.number)
    systems = [
        (agency, system.code)
        for agency in region.providers_of(contract.dataset)
        for system in region.agencies[agency].systems
        if contract.dataset in system.provides
    ]
    if example is None or entry is None or not systems:
        return None
    compiled = compile_schema(
        dataset=contract.dataset,
        key_field=contract.key_field,
        version=newest,
        schema_id=entry.id,
        wanted=frozenset(),
    )
    try:
        judged = judge_example(contract, example, compiled, is_refused=False)
    except NotEncodable as problem:
        raise DocumentError(
            message("error.example.unfit", dataset=contract.dataset), problem.findings
        ) from problem
    key = str(judged.values[contract.key_field])
    agency, system = systems[0]
    envelope = Envelope(
        record_id=RecordId(record_id(agency, contract.dataset, key, 1, Operation.CREATE)),
        agency=agency,
        system=system,
        event_time=example.sent_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        schema_id=entry.id,
        operation=Operation.CREATE,
        version=1,
        supersedes=None,
        lane=Lane.LIVE,
        resolves=None,
    )
    refused = example.refused
    return WorkedExample(
        key=key,
        fields={name: example.record.get(name) for name in compiled.field_names},
        headers=tuple(
            (name, value.decode()) for name, value in headers.compose(envelope, contract.dataset)
        ),
        value_hex=encoder(newest.schema, entry.id)(judged.values).hex(),
        refused_rule=None if refused is None else refused.rule,
        refused_change={} if refused is None else dict(refused.change),
    )
