"""A running bus with every dataset that bad input is sent to, and what its senders know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import psycopg
from aiokafka import AIOKafkaProducer

from bus.access.enrol import enrol_all
from bus.access.reconcile import reconcile
from bus.access.rights import Pattern, Permitted, Resource, Right, rights_of
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import locked_schema_id
from bus.client import BatchSigner
from bus.kafka.administration import Administration, connect_admin
from bus.model.identifiers import SystemCode
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.topic_apply import apply_topics
from bus.provision.topic_plan import topics_of
from bus.settings import Settings
from bus.wire import topics
from bus.wiring import Installation
from tests.bad_input.cases import ERASED_KEY, RECURSION_ID, ZERO_SIZE_ID, World
from tests.bad_input.shapes_region import FORMER, SHAPES, documents
from tests.factories import AGENCY, DATASET, ROOT, SYSTEM

REGION = ROOT / "deploy/samara/region.yaml"
FOREIGN_SYSTEM = SystemCode("egrul-feed")
BOMBS = {
    RECURSION_ID: {
        "type": "record",
        "name": "Chain",
        "fields": [{"name": "next", "type": ["null", "Chain"]}],
    },
    ZERO_SIZE_ID: {
        "type": "record",
        "name": "Nothing",
        "fields": [{"name": "nothing", "type": {"type": "array", "items": "null"}}],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A running bus, and what its senders know."""

    installation: Installation
    world: World
    workers: Sequence[psutil.Process]
    sound: list[str] = field(default_factory=list)
    """Places of good records that were sent between bad ones."""


async def put_in_force(home: Path) -> tuple[Installation, World]:
    """Apply the region with dataset `shapes`, and two schemas that no contract would be allowed."""
    installation = Installation(Settings(home=home, region=REGION))
    region = parse_region(read_documents(REGION, None))
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    now = datetime.now(UTC)
    admin = installation.cluster_as_admin()
    enrol_all(home, connect_admin(admin), [BUS, *systems], now)
    approve_all(REGION, home, now)
    found = documents(installation, now)
    await apply_catalogue(found, cluster=admin, fund_dsn=installation.fund_dsn(), now=now)
    await _plant_bombs(installation)
    _note_erased(installation.fund_dsn())
    in_force = parse_region(found)
    _leave_topic(connect_admin(admin), in_force, now)
    own, foreign = installation.credentials(SYSTEM), installation.credentials(FOREIGN_SYSTEM)
    return installation, World(
        signer=BatchSigner(own.key_id, own.private_key),
        foreign_signer=BatchSigner(foreign.key_id, foreign.private_key),
        schema_id=locked_schema_id(in_force, SHAPES, 2),
        ended_schema_id=locked_schema_id(in_force, SHAPES, 1),
        foreign_schema_id=locked_schema_id(in_force, DATASET, 1),
        now_ms=int(now.timestamp() * 1000),
    )


def _leave_topic(admin: Administration, region: Region, now: datetime) -> None:
    """Make the topic of a former dataset, and let a client still write to it.

    Why made so: a dataset that left takes its provider's rights with it; what remains to be judged
    then is a backlog, which nobody could send at will.
    """
    planned = topics_of(region, replication_factor=1)
    former = topics.inbound(AGENCY, FORMER)
    apply_topics(admin, {former: planned[topics.inbound(AGENCY, SHAPES)]})
    rights = {
        Right(
            principal=SYSTEM,
            resource=Resource.TOPIC,
            pattern=Pattern.LITERAL,
            name=former,
            operation=operation,
        )
        for operation in (Permitted.WRITE, Permitted.DESCRIBE)
    }
    reconcile(admin, rights_of(region, now) | rights, lambda _: None)


def _note_erased(fund_dsn: str) -> None:
    """Leave of an entry what an erasure leaves: that there was one."""
    with psycopg.connect(fund_dsn) as fund:
        fund.execute(
            "INSERT INTO bus.erased_entries (dataset, agency, key) VALUES (%s, %s, %s)",
            [SHAPES, AGENCY, ERASED_KEY],
        )


async def _plant_bombs(installation: Installation) -> None:
    """Write schemas that the linter forbids to where readers look schemas up."""
    cluster = installation.cluster_as_admin()
    async with AIOKafkaProducer(**cluster.aiokafka_options()) as producer:
        for schema_id, schema in BOMBS.items():
            subject = f"bomb-{schema_id}-value"
            key = {"keytype": "SCHEMA", "subject": subject, "version": 1, "magic": 1}
            value = {
                "subject": subject,
                "version": 1,
                "id": schema_id,
                "schema": json.dumps(schema),
                "deleted": False,
            }
            await producer.send_and_wait(
                topics.SCHEMAS, key=json.dumps(key).encode(), value=json.dumps(value).encode()
            )


_SERVE: Final = """
import asyncio
from bus.process.log import configure_logging
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor
configure_logging("supervisor")
asyncio.run(Supervisor([Slot(role=role, number=0) for role in Role]).run())
"""


@contextmanager
def serving(installation: Installation, world: World) -> Iterator[Bench]:
    """Run every worker as `bus serve` does, but not the keeper: it takes away what was granted by
    hand, and with that the right to the topic of a former dataset."""
    log = installation.home.parent / "serve.log"
    with (
        log.open("ab") as file,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stderr=file,
            env={**os.environ, "BUS_HOME": str(installation.home)},
            cwd=ROOT,
        ) as served,
    ):
        try:
            workers = _started(served.pid)
            yield Bench(installation=installation, world=world, workers=workers)
        finally:
            served.terminate()
            served.wait(30)


def _started(pid: int) -> list[psutil.Process]:
    """Wait for one worker of each role, and give them."""
    supervisor = psutil.Process(pid)
    while True:
        found = [child for child in supervisor.children() if "bus.agents.worker" in child.cmdline()]
        if len(found) >= 3:
            return found
