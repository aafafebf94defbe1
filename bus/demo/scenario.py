"""The demonstration itself: eleven registers, their consumers, seven acts, one account."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psutil

from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region, parse_region
from bus.catalogue.views import view_of
from bus.demo.account import Account, draw_up
from bus.demo.breaking import INSTITUTIONS, ORGANISATIONS
from bus.demo.decisions import release_mended, try_unready_contract, version_as_of
from bus.demo.delays import watch_fund
from bus.demo.expectation import Expectation, expect
from bus.demo.flow import Flow, Receipts
from bus.demo.lifetime import live_through
from bus.demo.meter import Meter
from bus.demo.outcome import Outcome, read_outcome
from bus.demo.parties import Clock, Providers, be_careless, receive
from bus.demo.programme import EDUCATION, Programme
from bus.demo.questions import ask_for_data, count_letters
from bus.errors import DocumentError, Unavailable
from bus.fund.layout import Layouts, layouts_of
from bus.kafka.administration import connect_admin
from bus.local import Engines
from bus.model.identifiers import AgencyCode, SystemCode
from bus.observe.doors import wanted_here
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.noted import enrol_noted
from bus.quarantine.entry import QuarantineState
from bus.supervise.role import Door, Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.texts import message
from bus.verify.check import verify
from bus.wiring import Installation

LOG_FOLDER: Final = "log"
_DELIVERY_S: Final = 20.0
"""How long consumers may take for what is accepted already."""
_CLOSED_S: Final = 40.0
"""Four rounds of the fund worker's housekeeping."""
_CLOSED_LOOK_S: Final = 0.5
_LOOK_AGAIN_S: Final = 0.05
_CANCEL_AGAIN_S: Final = 15.0
"""Longer than a supervisor takes to stop its workers."""
_LOOK_AT_ENGINES_S: Final = 0.5
DOORS: Final = (Door.GATEWAY, Door.KEEPER)
"""Without the probe: the account knows every record that was sent."""
LATE: Final = frozenset(
    {
        (SystemCode("region-portal"), ORGANISATIONS),
        (SystemCode("health-analytics"), INSTITUTIONS),
    }
)
"""Who begins in the middle: one reads a whole dataset, one a part of it."""
T = TypeVar("T")

Tell = Callable[[str], None]
"""Told the key of a text about what begins now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is in force when the first act begins."""

    installation: Installation
    region: Region
    layouts: Layouts
    programme: Programme
    expected: Expectation
    flow: Flow
    clock: Clock


async def set_stage(
    installation: Installation, programme: Programme, clock: Clock, tell: Tell
) -> Stage:
    """Enrol every system and bring the region's catalogue into force.

    Raises:
        DocumentError: The region's documents are wrong, or it is not the sample region.
        Unavailable: An engine does not answer.
    """
    region_file = installation.settings.region
    region = parse_region(read_documents(region_file, None))
    _refuse_other_region(region, programme)
    tell("demo.enrolling")
    systems = [system.code for agency in region.agencies.values() for system in agency.systems]
    cluster = installation.cluster_as_admin()
    admin = connect_admin(cluster)
    await asyncio.to_thread(
        enrol_noted, installation.home, admin, [BUS, *systems], clock(), installation.fund_dsn()
    )
    # Why here: who plays every agency has every agency's keys, and git has none of them.
    approve_all(region_file, installation.home, clock())
    documents = read_documents(region_file, installation.keys_dir)
    tell("demo.applying")
    await apply_catalogue(documents, cluster=cluster, fund_dsn=installation.fund_dsn(), now=clock())
    region = parse_region(documents)
    expected = expect(programme, region, clock().date())
    return Stage(
        installation=installation,
        region=region,
        layouts=layouts_of(region.contracts.values(), region.lock),
        programme=programme,
        expected=expected,
        flow=Flow(receipts=_receipts(region, expected)),
        clock=clock,
    )


def _refuse_other_region(region: Region, programme: Programme) -> None:
    provided = {
        (system.code, dataset)
        for agency in region.agencies.values()
        for system in agency.systems
        for dataset in system.provides
    }
    for publication in programme.first:
        if (publication.system, publication.dataset) not in provided:
            raise DocumentError(
                message(
                    "error.demo.other_region",
                    region=region.code,
                    system=publication.system,
                    dataset=publication.dataset,
                )
            )


def _receipts(region: Region, expected: Expectation) -> tuple[Receipts, ...]:
    whole = {
        (system, one.dataset)
        for one in region.agreements
        if view_of(one, region.contracts[one.dataset]) is None
        for system in one.systems
    }
    return tuple(
        Receipts(
            system=system,
            dataset=dataset,
            is_masked=(system, dataset) not in whole,
            is_late=(system, dataset) in LATE,
        )
        for system, dataset in expected.delivered
    )


