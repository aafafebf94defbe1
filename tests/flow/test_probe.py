"""The probe on a real bus: both ways measured, each lost alone, and nothing ends of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from bus.catalogue.documents import read_documents
from bus.client import BatchSigner, Publisher
from bus.gateway.process import serving
from bus.local import Engines, read_engines
from bus.local.layout import Layout
from bus.model.identifiers import DatasetCode, SystemCode
from bus.observe import series
from bus.observe.board import Board
from bus.observe.report import WorkerReport, announced_targets, ask
from bus.observe.series import Leg
from bus.probe.process import probed, prober_of
from bus.probe.rounds import KEY_FIELD, Cadence, Prober
from bus.probe.sending import Sending
from bus.provision.catalogue_apply import apply_catalogue
from bus.settings import KafkaSettings
from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.wiring import Installation
from tests.flow import path
from tests.flow.conftest import REGION
from tests.observe.scraping import scrape
from tests.proxy import Cut, HalfClosed, KafkaLinks

CADENCE = Cadence.of(3.0)
PATIENCE_S = 60.0


class Counts:
    """What a board says of probes."""

    def __init__(self) -> None:
        self.board = Board()
        self.board.bear(
            (one, (leg,)) for one in (series.PROBE_ROUNDTRIP, series.PROBE_LOST) for leg in Leg
        )

    def back(self, leg: Leg) -> int:
        return self._value(f"{series.PROBE_ROUNDTRIP.name}_count", leg)

    def lost(self, leg: Leg) -> int:
        return self._value(series.PROBE_LOST.name, leg)

    def last_back(self, leg: Leg) -> int:
        return self._value(series.PROBE_BACK.name, leg)

    def _value(self, name: str, leg: Leg) -> int:
        return int(self.board.registry.get_sample_value(name, {"leg": leg}) or 0)

    async def more(self, count: Callable[[Leg], int], *legs: Leg) -> None:
        """Wait until something was counted once more on each way."""
        before = {leg: count(leg) for leg in legs}
        async with asyncio.timeout(PATIENCE_S):
            while any(count(leg) == counted for leg, counted in before.items()):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def probing(installation: Installation, counts: Counts) -> AsyncIterator[Prober]:
    """Probe for the time of a block, and see that nothing ended it."""
    region = (await path.snapshot_of(installation)).region
    named = probed(region)
    assert named is not None
    prober = prober_of(installation, named, counts.board, CADENCE)
    running = asyncio.create_task(prober.run())
    try:
        yield prober
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def lost_now(prober: Prober) -> Mapping[str, float]:
    return {one.where: one.since_s for one in prober.problems()}


async def test_a_probe_tells_which_part_of_the_way_is_broken(installation: Installation) -> None:
    counts, both = Counts(), (Leg.RECEIVED, Leg.RECORDED)
    async with serving(installation), probing(installation, counts) as prober:
        with path.worker(installation, Role.ENFORCE):
            with path.worker(installation, Role.FUND):
                await counts.more(counts.back, *both)
                assert all(counts.last_back(leg) for leg in both)
            received = counts.lost(Leg.RECEIVED)
            await counts.more(counts.lost, Leg.RECORDED)
            await counts.more(counts.back, Leg.RECEIVED)
            assert counts.lost(Leg.RECEIVED) == received
            assert set(lost_now(prober)) == {"recorded"}
            with path.worker(installation, Role.FUND):
                await counts.more(counts.back, Leg.RECORDED)
        back = [counts.back(leg) for leg in both]
        await counts.more(counts.lost, *both)
        assert [counts.back(leg) for leg in both] == back, "what comes late is not back"
        assert set(lost_now(prober)) == {"received", "recorded"}
        with (
            path.worker(installation, Role.ENFORCE),
            path.worker(installation, Role.FUND),
        ):
            await counts.more(counts.back, *both)
            assert lost_now(prober) == {}
    assert not {name for name in await groups(installation) if name.startswith("bus-probe")}


async def test_a_kafka_that_is_silent_or_cuts_off_ends_no_probe(
    installation: Installation,
) -> None:
    counts, both = Counts(), (Leg.RECEIVED, Leg.RECORDED)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(installation))
        links = await stack.enter_async_context(links_of(installation).running())
        for role in (Role.ENFORCE, Role.FUND):
            stack.enter_context(path.worker(installation, role))
        await stack.enter_async_context(probing(behind(links, installation), counts))
        await counts.more(counts.back, *both)
        for fault in (HalfClosed(), Cut()):
            links.apply(fault)
            await counts.more(counts.lost, *both)
            links.lift()
            await counts.more(counts.back, *both)


def behind(links: KafkaLinks, installation: Installation) -> Installation:
    """Give the same installation, that reaches Kafka through links."""
    engines = engines_of(installation)
    kafka = KafkaSettings(
        bootstrap=links.bootstrap,
        ca_file=engines.kafka_ca_file,
        admin_user=engines.kafka_admin_user,
        admin_password_file=engines.kafka_admin_password_file,
    )
    return Installation(installation.settings.model_copy(update={"kafka": kafka}))


def links_of(installation: Installation) -> KafkaLinks:
    engines = engines_of(installation)
    port = int(engines.kafka_bootstrap.rpartition(":")[2])
    pem = Layout.of(installation.home).broker_pem_file
    return KafkaLinks({1: port}, pem, engines.kafka_ca_file)


def engines_of(installation: Installation) -> Engines:
    engines = read_engines(installation.home)
    assert engines is not None
    return engines


async def groups(installation: Installation) -> list[str]:
    """Name every consumer group that the cluster remembers."""
    admin = AIOKafkaAdminClient(**installation.cluster_as_admin().aiokafka_options())
    await admin.start()
    try:
        return [name for name, *_ in await admin.list_consumer_groups()]
    finally:
        await admin.close()


@asynccontextmanager
async def served(installation: Installation) -> AsyncIterator[Supervisor]:
    """Run the probe's process as operators do, a round each second."""
    supervisor = Supervisor(
        [Slot(role=Door.PROBE, number=0)],
        environment={"BUS_HOME": str(installation.home), "BUS_PROBE_EVERY_S": "1"},
        log_folder=installation.home / "log",
    )
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def page(installation: Installation) -> tuple[WorkerReport | None, str]:
    """Read what the process says of itself, as far as it is there."""
    for target in announced_targets(installation.home):
        if target.name == "probe-0":
            report = await asyncio.to_thread(ask, target)
            if report is not None:
                _, body = await asyncio.to_thread(scrape, target, "/metrics")
                return report, body.decode()
    return None, ""


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await true():
            await asyncio.sleep(0.2)


