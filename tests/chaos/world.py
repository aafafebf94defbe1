"""All of one run: engines behind proxies, workers, producers, consumers, the region in force."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bus.access.enrol import enrol_all
from bus.catalogue.documents import read_documents
from bus.catalogue.parties import BUS
from bus.errors import Unavailable
from bus.kafka.administration import connect_admin
from bus.provision.agreement_decision import approve_all
from bus.provision.catalogue_apply import apply_catalogue
from bus.supervise.role import Role
from bus.supervise.supervisor import Slot, Supervisor
from bus.wiring import Installation
from tests.chaos.actors import Actor
from tests.chaos.consumers import CONSUMERS, Consumer
from tests.chaos.controls import Broken, environment_of
from tests.chaos.engines import NODES, Engines, PeerPorts
from tests.chaos.leaders import lead_apart
from tests.chaos.region import add_schema_version, make_region, reword
from tests.chaos.traffic import PARTIES, PUBLISHING
from tests.proxy import KafkaLinks, Link, TcpLink
from tests.settings_environment import as_environment

WORKERS_PER_ROLE: Final = 2
_APPLIED_WITHIN_S: Final = 180.0
_FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class ChaosSlot(Slot):
    """A worker's place, where the process is the product's or a control run's."""

    @property
    def module(self) -> str:
        return "tests.chaos.controls"


def can_jump_clocks() -> bool:
    """Whether the library that tells processes another time is on this machine."""
    return _FAKETIME.exists()


@dataclass(frozen=True, kw_only=True)
class World:
    """What faults befall."""

    folder: Path
    engines: Engines
    broken: Broken | None
    is_whole: bool
    """Of a control run there is the stage and the plan alone; nothing is taken away."""
    supervisor: Supervisor
    actors: Mapping[str, Actor]
    links: Mapping[str, Link]
    direct: Installation
    """Reached past every proxy."""
    worker_environment: Mapping[str, str]

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(self.supervisor.processes)

    @property
    def worker_module(self) -> str:
        return "bus.agents.worker" if self.broken is None else "tests.chaos.controls"

    @property
    def log_folder(self) -> Path:
        """Of the words of workers, producers and consumers."""
        return self.folder / "home" / "log"

    @property
    def histories(self) -> list[Path]:
        return [self.folder / f"{party.system}.history" for party in PARTIES]

    @property
    def probed(self) -> Path:
        """What the probe got, and what was refused to it."""
        return self.folder / "probe.got"

    @property
    def taken(self) -> dict[Consumer, Path]:
        return {one: self.folder / f"{one}.taken" for one in CONSUMERS}

    def links_of(self, target: str) -> list[Link]:
        """Find the link of a name (`workers-2`, `fund`), or those to all brokers (`workers`)."""
        names = [target] if target in self.links else [f"{target}-{node}" for node in NODES]
        return [self.links[name] for name in names]

    def signal_worker(self, slot: Slot, sign: signal.Signals) -> bool:
        """Signal the worker in a slot; tell whether one lived there."""
        process = self._worker(slot)
        if process is None or process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, sign)
        return True

    @contextmanager
    def frozen_worker(self, slot: Slot) -> Iterator[asyncio.subprocess.Process]:
        """Stop the process that is in a slot now, and let that same one go on."""
        process = self._worker(slot)
        assert process is not None, f"{slot} was never started"
        self.signal_worker(slot, signal.SIGSTOP)
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)

    def _worker(self, slot: Slot) -> asyncio.subprocess.Process | None:
        # By name: a control run's slot is of another class than the one asked for.
        running = self.supervisor.processes.items()
        return next((one for place, one in running if str(place) == str(slot)), None)

    def set_clock(self, shift: str) -> None:
        """Let all workers see the time shifted: `+0`, `+1h`, `-1d`; seen within a second."""
        _write_at_once(self.folder / "clock", shift)

    async def apply_catalogue(self) -> None:
        """Bring the region's documents into force; tried until the engines take them."""
        async with asyncio.timeout(_APPLIED_WITHIN_S):
            while True:
                try:
                    await apply_catalogue(
                        read_documents(self.direct.settings.region, self.direct.keys_dir),
                        cluster=self.direct.cluster_as_admin(),
                        fund_dsn=self.direct.fund_dsn(),
                        now=datetime.now(UTC),
                    )
                except Unavailable:
                    await asyncio.sleep(0.5)
                else:
                    return

    async def swap_catalogue(self) -> None:
        """Bring a catalogue into force that differs in nothing but its words."""
        reword(self.direct.settings.region)
        await self.apply_catalogue()

    async def add_schema_version(self) -> None:
        """Bring a catalogue into force in which service centres have one more version."""
        await asyncio.to_thread(add_schema_version, self.direct.settings.region)
        await self.apply_catalogue()


