"""Records of a first load, or of an answer, from the fund's versions: cut and signed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bus.catalogue.snapshot import Projection, Snapshot
from bus.errors import InvariantBroken
from bus.gateway.fund_versions import FundVersion
from bus.model.identifiers import DatasetCode
from bus.model.record import Headers
from bus.model.verdict import Accepted, Malformed
from bus.route.plan import project
from bus.wire.delivery import Delivery, sign
from bus.wire.headers import accepted_headers, compose
from bus.wire.load_page import LoadedRecord
from bus.wire.signature import BatchSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A version as the record that its provider sent, but for its signature."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes = field(repr=False)
    headers: Headers = field(repr=False)


def loaded_records(
    versions: Sequence[FundVersion],
    *,
    dataset: DatasetCode,
    topic: str,
    projection: Projection | None,
    is_open: Callable[[FundVersion], bool],
    snapshot: Snapshot,
    signer: BatchSigner,
) -> tuple[LoadedRecord, ...]:
    """Turn versions into what a topic shows of them.

    Args:
        versions: Of one dataset.
        dataset: Of all of them.
        topic: What the signature says they were sent to.
        projection: How a view's topic is cut; None: the accepted topic, which shows everything.
        is_open: Whether the provider's record came on or after the first day that a view shows.
        snapshot: The catalogue in force.
        signer: The bus's own key.

    Raises:
        InvariantBroken: The fund holds a value that this catalogue can't read.
    """
    shown: list[tuple[FundVersion, Delivery]] = []
    for version in versions:
        delivery = (
            _whole(version, dataset)
            if projection is None
            else _cut(version, dataset, projection, snapshot, is_open=is_open(version))
        )
        if delivery is not None:
            shown.append((version, replace(delivery, topic=topic)))
    sign([delivery for _, delivery in shown], signer)
    return tuple(_loaded(version, delivery) for version, delivery in shown)


def _whole(version: FundVersion, dataset: DatasetCode) -> Delivery:
    raw = _sent(version, dataset, version.appended_ms)
    return Delivery(
        topic="",
        partition=version.partition,
        key=raw.key,
        value=raw.value,
        headers=accepted_headers(raw, version.catalogue),
    )


def _cut(
    version: FundVersion,
    dataset: DatasetCode,
    projection: Projection,
    snapshot: Snapshot,
    *,
    is_open: bool,
) -> Delivery | None:
    schema = snapshot.schemas.get(version.envelope.schema_id)
    # Why this time: the fund does not keep when the provider's record was appended, and a view
    # that serves an agreement in force closes in the future; only its first day is to be held.
    raw = _sent(version, dataset, projection.opens_ms if is_open else projection.opens_ms - 1)
    examined = None if schema is None else schema.compiled.examine(version.value, raw.timestamp)
    if examined is None or isinstance(examined, Malformed):
        raise InvariantBroken(
            f"accepted.{dataset}/{version.partition}/{version.offset}: catalogue "
            f"{snapshot.version} can't read its value of schema {version.envelope.schema_id}, "
            f"which catalogue {version.catalogue} could; restore that schema version"
        )
    verdict = Accepted(raw=raw, envelope=version.envelope, dataset=dataset, examined=examined)
    return project(verdict, projection, version.catalogue)


def _sent(version: FundVersion, dataset: DatasetCode, timestamp: int) -> _Sent:
    return _Sent(
        topic=version.inbound.topic,
        partition=version.inbound.partition,
        offset=version.inbound.offset,
        timestamp=timestamp,
        key=version.key.encode(),
        value=version.value,
        headers=compose(version.envelope, dataset),
    )


def _loaded(version: FundVersion, delivery: Delivery) -> LoadedRecord:
    return LoadedRecord(
        topic=delivery.topic,
        partition=version.partition,
        offset=version.offset,
        timestamp=version.appended_ms,
        key=delivery.key or b"",
        value=delivery.value or b"",
        headers=delivery.headers,
    )
