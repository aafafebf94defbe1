"""The catalogue as the data plane sees it: one immutable value, swapped whole.

A snapshot holds nothing that a record could change; building one costs some milliseconds per
dataset that is not as it was in the one before, reading it costs a dictionary look-up. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from bus.catalogue.agreement import Condition
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region
from bus.catalogue.views import View, view_of, view_schema, views_of
from bus.contracts.compile import CompiledSchema, compile_schema
from bus.contracts.contract import Contract
from bus.errors import DocumentError
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from bus.model.record import Operation
from bus.texts import message
from bus.wire import topics
from bus.wire.frame import frame_header

END_OF_TIME_MS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A signing key with its owner and the time in which its signatures count."""

    system: SystemCode
    agency: AgencyCode
    public_key: bytes
    """Ed25519, 32 bytes."""
    valid_from_ms: int
    """Included, milliseconds since 1970 UTC."""
    valid_until_ms: int
    """Excluded; the earlier of the planned end and a revocation."""
    is_delegated: bool = False
    """The gateway signs with it; it proves no request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSchema:
    """One schema id: the compiled contract and what it admits."""

    compiled: CompiledSchema
    key_field: str
    operations: frozenset[Operation]
    accepted_until_ms: int
    """Excluded; records of this version appended later are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a view takes its value from a contract's value, without encoding anew."""

    schema_id: int
    """Of the view's schema."""
    frame: bytes
    """Its five bytes."""
    field_places: tuple[int, ...]
    """Places of the kept fields in the contract's schema, ascending."""

    def value(self, framed: bytes, spans: Sequence[int]) -> bytes:
        """Join the bytes of the kept fields: an Avro record is its fields, one after another.

        Args:
            framed: The contract's value.
            spans: Where its fields lie (`Examined.spans`).
        """
        kept = [framed[spans[place] : spans[place + 1]] for place in self.field_places]
        return b"".join([self.frame, *kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A view, ready to be cut from accepted records or current rows."""

    view: View
    topic: str
    providers: frozenset[AgencyCode] | None
    rows: tuple[Condition, ...]
    opens_ms: int
    """Records appended earlier are not shown, milliseconds since 1970 UTC; of a view of all
    history 0: who may read it, and from when, rights decide."""
    closes_ms: int
    """Excluded; the last of its agreements has ended then, and nothing more is written."""
    cuts: Mapping[int, Cut]
    """By schema id of the contract's value; a version with none of the view's fields has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything needed to judge and route, at one catalogue version."""

    version: int
    region: Region
    keys: Mapping[KeyId, TrustedKey]
    schemas: Mapping[int, JudgedSchema]
    projections: Mapping[DatasetCode, tuple[Projection, ...]]
    """Views that enforcement cuts from each accepted record."""
    standing: Mapping[DatasetCode, tuple[Projection, ...]]
    """Views that the fund serves, as their rows enter, change and leave (ADR-0026)."""

    def cut_of(self, view: View | None) -> Projection | None:
        """Tell how a view of this region is cut; None: everything is shown."""
        if view is None:
            return None
        cut_alike = self.standing if view.is_standing else self.projections
        return next(one for one in cut_alike[view.dataset] if one.view.code == view.code)


def build_snapshot(region: Region, version: int, earlier: Snapshot | None = None) -> Snapshot:
    """Compile a region's documents.

    Args:
        region: Parsed and linted documents.
        version: Of the manifest that names them, from 1.
        earlier: What stays as it was there is taken over: every process compiles anew at each
            change, and a region's 300 contracts take a second.

    Raises:
        DocumentError: A schema has no id in the lock; `bus contract publish` gives it one.
    """
    views: dict[DatasetCode, list[View]] = {}
    for view in views_of(region):
        views.setdefault(view.dataset, []).append(view)
    schemas: dict[int, JudgedSchema] = {}
    for contract in region.contracts.values():
        wanted = frozenset(
            condition.field for view in views.get(contract.dataset, []) for condition in view.rows
        )
        schemas.update(_judged_schemas(region, contract, wanted, earlier))
    return Snapshot(
        version=version,
        region=region,
        keys=_trusted_keys(region),
        schemas=schemas,
        projections=_projections(region, views, is_standing=False),
        standing=_projections(region, views, is_standing=True),
    )


def _projections(
    region: Region, views: Mapping[DatasetCode, Sequence[View]], *, is_standing: bool
) -> dict[DatasetCode, tuple[Projection, ...]]:
    """Make the projections of one kind; a dataset without any has no entry."""
    chosen = {
        dataset: [view for view in of_dataset if view.is_standing is is_standing]
        for dataset, of_dataset in views.items()
    }
    return {
        dataset: tuple(_projection(region, view) for view in of_dataset)
        for dataset, of_dataset in chosen.items()
        if of_dataset
    }


def locked_schema_id(region: Region, subject: str, version: int) -> int:
    """Look a schema's id up in the lock.

    Raises:
        DocumentError: It has none yet.
    """
    entry = region.lock.get(subject, version)
    if entry is None:
        raise DocumentError(message("error.lock.no_id", subject=subject, version=version))
    return entry.id


def view_subject(view: View) -> str:
    """Name the lock's subject of a view's schemas."""
    return topics.view(view.code)


def _judged_schemas(
    region: Region, contract: Contract, wanted: frozenset[str], earlier: Snapshot | None
) -> dict[int, JudgedSchema]:
    is_known = earlier is not None and earlier.region.contracts.get(contract.dataset) is contract
    judged = {}
    for version in contract.schema_versions:
        schema_id = locked_schema_id(region, contract.dataset, version.number)
        known = earlier.schemas.get(schema_id) if earlier is not None and is_known else None
        if known is not None and (known.compiled.number, known.compiled.wanted) == (
            version.number,
            wanted,
        ):
            judged[schema_id] = known
            continue
        judged[schema_id] = JudgedSchema(
            compiled=compile_schema(
                dataset=contract.dataset,
                key_field=contract.key_field,
                version=version,
                schema_id=schema_id,
                wanted=wanted,
            ),
            key_field=contract.key_field,
            operations=contract.operations,
            accepted_until_ms=_day_after_ms(version.accepted_until),
        )
    return judged


def _day_after_ms(day: date | None) -> int:
    if day is None:
        return END_OF_TIME_MS
    return _day_ms(day + timedelta(days=1))


def _day_ms(day: date) -> int:
    return instant_ms(datetime.combine(day, time(), UTC))


def instant_ms(instant: datetime) -> int:
    """Give an aware instant as milliseconds since 1970 UTC."""
    return int(instant.timestamp() * 1000)


def _projection(region: Region, view: View) -> Projection:
    contract = region.contracts[view.dataset]
    cuts = {}
    for version in contract.schema_versions:
        derived = view_schema(view, version)
        places = _field_places(version.schema, derived)
        if not places:
            continue
        schema_id = locked_schema_id(region, view_subject(view), version.number)
        source_id = locked_schema_id(region, contract.dataset, version.number)
        cuts[source_id] = Cut(
            schema_id=schema_id, frame=frame_header(schema_id), field_places=places
        )
    agreements = [
        agreement
        for agreement in region.agreements
        if agreement.dataset == view.dataset
        and agreement.is_approved
        and view_of(agreement, contract) == view
    ]
    return Projection(
        view=view,
        topic=topics.view(view.code),
        providers=None if view.providers is None else frozenset(view.providers),
        rows=view.rows,
        opens_ms=0 if view.history_from is None else _day_ms(view.history_from),
        closes_ms=instant_ms(max(agreement.ends_at for agreement in agreements)),
        cuts=cuts,
    )


def _field_places(schema: Mapping[str, object], derived: Mapping[str, object]) -> tuple[int, ...]:
    kept = {field["name"] for field in _fields(derived)}
    return tuple(place for place, field in enumerate(_fields(schema)) if field["name"] in kept)


def _fields(schema: Mapping[str, object]) -> list[dict[str, object]]:
    fields = schema["fields"]
    assert isinstance(fields, list)
    return fields


def _trusted_keys(region: Region) -> dict[KeyId, TrustedKey]:
    owners = {
        system.code: agency.code for agency in region.agencies.values() for system in agency.systems
    }
    return {
        key_id: TrustedKey(
            system=key.system,
            agency=owners[key.system],
            public_key=key.public_key,
            valid_from_ms=instant_ms(key.valid_from),
            valid_until_ms=_end_ms(key),
            is_delegated=key.is_delegated,
        )
        for key_id, key in region.keys.items()
        if key.system in owners
    }


def _end_ms(key: SigningKey) -> int:
    ends = [instant_ms(end) for end in (key.valid_to, key.revoked_at) if end is not None]
    return min(ends, default=END_OF_TIME_MS)
