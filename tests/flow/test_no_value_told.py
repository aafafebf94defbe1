"""Operators are told codes of the catalogue, on every page and in every log, and never a value.

The sample region's path is walked with records, headers, keys, requests and addresses in which a
word stands that nothing else holds; then it must be on no page and in no log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bus import __version__
from bus.catalogue.region import Region
from bus.gateway.counting import NOT_SERVED, REGISTRY
from bus.gateway.counting import Outcome as Answered
from bus.gateway.described import ENDPOINTS
from bus.merge import Outcome
from bus.model.record import Lane
from bus.model.verdict import Reason, Severity
from bus.observe.report import announced_targets, ask
from bus.observe.series import Change, Duty, Leg, Work
from bus.observe.terms import Score
from bus.provision.topic_plan import topics_of
from bus.requests.state import RequestState
from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.texts import all_texts
from bus.wire import topics
from bus.wiring import Installation
from tests.factories import AGENCY, DATASET, SYSTEM, VALID
from tests.flow import path
from tests.gateway.asking import HEALTH
from tests.gateway.asking import ask as ask_gateway
from tests.observe.budget import series_max
from tests.observe.scraping import OPENMETRICS, scrape

CANARY: Final = "canary7215"
COUNT: Final = 70
FEED = f"/feeds/{DATASET}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a page."""

    page: str
    name: str
    labels: Mapping[str, str]
    value: float


def allowed(region: Region) -> dict[str, set[str]]:
    """Give the closed list of values of each label."""
    rules = {
        rule.id
        for contract in region.contracts.values()
        for version in contract.schema_versions
        for rule in version.rules
    }
    codes = {key.removeprefix("gateway.") for key in all_texts() if key.startswith("gateway.")}
    names = {endpoint.name for endpoint in ENDPOINTS}
    return {
        "agency": set(region.agencies),
        "consumer": set(region.agencies),
        "dataset": set(region.contracts),
        "rule": rules,
        "severity": set(Severity),
        "reason": set(Reason),
        "lane": set(Lane),
        "stage": set(Work),
        "outcome": {*Outcome, *RequestState, *Answered},
        "duty": set(Duty),
        "change": set(Change),
        "leg": set(Leg),
        "score": set(Score),
        "topic": set(topics_of(region, replication_factor=1)),
        "partition": {str(number) for number in range(region.partitions)},
        "endpoint": {*names, REGISTRY, NOT_SERVED},
        "code": codes,
        "version": {__version__},
    }


@asynccontextmanager
async def everybody(installation: Installation) -> AsyncIterator[None]:
    """Run a worker of each role, gateway, keeper and probe, until the block ends."""
    path.forget_the_dead(installation.home)
    names = (*Role, *Door)
    supervisor = Supervisor(
        [Slot(role=name, number=0) for name in names],
        environment={"BUS_HOME": str(installation.home)},
        log_folder=installation.home / "log",
    )
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(120):
            while True:
                targets = announced_targets(installation.home)
                answers = [await asyncio.to_thread(ask, target) for target in targets]
                if sum(answer is not None for answer in answers) == len(names):
                    break
                await asyncio.sleep(0.2)
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def samples(installation: Installation) -> tuple[list[Sample], str]:
    """Scrape every page; give the samples, and all of the text."""
    found, whole = [], ""
    for target in announced_targets(installation.home):
        _, body = await asyncio.to_thread(scrape, target, "/metrics", OPENMETRICS)
        whole += body.decode()
        found += [
            Sample(target.name, sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call]
            for sample in family.samples
        ]
    return found, whole


def rows() -> list[dict[str, object]]:
    """Rows with the word wherever a word fits; some break a rule with it."""
    return [
        {
            **VALID,
            "registry_number": f"{CANARY}-{number}",
            "full_name": f"School of {CANARY}",
            "director": f"Ivanov {CANARY}",
            "address": CANARY,
            **({"inn": CANARY, "phone": CANARY} if number % path.BROKEN_EACH == 0 else {}),
        }
        for number in range(COUNT)
    ]


async def send_rubbish(installation: Installation) -> int:
    """Put records into the inbound topic that no publisher would make; give their number."""
    cluster = installation.cluster_with(installation.credentials(SYSTEM))
    word = CANARY.encode()
    rubbish: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
        (word, word, []),
        (word, None, [("ce_id", word)]),
        (None, word * 9, [(CANARY, word)]),
        (word, word, [("ce_source", b"urn:bus:" + word), ("ce_type", word), ("ce_type", word)]),
        (word * 60, word, [("bus_sig", word)]),
        (word, word * 30_000, [("ce_time", word)]),
        (b"\xff" + word, b"\0\0\0\0\1" + word, [("bus_in", word)]),
    ]
    producer = AIOKafkaProducer(acks="all", **cluster.aiokafka_options())
    await producer.start()
    try:
        for key, value, headers in rubbish:
            await producer.send_and_wait(
                topics.inbound(AGENCY, DATASET), key=key, value=value, headers=headers, partition=0
            )
    finally:
        await producer.stop()
    return len(rubbish)


async def ask_for_it(installation: Installation) -> None:
    """Let an agency ask, rightly and wrongly."""
    asked = {"request_id": str(uuid4()), "dataset": DATASET, "key": f"{CANARY}-1"}
    for body in (asked, {**asked, CANARY: CANARY}, {**asked, "search": {CANARY: CANARY}}):
        await ask_gateway(installation, "POST", "/requests", by=HEALTH, body=body)
    for address in (FEED, f"/feeds/{CANARY}", f"{FEED}?after={CANARY}", f"/{CANARY}?q={CANARY}"):
        headers = {"Accept-Language": CANARY, CANARY: CANARY}
        await ask_gateway(installation, "GET", address, by=HEALTH, headers=headers)


async def test_pages_hold_codes_of_closed_lists_alone_and_logs_no_value(
    installation: Installation,
) -> None:
    async with everybody(installation):
        broken = path.broken(COUNT) + await send_rubbish(installation)
        await path.publish(installation, rows())
        await path.settled(installation)
        await ask_for_it(installation)
        async with asyncio.timeout(60):
            while True:
                found, text = await samples(installation)
                open_now = [one for one in found if one.name == "bus_quarantine_open_records"]
                if sum(one.value for one in open_now) >= broken:
                    break
                await asyncio.sleep(0.5)
        region = (await path.snapshot_of(installation)).region
    assert {one.page for one in found} == {f"{name}-0" for name in (*Role, *Door)}
    lists = allowed(region)
    for one in found:
        for label, value in one.labels.items():
            if label == "le":
                assert value == "+Inf" or float(value) > 0
            else:
                assert value in lists[label], one
    assert len(found) <= series_max(region, causes=len(open_now))
    assert CANARY not in text.lower()
    logs = sorted((installation.home / "log").glob("*-0.log"))
    assert {f"{name}-0.log" for name in (*Role, *Door)} <= {log.name for log in logs}
    for log in logs:
        told = log.read_text(encoding="utf-8", errors="replace").lower()
        assert CANARY not in told, [line for line in told.splitlines() if CANARY in line]