def _write_at_once(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


@asynccontextmanager
async def whole_world(
    folder: Path, *, seed: int, broken: Broken | None = None, is_whole: bool = False
) -> AsyncIterator[World]:
    """Start all of it: a region in force, workers, producers and consumers at work.

    Args:
        folder: Empty; everything lies in it.
        seed: Of what the links leave to chance.
        broken: What is taken away, in a control run.
        is_whole: Nothing is taken away: a control's stage alone.
    """
    engines = Engines(home=folder / "home")
    async with AsyncExitStack() as stack:
        stack.callback(engines.stop)
        await asyncio.to_thread(engines.prepare)
        kafka, others, peers = await _linked(stack, engines, seed)
        await asyncio.to_thread(engines.start, peers)
        direct = Installation(engines.settings(make_region(folder)))
        await asyncio.to_thread(_enrol, direct)
        region, fund_port = direct.settings.region, others["fund"].port
        environments = {
            name: as_environment(
                engines.settings(region, bootstrap=links.bootstrap, fund_port=fund_port)
            )
            | environment_of(broken, is_whole=is_whole)
            for name, links in kafka.items()
        }
        environments["workers"] |= _clock(folder)
        supervisor = Supervisor(
            [
                ChaosSlot(role=role, number=number) if broken else Slot(role=role, number=number)
                for role in Role
                for number in range(WORKERS_PER_ROLE)
            ],
            environment=environments["workers"],
            log_folder=folder / "home" / "log",
        )
        world = World(
            folder=folder,
            engines=engines,
            broken=broken,
            is_whole=is_whole,
            supervisor=supervisor,
            actors=_actors(folder, environments),
            links={
                **{
                    f"{name}-{node}": links[node] for name, links in kafka.items() for node in NODES
                },
                **others,
            },
            direct=direct,
            worker_environment=environments["workers"],
        )
        if broken is Broken.PAST_A_GAP:
            await asyncio.to_thread(lead_apart, direct)
        await world.apply_catalogue()
        running = asyncio.create_task(supervisor.run())
        stack.push_async_callback(_cancelled, running)
        for actor in world.actors.values():
            actor.start()
            stack.callback(actor.give_up)
        yield world


async def _linked(
    stack: AsyncExitStack, engines: Engines, seed: int
) -> tuple[dict[str, KafkaLinks], dict[str, Link], dict[int, PeerPorts]]:
    """Open every proxy; the brokers themselves may be reached only once they run."""
    ports = {number: node.client_port for number, node in engines.nodes.items()}
    pem, ca = engines.layout.broker_pem_file, engines.layout.ca_file
    kafka = {
        name: await stack.enter_async_context(
            KafkaLinks(ports, pem, ca, seed=seed * 10 + place).running()
        )
        for place, name in enumerate(("workers", "publishers", "consumers"))
    }
    others: dict[str, Link] = {}
    peers = {}
    for number, node in engines.nodes.items():
        broker = await stack.enter_async_context(TcpLink(node.choices.kafka_broker_port).running())
        others[f"peers-{number}"] = broker
        peers[number] = PeerPorts(broker=broker.port, controller=node.choices.kafka_controller_port)
    fund = TcpLink(engines.choices.postgres_port)
    others["fund"] = await stack.enter_async_context(fund.running())
    return kafka, others, peers


def _enrol(installation: Installation) -> None:
    systems = [BUS, *(party.system for party in PARTIES), *{one.system for one in CONSUMERS}]
    admin = connect_admin(installation.cluster_as_admin())
    enrol_all(installation.home, admin, systems, datetime.now(UTC))
    approve_all(installation.settings.region, installation.home, datetime.now(UTC))


def _clock(folder: Path) -> dict[str, str]:
    if not can_jump_clocks():
        return {}
    _write_at_once(folder / "clock", "+0")
    return {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _actors(folder: Path, environments: Mapping[str, Mapping[str, str]]) -> dict[str, Actor]:
    log = folder / "home" / "log"
    arguments: dict[str, tuple[str, ...]] = {}
    for place, party in enumerate(PUBLISHING):
        history = str(folder / f"{party.system}.history")
        arguments[f"publisher-{place}"] = ("-m", "tests.chaos.publisher", party.system, history)
    raw = next(party for party in PARTIES if party not in PUBLISHING)
    history = str(folder / f"{raw.system}.history")
    arguments["raw-client"] = ("-m", "tests.chaos.raw_client", history)
    for place, one in enumerate(CONSUMERS):
        taken = str(folder / f"{one}.taken")
        arguments[f"consumer-{place}"] = (
            "-m",
            "tests.chaos.consumer",
            one.system,
            one.dataset,
            taken,
        )
    arguments["probe"] = ("-m", "tests.chaos.probe", str(folder / "probe.got"))
    return {
        name: Actor(
            name,
            words,
            environment=environments[
                "consumers" if name.startswith(("consumer", "probe")) else "publishers"
            ],
            log=log / f"{name}.log",
        )
        for name, words in arguments.items()
    }


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
