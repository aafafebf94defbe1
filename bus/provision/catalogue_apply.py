"""Bringing a catalogue into force: what it needs first, the manifest last.

Topics, rights, tables, marts, schemas, manifest: a worker that sees the manifest finds all it names
in place. A step that fails leaves those before it done; applying again goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from aiokafka.errors import KafkaError

from bus.access.reconcile import AccessDiff
from bus.audit.notes import create_audit_tables, note_at
from bus.catalogue.kept_decisions import kept_decision_findings
from bus.catalogue.kept_keys import kept_key_findings
from bus.catalogue.lint import lint
from bus.catalogue.lint_decision import unapproved
from bus.catalogue.manifest import changed, manifest_of
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import build_snapshot
from bus.catalogue.subjects import SchemaEntry, schema_entries
from bus.contracts.yaml_document import counted
from bus.errors import DocumentError, Finding, Unavailable
from bus.fund.layout import Layouts, layouts_of
from bus.fund.tables import apply_tables
from bus.kafka.administration import connect_admin, count_brokers
from bus.kafka.catalogue_topic import CatalogueReader, publish_catalogue
from bus.kafka.cluster import Cluster
from bus.kafka.scan import topic_partitions
from bus.marts.entries import MartDiff
from bus.marts.wanted import marts_of
from bus.postgres.session import connect
from bus.provision.contract_publish import GateRefusal, gate_refusals, told_once
from bus.provision.gate_log import Attempt, record_refusals
from bus.provision.letting_go import expect_passed, keeps_less
from bus.provision.noted import apply_marts, apply_rights, catalogue_notes
from bus.provision.schemas_topic import publish_schemas
from bus.provision.topic_apply import TopicDiff, apply_topics
from bus.provision.topic_plan import replication_factor_for, topics_of
from bus.texts import message
from bus.wire import topics


@unique
class Step(StrEnum):
    """What is being brought up to date."""

    TOPICS = "topics"
    RIGHTS = "rights"
    TABLES = "tables"
    MARTS = "marts"
    SCHEMAS = "schemas"
    MANIFEST = "manifest"


Progress = Callable[[Step], None]
Announce = Callable[[int, Mapping[str, str]], Awaitable[None]]
"""Puts on record: (version to come, changed paths → digest, empty for one that is gone)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueReport:
    """What applying a catalogue changed."""

    topics: TopicDiff
    access: AccessDiff
    tables: tuple[str, ...]
    """Changes in the data fund, one line each."""
    marts: MartDiff
    schemas: tuple[SchemaEntry, ...]
    """Entries written to `_schemas`."""
    documents: frozenset[str]
    """Paths of documents that were added, removed, edited, or lost in the topic."""
    version: int
    """Of the catalogue in force now; a new one if any document changed."""
    unapproved: tuple[Finding, ...]
    """What keeps agreements from granting anything though their term has begun."""

    @property
    def is_empty(self) -> bool:
        """Whether everything was in force already."""
        return (
            self.topics.is_empty
            and self.access.is_empty
            and self.marts.is_empty
            and not (self.tables or self.schemas or self.documents)
        )


def _say_nothing(_: Step) -> None:
    return


