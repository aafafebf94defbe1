"""What every principal may do on Kafka: a pure function of the region and the moment.

An information system may reach what its agency provides, what an agreement in force grants it,
the catalogue, the schemas and the audit log's checkpoints, and consumer groups and transactions
under its own name. Nobody but the bus writes accepted records, views, quarantine or the catalogue;
nobody is a super user.
The gateway writes inbound topics of systems that gave it a key that is valid now, and reads none.

A prefix ends with a dot and codes hold none, so `edu.` never covers what belongs to `edu-x`.
Idempotent producing needs no right of its own beside WRITE on a topic.
Source: ADR-0003; Kafka's authorization reference for what an operation implies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from bus.catalogue.granted import Grant, granted
from bus.catalogue.parties import BUS, GATEWAY, Agency, System
from bus.catalogue.region import Region
from bus.model.identifiers import SystemCode
from bus.wire import topics

_WRITTEN_BY_THE_BUS: Final = (
    *("release.", "accepted.", "view.", "quarantine.", "receipts.", "ask.", "reply."),
    # Why not all of control: whoever writes the catalogue decides what everybody may do.
    *(topics.REFUSALS, topics.AUDIT, topics.CHECKPOINTS, topics.ERASURES),
)


@unique
class Resource(StrEnum):
    """What a right is on."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional_id"


@unique
class Pattern(StrEnum):
    """How a right's name is compared."""

    LITERAL = "literal"
    PREFIXED = "prefixed"


@unique
class Permitted(StrEnum):
    """What a right lets its principal do."""

    READ = "read"
    WRITE = "write"
    DESCRIBE = "describe"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """One thing that one principal may do, from any host."""

    principal: SystemCode
    resource: Resource
    pattern: Pattern
    name: str
    operation: Permitted


def rights_of(region: Region, moment: datetime) -> frozenset[Right]:
    """Decide every right that holds at a moment, which is aware."""
    rights = {*_of_the_bus(), *_of_the_gateway(region, moment)}
    consumers = {agreement.consumer for agreement in region.agreements}
    for agency in region.agencies.values():
        for system in () if agency.has_left(moment) else agency.systems:
            rights.update(_of_system(agency, system))
            if agency.code in consumers:
                topic = topics.reply(agency.code)
                rights.add(_right(system.code, Resource.TOPIC, topic, Permitted.READ))
            for grants in granted(region, system.code, moment).values():
                rights.update(_reading(system.code, grants))
    return frozenset(rights)


def _of_the_bus() -> Iterator[Right]:
    for name in ("in.", "positions.", "control.", *_WRITTEN_BY_THE_BUS):
        yield _right(BUS, Resource.TOPIC, name, Permitted.READ)
    # Why not `in.`: only a provider may say what it published.
    for name in _WRITTEN_BY_THE_BUS:
        yield _right(BUS, Resource.TOPIC, name, Permitted.WRITE)
    yield _right(BUS, Resource.TOPIC, topics.SCHEMAS, Permitted.READ)
    yield from _under_its_own_name(BUS)


def _of_the_gateway(region: Region, moment: datetime) -> Iterator[Right]:
    """Give what systems have delegated: a revoked key takes the right away with it."""
    delegating = {
        key.system for key in region.keys.values() if key.is_delegated and key.is_valid_at(moment)
    }
    for agency in region.agencies.values():
        for system in () if agency.has_left(moment) else agency.systems:
            if system.code in delegating:
                for dataset in system.provides:
                    topic = topics.inbound(agency.code, dataset)
                    yield _right(GATEWAY, Resource.TOPIC, topic, Permitted.WRITE)
                    yield _right(GATEWAY, Resource.TOPIC, topic, Permitted.DESCRIBE)


def _of_system(agency: Agency, system: System) -> Iterator[Right]:
    yield from _under_its_own_name(system.code)
    # Why checkpoints: who keeps a copy finds any later change of the audit log (ADR-0019).
    for topic in (topics.CATALOGUE, topics.SCHEMAS, topics.CHECKPOINTS):
        yield _right(system.code, Resource.TOPIC, topic, Permitted.READ)
    own = [topics.inbound(agency.code, dataset) for dataset in system.provides]
    if system.provides:
        own.append(topics.positions(agency.code))
    for topic in own:
        # Why READ: a publisher recovers its own state from what it wrote.
        for operation in (Permitted.WRITE, Permitted.READ, Permitted.DESCRIBE):
            yield _right(system.code, Resource.TOPIC, topic, operation)
    if system.provides:
        # Why: how far enforcement is in its topic tells a publisher what has been judged.
        yield _right(system.code, Resource.GROUP, topics.ENFORCE_GROUP, Permitted.DESCRIBE)
    if agency.provides:
        for told in (topics.quarantine, topics.receipts, topics.ask):
            topic = told(agency.code)
            yield _right(system.code, Resource.TOPIC, topic, Permitted.READ)


def _under_its_own_name(system: SystemCode) -> Iterator[Right]:
    own = f"{system}."
    yield _right(system, Resource.GROUP, own, Permitted.READ)
    yield _right(system, Resource.TRANSACTIONAL_ID, own, Permitted.WRITE)
    yield _right(system, Resource.TRANSACTIONAL_ID, own, Permitted.DESCRIBE)


def _reading(system: SystemCode, grants: Iterable[Grant]) -> Iterator[Right]:
    for grant in grants:
        yield _right(system, Resource.TOPIC, grant.topic, Permitted.READ)


def _right(principal: SystemCode, resource: Resource, name: str, operation: Permitted) -> Right:
    pattern = Pattern.PREFIXED if name.endswith(".") else Pattern.LITERAL
    return Right(
        principal=principal, resource=resource, pattern=pattern, name=name, operation=operation
    )


def read_topics(rights: Iterable[Right]) -> frozenset[str]:
    """Name the single topics that any of the rights lets somebody read."""
    return frozenset(
        right.name
        for right in rights
        if right.resource is Resource.TOPIC
        and right.operation is Permitted.READ
        and right.pattern is Pattern.LITERAL
    )
