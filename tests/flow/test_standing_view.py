"""A filter over what may change, on the whole path: rows enter and leave, and a copy follows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest

from bus.agents import housekeeping
from bus.agents.housekeeping import one_round
from bus.audit.checkpoint import CheckpointSigner
from bus.audit.signing import Seals
from bus.catalogue.documents import read_documents
from bus.catalogue.lock import render
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.signing import approvals
from bus.catalogue.sources import LOCK_FILE
from bus.client import DeliveredRecord, Presence, RegistryCopy, Subscriber, verify_copy
from bus.errors import DocumentError
from bus.gateway.process import serving
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.model.identifiers import SystemCode
from bus.observe.board import Board
from bus.observe.series import Duty
from bus.provision import agreement_decision
from bus.provision.catalogue_apply import apply_catalogue
from bus.wiring import Installation
from tests.factories import DATASET, VALID
from tests.flow import path
from tests.flow.conftest import REGION, put_in_force

STANDS, LEFT = Presence
SYSTEM: Final = SystemCode("territory-registry")
AGREEMENT: Final = """\
agreement: economy-large-institutions
consumer: economy-samara
systems: [territory-registry]
dataset: educational-institutions
fields: [registry_number, places]
rows:
  - {field: places, op: at_least, values: ["100"]}
purpose: {ru: Размещение, en: Siting}
legal_basis: Закон о размещении
valid_from: 2026-01-01
valid_to: 2027-12-31
"""
SENT_WITHIN_S: Final = 20


def now() -> datetime:
    return datetime.now(UTC)


def school(key: str, places: int) -> dict[str, object]:
    return {**VALID, "registry_number": f"standing-{key}", "places": places}


async def bring_into_force(installation: Installation) -> None:
    documents = dict(read_documents(REGION, installation.keys_dir))
    documents["agreements/economy-large-institutions.yaml"] = AGREEMENT.encode()
    region = parse_region(documents)
    signers = agreement_decision._signers(region, installation.home, now())
    documents |= approvals(region, signers, now().date())
    documents[LOCK_FILE] = render(complete_lock(parse_region(documents)))
    await apply_catalogue(
        documents,
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=now(),
    )


async def catch_up(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do housekeeping's duty at once; the worker's own comes ten seconds later, and has nothing."""
    monkeypatch.setattr(housekeeping, "NOTICED_WITHIN", timedelta(0))
    cluster, board = installation.cluster_as(BUS), Board()
    catalogue = CatalogueFollower(cluster)
    await catalogue.start()
    try:
        credentials = installation.credentials(BUS)
        house = housekeeping._House(
            home=installation.home,
            dsn=installation.fund_dsn(),
            catalogue=catalogue,
            cluster=cluster,
            board=board,
            seals=Seals(
                signer=CheckpointSigner(credentials.key_id, credentials.private_key),
                audit_key=installation.audit_key(),
            ),
        )
        await one_round({Duty.CATCH_UP: house.catch_up}, board)
    finally:
        await catalogue.stop()
    assert not board.registry.get_sample_value(
        "bus_housekeeping_failures_total", {"duty": Duty.CATCH_UP}
    )


async def all_sent(installation: Installation) -> None:
    await path.settled(installation)
    async with asyncio.timeout(SENT_WITHIN_S):
        while True:
            with psycopg.connect(installation.fund_dsn()) as session:
                if session.execute("SELECT FROM bus.standing_outbox LIMIT 1").rowcount == 0:
                    return
            await asyncio.sleep(0.1)


async def received(installation: Installation, memory: Path | None = None) -> list[DeliveredRecord]:
    """Read all, from the topic alone or through a first load; keep what this test has sent.

    Returns: By partition and offset: partitions come in no order.
    """
    async with Subscriber.open(
        installation.cluster_as(SYSTEM),
        system=SYSTEM,
        dataset=DATASET,
        clock=now,
        from_beginning=memory is None,
        follow=False,
        gateway=None if memory is None else installation.gateway_as(SYSTEM),
        memory=memory,
    ) as subscriber:
        records = [record async for record in subscriber if record.key.startswith("standing-")]
    return sorted(records, key=lambda one: (one.position.partition, one.position.offset))


def told(records: list[DeliveredRecord], key: str) -> list[tuple[object, int, object]]:
    return [
        (one.operation, one.version, one.fields.get("places"))
        for one in records
        if one.key == f"standing-{key}"
    ]


async def test_a_copy_has_the_rows_that_stand_inside_and_learns_that_one_left(
    own: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = own
    await put_in_force(installation)
    async with path.supervised(installation):
        await path.publish(installation, [school("a", 600), school("b", 50)])
        await path.settled(installation)
        await bring_into_force(installation)
        await catch_up(installation, monkeypatch)
        await path.publish(
            installation,
            [school("a", 60), school("b", 500), school("c", 300), school("d", 20)],
        )
        await all_sent(installation)
        await path.publish(installation, [school("c", 301)])
        await all_sent(installation)
    records = await received(installation)
    assert told(records, "a") == [(STANDS, 1, 600), (LEFT, 2, None)]
    assert told(records, "b") == [(STANDS, 1, 500)]
    assert told(records, "c") == [(STANDS, 1, 300), (STANDS, 2, 301)]
    assert told(records, "d") == []
    assert {tuple(one.fields) for one in records} == {("registry_number", "places"), ()}
    copy = RegistryCopy(DATASET)
    for record in records:
        copy.apply(record)
    assert {one.key: one.fields["places"] for one in copy.current()} == {
        "standing-b": 500,
        "standing-c": 301,
    }
    async with serving(installation):
        loaded = await received(installation, tmp_path / "load.json")
        with pytest.raises(DocumentError, match="is a standing view"):
            await verify_copy(
                copy, installation.cluster_as(SYSTEM), installation.gateway_as(SYSTEM), clock=now
            )
    assert loaded == records