async def apply_catalogue(
    documents: Mapping[str, bytes],
    *,
    cluster: Cluster,
    fund_dsn: str,
    now: datetime,
    progress: Progress = _say_nothing,
) -> CatalogueReport:
    """Bring a region's documents into force; with the same documents it changes nothing.

    Args:
        documents: Contents by path, as `bus.catalogue.documents.read_documents` gives them.
        cluster: Reached as the administrator.
        fund_dsn: Connection string of the data fund, password included.
        now: Aware; agreements count that are in force then.
        progress: Told each step as it begins.

    Raises:
        DocumentError: The documents have findings, or an engine holds what contradicts them;
            nothing was changed by then if the documents are at fault.
        Unavailable: An engine does not answer.
    """
    region, in_force = await _approved_region(documents, cluster, now)
    if in_force and keeps_less(in_force, region):
        await expect_passed(region, cluster=cluster, fund_dsn=fund_dsn, now=now)
    layouts = layouts_of(region.contracts.values(), region.lock)
    admin = connect_admin(cluster)
    progress(Step.TOPICS)
    factor = replication_factor_for(await asyncio.to_thread(count_brokers, admin))
    topic_changes = await asyncio.to_thread(
        apply_topics, admin, topics_of(region, replication_factor=factor)
    )
    progress(Step.RIGHTS)
    access_changes = await asyncio.to_thread(apply_rights, admin, region, now, fund_dsn)
    progress(Step.TABLES)
    table_changes = await _apply_tables(fund_dsn, layouts)
    progress(Step.MARTS)
    mart_changes = await apply_marts(fund_dsn, marts_of(region, layouts, now))
    progress(Step.SCHEMAS)
    schemas = await publish_schemas(cluster, schema_entries(region))
    progress(Step.MANIFEST)
    changes = {
        "topics": [*topic_changes.missing],
        "settings": [str(one) for one in topic_changes.differing],
        "tables": table_changes,
        "schemas": len(schemas),
    }

    async def announce(version: int, changed_ones: Mapping[str, str]) -> None:
        notes = catalogue_notes(version, changed_ones, region, now, changes)
        await note_at(fund_dsn, list(notes))

    version, changed_documents = await _publish(cluster, documents, now, announce)
    return CatalogueReport(
        topics=topic_changes,
        access=access_changes,
        tables=table_changes,
        marts=mart_changes,
        schemas=schemas,
        documents=changed_documents,
        version=version,
        unapproved=unapproved(region, now),
    )


async def _approved_region(
    documents: Mapping[str, bytes], cluster: Cluster, now: datetime
) -> tuple[Region, Mapping[str, bytes]]:
    """Read documents that nothing speaks against, down to the workers' own compilation.

    Nor the catalogue in force: a key that signed records may be revoked, not removed, and what a
    side of an agreement decided may be followed by another decision only.

    Returns: The region, and beside it the documents in force.
    """
    findings = lint(documents)
    try:
        region = parse_region(documents)
    except DocumentError as error:
        raise _refused(findings or error.findings, ()) from error
    refusals = gate_refusals(region)
    if refusals:
        await record_refusals(cluster, refusals, Attempt.APPLY)
    if findings or refusals:
        raise _refused(told_once(findings, refusals), refusals)
    in_force = await documents_in_force(cluster)
    lost = (
        *kept_key_findings(in_force, documents),
        *kept_decision_findings(in_force, documents, now),
    )
    if lost:
        raise _refused(lost, ())
    build_snapshot(region, 1)
    return region, in_force


async def documents_in_force(cluster: Cluster) -> Mapping[str, bytes]:
    """Read the documents of the catalogue in force, as far as the topic still holds them.

    Returns: Contents by path; empty before the first catalogue.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        # Why ask: before the first catalogue there is no topic.
        if not await topic_partitions(cluster, [topics.CATALOGUE]):
            return {}
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
            return reader.documents_held()
    except KafkaError as problem:
        raise _unreachable(problem) from problem


def _refused(findings: Sequence[Finding], refusals: Sequence[GateRefusal]) -> DocumentError:
    told = message("error.provision.not_applied", count=counted(findings))
    if refusals:
        told = message("error.provision.and_refused", told=told)
    for refusal in refusals:
        told = message("error.provision.and_line", told=told, line=refusal)
    return DocumentError(told, findings)


async def _apply_tables(fund_dsn: str, layouts: Layouts) -> tuple[str, ...]:
    session = await connect(fund_dsn, "bus tables")
    try:
        await create_audit_tables(session)
        return await apply_tables(session, layouts)
    finally:
        await session.close()


async def _publish(
    cluster: Cluster, documents: Mapping[str, bytes], now: datetime, announce: Announce
) -> tuple[int, frozenset[str]]:
    """Write the next version if any document changed; tell the version in force and the changes."""
    try:
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
        before, known = reader.manifest, reader.digests
        version = 1 if before is None else before.version + 1
        manifest = manifest_of(documents, version=version, applied_at=now)
        # Why the second part: a document that the topic lost is written again with a manifest.
        changes = changed(before, manifest) | {
            path for path, digest in manifest.documents.items() if digest not in known
        }
        if before is not None and not changes:
            return before.version, changes
        await announce(version, {path: manifest.documents.get(path, "") for path in changes})
        await publish_catalogue(cluster, documents, manifest, known)
    except KafkaError as problem:
        raise _unreachable(problem) from problem
    return version, changes


def _unreachable(problem: KafkaError) -> Unavailable:
    return Unavailable(
        message("error.provision.catalogue", topic=topics.CATALOGUE, problem=repr(problem))
    )