async def apply(installation: Installation, documents: Mapping[str, bytes]) -> None:
    await apply_catalogue(
        documents,
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )


async def test_the_process_probes_while_the_region_names_a_probe(
    installation: Installation,
) -> None:
    documents = read_documents(REGION, installation.keys_dir)
    unnamed = documents["region.yaml"].replace(b"probe: probes", b"")
    await apply(installation, {**documents, "region.yaml": unnamed})

    async def is_idle() -> bool:
        report, told = await page(installation)
        return report is not None and "bus_probe_lost_total{" not in told

    async def loses() -> bool:  # no worker runs
        report, told = await page(installation)
        lost = {one.where for one in report.problems} if report else set()
        return lost == set(Leg) and 'bus_probe_lost_total{leg="received"} 0.0' not in told

    async with served(installation) as supervisor:
        await until(is_idle)
        assert "probe.idle" in path.log_of(installation, "probe-0")
        await apply(installation, documents)
        await until(loses)
        assert supervisor.restarts == 0
        assert "probe.lost leg=received" in path.log_of(installation, "probe-0")
        await apply(installation, {**documents, "region.yaml": unnamed})
        await until(is_idle)
        assert supervisor.restarts == 1


async def test_a_publisher_is_opened_anew_when_it_is_told_to(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.probe.sending.FRESH_S", 0.0)
    system, opened = SystemCode("bus-probe"), 0
    credentials = installation.credentials(system)

    @asynccontextmanager
    async def publisher() -> AsyncIterator[Publisher]:
        nonlocal opened
        opened += 1
        async with Publisher.open(
            installation.cluster_with(credentials),
            home=installation.home,
            system=system,
            dataset=DatasetCode("probes"),
            signer=BatchSigner(credentials.key_id, credentials.private_key),
            clock=lambda: datetime.now(UTC),
        ) as one:
            yield one

    sending = Sending(publisher, KEY_FIELD)
    running = asyncio.create_task(sending.run())
    row = {
        KEY_FIELD: "renewed-2026-01-01-0",
        "round": 1,
        "sent_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = await sending.send(row)
            sending.renew()
            assert await sending.send(row) == first, "the log has it already"
            assert opened == 2
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sending.send({**row, "round": 0}), 3)
            assert "wrong: round" in str(sending.problem)
            assert await sending.send({**row, "round": 2}) != first
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
