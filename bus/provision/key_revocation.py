"""A key that others may have: out of force, and all that it signed since then found and doubted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from bus.access.keys import revoke
from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import instant_ms
from bus.errors import Unavailable
from bus.fund.doubt import SignedVersion, note_doubts
from bus.kafka.cluster import Cluster
from bus.kafka.scan import offsets, offsets_at, read_between, topic_partitions
from bus.model.identifiers import DatasetCode, KeyId
from bus.model.record import RawRecord
from bus.provision.catalogue_apply import apply_catalogue, documents_in_force
from bus.texts import message
from bus.wire import topics
from bus.wire.headers import parse_delivered
from bus.wire.signature import parse_signature

IN_FORCE_S: Final = 5.0
"""In that time every process judges by a new catalogue (ADR-0009); what was accepted meanwhile
is looked through with the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What became of a key and of what it signed."""

    key_id: KeyId
    revoked_at: datetime
    catalogue: int
    """Version in which it is out of force."""
    signed: tuple[SignedVersion, ...]
    """Accepted since then and signed with it, as far as topics go back."""
    newly_doubted: int


async def revoke_key(
    region_file: Path,
    home: Path,
    key_id: KeyId,
    since: datetime,
    *,
    cluster: Cluster,
    fund_dsn: str,
    clock: Callable[[], datetime],
) -> Revocation:
    """Take a key out of force, then find and doubt what it signed since a moment.

    Repeating it finds the same, and what is missing of it is done.

    Args:
        region_file: `region.yaml`.
        home: Folder of the installation with the keys' documents.
        key_id: Of any system.
        since: Aware; from then on others may have had the key.
        cluster: Reached as the administrator.
        fund_dsn: Of the data fund.
        clock: Gives the present.

    Raises:
        DocumentError: There is no such key, or the documents have findings.
        Unavailable: An engine does not answer.
    """
    key = revoke(home, key_id, since)
    assert key.revoked_at is not None, "just revoked"
    documents = await _with_key(region_file, home, key, cluster)
    report = await apply_catalogue(documents, cluster=cluster, fund_dsn=fund_dsn, now=clock())
    await asyncio.sleep(IN_FORCE_S)
    region = parse_region(documents)
    try:
        signed = tuple([one async for one in _signed(cluster, region, key, key.revoked_at)])
    except KafkaError as problem:
        told = message("error.provision.not_looked_through", key=key_id, problem=repr(problem))
        raise Unavailable(told) from problem
    return Revocation(
        key_id=key_id,
        revoked_at=key.revoked_at,
        catalogue=report.version,
        signed=signed,
        newly_doubted=await note_doubts(fund_dsn, key_id, key.revoked_at, signed),
    )


async def _with_key(
    region_file: Path, home: Path, key: SigningKey, cluster: Cluster
) -> Mapping[str, bytes]:
    """Put a key's document into the catalogue in force; before the first, into those on disk.

    Why not those on disk: a draft that is not ready, or a decision that this very key signed and
    nobody applied, would keep the key in force.
    """
    in_force = await documents_in_force(cluster)
    documents = in_force or read_documents(region_file, home / "keys")
    return {**documents, f"keys/{key.key_id}.yaml": render_key(key)}


async def _signed(
    cluster: Cluster, region: Region, key: SigningKey, since: datetime
) -> AsyncIterator[SignedVersion]:
    """Read what was accepted of the key's agency since a moment; give what the key signed."""
    datasets = [
        dataset
        for agency in region.agencies.values()
        if any(system.code == key.system for system in agency.systems)
        for dataset in agency.provides
    ]
    wanted = {topics.accepted(dataset): dataset for dataset in datasets}
    places = [
        place for place in await topic_partitions(cluster, list(wanted)) if place.topic in wanted
    ]
    starts = await offsets_at(cluster, places, instant_ms(since))
    ends = await offsets(cluster, places)
    spans = {place: (start, ends[place][1]) for place, start in starts.items()}
    async for raw in read_between(cluster, spans):
        signature = parse_signature(dict(raw.headers).get("bus_sig", b""))
        if signature is not None and signature.key_id == key.key_id:
            yield _as_signed(raw, wanted[raw.topic])


def _as_signed(raw: RawRecord, dataset: DatasetCode) -> SignedVersion:
    record = parse_delivered(raw, dataset)
    return SignedVersion(
        agency=record.agency,
        dataset=dataset,
        key=record.key,
        version=record.version,
        record_id=record.record_id,
        place=f"{raw.topic}/{raw.partition}/{raw.offset}",
    )