class Helpers:
    """Tasks that go on beside the acts: workers' supervisor, consumers, a look at the engines."""

    def __init__(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Take running tasks."""
        self._tasks = tasks

    async def unless_one_fails(self, work: Awaitable[T]) -> T:
        """Await something, unless a helper fails before: then raise its fault instead."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
            return await working
        finally:
            await _ended([working])


@asynccontextmanager
async def at_work(stage: Stage, engines: Engines) -> AsyncIterator[Helpers]:
    """Keep workers and consumers running for the time of a block."""
    home = stage.installation.home
    supervisor = Supervisor(
        [Slot(role=role, number=0) for role in (*Role, *DOORS)],
        environment={"BUS_HOME": str(home)},
        log_folder=home / LOG_FOLDER,
    )
    measured = frozenset(
        str(row.values["registry_number"])
        for publication in stage.programme.paced
        for row in publication.rows
    )
    tasks = [
        asyncio.create_task(supervisor.run(), name="workers"),
        asyncio.create_task(watch_engines(engines), name="engines"),
    ]
    tasks += [
        asyncio.create_task(
            receive(stage.installation, receipts, measured, stage.flow, stage.clock),
            name=f"{receipts.system} {receipts.dataset}",
        )
        for receipts in stage.flow.receipts
    ]
    try:
        with wanted_here(home, DOORS):
            yield Helpers(tasks)
    finally:
        await _ended(tasks)


async def watch_engines(engines: Engines) -> None:
    """Fail as soon as an engine's process is gone: clients would go on trying for a minute.

    Raises:
        Unavailable: It is gone.
    """
    watched = (
        ("Kafka", engines.kafka_pid, engines.kafka_log),
        ("PostgreSQL", engines.postgres_pid, engines.postgres_log_folder),
    )
    while True:
        for name, pid, log in watched:
            if not _is_alive(pid):
                raise Unavailable(message("error.demo.engine_ended", engine=name, pid=pid, log=log))
        await asyncio.sleep(_LOOK_AT_ENGINES_S)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _ended(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait for them; again where a library has swallowed the cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def play(stage: Stage, meter: Meter, tell: Tell) -> None:
    """Run the acts; each is drained before the next begins.

    Raises:
        Unavailable: An engine does not answer, or an act does not drain.
    """
    programme, flow = stage.programme, stage.flow
    first, again, paced = programme.first, programme.again, programme.paced
    tell("demo.connecting")
    async with Providers.open(stage.installation, first, flow, stage.clock) as providers:
        tell("demo.act_first")
        await asyncio.gather(
            providers.publish(first),
            be_careless(stage.installation, stage.region, programme, flow, stage.clock),
        )
        flow.reading = await meter.settled()
        await providers.learn_verdicts()
        tell("demo.act_again")
        first_act_ended = stage.clock()
        await providers.publish(again)
        flow.reading = await meter.settled()
        flow.late_may_begin.set()
        tell("demo.act_endings")
        await providers.publish(programme.endings)
        await providers.publish_together(programme.renumbered)
        flow.reading = await meter.settled()
        tell("demo.act_decisions")
        flow.contracts_refused = await try_unready_contract(stage.installation, stage.clock())
        in_force = await release_mended(stage.installation, stage.clock())
        flow.reading = await meter.settled()
        tell("demo.act_paced")
        watchers = [asyncio.create_task(work) for work in _fund_watchers(stage)]
        try:
            await providers.publish_paced(paced)
            flow.reading = await meter.settled()
            done, _ = await asyncio.wait(watchers, timeout=_DELIVERY_S)
            for watcher in done:
                watcher.result()
        finally:
            await _ended(watchers)
        tell("demo.act_agreement")
        flow.lifetime = await live_through(
            stage.installation, providers, programme.loads, in_force, stage.clock
        )
    tell("demo.draining")
    await _delivered(stage)
    flow.reading = await meter.settled()
    tell("demo.act_requests")
    flow.requests = await ask_for_data(
        stage.installation, programme, _educators(stage), flow.answer_ms, stage.clock
    )
    flow.letters_replaced = await count_letters(stage.installation, stage.region)
    flow.version_then = await _version_as_of(stage, first_act_ended)
    flow.version_now = await _version_as_of(stage, stage.clock())


async def _version_as_of(stage: Stage, moment: datetime) -> int | None:
    return await version_as_of(
        stage.installation, stage.layouts, _educators(stage), stage.programme.example_key, moment
    )


def _educators(stage: Stage) -> AgencyCode:
    agency = stage.region.agency_of(EDUCATION)
    assert agency is not None, "the programme's systems are the region's"
    return agency.code


def _fund_watchers(stage: Stage) -> list[Coroutine[Any, Any, None]]:
    dsn = stage.installation.fund_dsn()
    watchers = []
    for publication in stage.programme.paced:
        agency = stage.region.agency_of(publication.system)
        assert agency is not None, "the programme's systems are the region's"
        watchers.append(
            watch_fund(dsn, publication, agency.code, stage.flow.to_fund_ms, stage.clock)
        )
    return watchers


async def _delivered(stage: Stage) -> None:
    """Wait until consumers have what they must get; what does not come is counted as lost."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _DELIVERY_S
    wanted = stage.expected.delivered
    while clock() < deadline:
        if all(len(one.counts) >= wanted[one.system, one.dataset] for one in stage.flow.receipts):
            return
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _outcome(stage: Stage) -> Outcome:
    """Read what it came to, once the bus has closed the entries that were answered.

    That is done by the clock, at most a round after the answers; what stays open is counted so.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + _CLOSED_S
    while True:
        outcome = await read_outcome(stage.installation.fund_dsn(), stage.region)
        resolved = outcome.states.get(QuarantineState.RESOLVED, 0)
        if resolved >= stage.expected.resolved or clock() > deadline:
            return outcome
        await asyncio.sleep(_CLOSED_LOOK_S)


async def take_account(stage: Stage, engines: Engines, tell: Tell) -> Account:
    """Check the conservation law and draw up the figures."""
    tell("demo.verifying")
    found = await verify(
        stage.installation.cluster_as(BUS),
        stage.installation.fund_dsn(),
        stage.layouts,
        progress=logging.getLogger(__name__).info,
    )
    return draw_up(
        stage.flow,
        found,
        await _outcome(stage),
        stage.expected,
        kafka=engines.kafka_version,
        postgresql=engines.postgres_version,
    )
