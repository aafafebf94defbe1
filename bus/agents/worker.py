"""One worker process: a role's agent on Faust, from start to a clean stop.

`bus.agents.supervisor` starts it as `python -m bus.agents.worker ROLE SLOT`. It ends when it is
told to (SIGTERM, SIGINT), when its supervisor is gone (end of standard input) or at a fault.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import assert_never

from faust.types import TP

from bus.agents import enforce, fund, quarantine
from bus.agents.exit_codes import EXIT_UNAVAILABLE
from bus.agents.fault import stop_process
from bus.agents.housekeeping import keep_house
from bus.agents.log import configure_logging
from bus.agents.role import Role
from bus.agents.transport import BatchApp, PositionSource, Reading
from bus.catalogue.parties import BUS
from bus.errors import DocumentError, Unavailable
from bus.fund.layout import Layouts, layouts_of
from bus.fund.store import FundStore
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.producer import BatchProducer
from bus.quarantine.store import QuarantineStore
from bus.settings import Settings
from bus.wire.signature import BatchSigner, SignatureChecker
from bus.wiring import Installation

logger = logging.getLogger(__name__)

FETCHING_LOOK_S = 2.0
STOP_TIMEOUT_S = 9.0
"""Less than a supervisor's patience."""


async def run_worker(role: Role, slot: int, installation: Installation) -> None:
    """Work until told to stop.

    Args:
        role: What to do.
        slot: Number of this worker within its role on this host, from 0.
        installation: Where the engines are.

    Raises:
        Unavailable: An engine does not answer.
        DocumentError: The bus is not enrolled, or another worker holds the slot.
    """
    stopping = asyncio.Event()
    _listen_for_the_end(stopping)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_slot(installation.home, role, slot))
        app = await stack.enter_async_context(_composed(role, slot, installation))
        await app.start()
        logger.info("worker.started role=%s slot=%d pid=%d", role, slot, os.getpid())
        stop, crash = (
            asyncio.ensure_future(stopping.wait()),
            asyncio.ensure_future(app._crashed.wait()),  # noqa: SLF001 - mode has no public way
        )
        watch = asyncio.create_task(_watch_fetching(app), name="watch")
        await asyncio.wait({stop, crash}, return_when=asyncio.FIRST_COMPLETED)
        if crash.done():
            stop_process("faust", app.crash_reason or RuntimeError("Faust crashed"))
        _end_within(STOP_TIMEOUT_S)
        crash.cancel()
        watch.cancel()
        await app.stop()
        logger.info("worker.ended role=%s slot=%d", role, slot)


def _end_within(timeout_s: float) -> None:
    """See that the process ends: without a broker libraries may wait for one for ever.

    Nothing is lost by it. What is durable and not committed is read again by the next worker.
    """
    timer = threading.Timer(timeout_s, os._exit, [EXIT_UNAVAILABLE])
    timer.daemon = True
    timer.start()


async def _watch_fetching(app: BatchApp) -> None:
    """End the process when nothing can come any more: a stalled worker looks like an idle one."""
    while app.batch_consumer.is_fetching:  # noqa: ASYNC110 - the task is in another thread
        await asyncio.sleep(FETCHING_LOOK_S)
    stop_process("fetching", Unavailable("aiokafka's fetching has ended; its log line says why"))


@contextmanager
def hold_slot(home: Path, role: Role, slot: int) -> Iterator[None]:
    """Keep other workers of this host out of a slot: two members of one id fence each other.

    Raises:
        DocumentError: The slot is taken.
    """
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{role}-{slot}.lock"
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            file.seek(0)
            raise DocumentError(
                f"worker {role} {slot} runs already, as process {file.read().strip() or '?'}; "
                "stop it first, or start more with `bus serve --workers N`"
            ) from problem
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@asynccontextmanager
async def _composed(role: Role, slot: int, installation: Installation) -> AsyncIterator[BatchApp]:
    """Connect what the role needs and attach its agent."""
    cluster = installation.cluster_as(BUS)
    async with AsyncExitStack() as stack:
        catalogue = CatalogueFollower(cluster, partial(stop_process, "catalogue"))
        await catalogue.start()
        stack.push_async_callback(catalogue.stop)

        def reading(pattern: str, positions: PositionSource | None) -> Reading:
            return Reading(
                group=role.group,
                instance=f"{role.group}.{socket.gethostname()}.{slot}",
                pattern=pattern,
                cluster=cluster,
                positions=positions,
            )

        match role:
            case Role.ENFORCE:
                credentials = installation.credentials(BUS)
                producer = await stack.enter_async_context(
                    BatchProducer(cluster, client_id=f"{role.group}.{slot}")
                )
                app = BatchApp(reading(enforce.PATTERN, None))
                enforce.register(
                    app,
                    enforce.Enforcement(
                        catalogue=catalogue,
                        producer=producer,
                        signer=BatchSigner(credentials.key_id, credentials.private_key),
                        checker=SignatureChecker(),
                    ),
                )
            case Role.FUND:
                region = catalogue.snapshot.region
                layouts = layouts_of(region.contracts.values(), region.lock)
                dsn = installation.fund_dsn()
                store = await FundStore.open(dsn, layouts)
                stack.push_async_callback(store.close)
                app = BatchApp(reading(fund.PATTERN, _fund_positions(dsn, layouts)))
                fund.register(
                    app,
                    fund.Funding(
                        catalogue=catalogue, store=store, adopted=catalogue.snapshot.version
                    ),
                )
                if slot == 0:
                    producer = await stack.enter_async_context(
                        BatchProducer(cluster, client_id=f"{role.group}.housekeeping")
                    )
                    app.task(partial(keep_house, dsn, catalogue, producer))
            case Role.QUARANTINE:
                dsn = installation.fund_dsn()
                custody = await QuarantineStore.open(dsn)
                stack.push_async_callback(custody.close)
                app = BatchApp(reading(quarantine.PATTERN, _quarantine_positions(dsn)))
                quarantine.register(app, quarantine.Custody(store=custody))
            case _:
                assert_never(role)
        yield app


def _fund_positions(dsn: str, layouts: Layouts) -> PositionSource:
    async def positions(assigned: Iterable[TP]) -> Mapping[TP, int]:
        # Why its own connection: Faust asks in the consumer's thread, with another event loop.
        store = await FundStore.open(dsn, layouts)
        try:
            stored = await store.positions({(tp.topic, tp.partition): 0 for tp in assigned})
        finally:
            await store.close()
        return {TP(*place): offset for place, offset in stored.items()}

    return positions


def _quarantine_positions(dsn: str) -> PositionSource:
    async def positions(assigned: Iterable[TP]) -> Mapping[TP, int]:
        store = await QuarantineStore.open(dsn)
        try:
            stored = await store.positions({(tp.topic, tp.partition): 0 for tp in assigned})
        finally:
            await store.close()
        return {TP(*place): offset for place, offset in stored.items()}

    return positions


def _listen_for_the_end(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if sys.stdin is not None and not sys.stdin.isatty():
        descriptor = sys.stdin.fileno()

        def on_input() -> None:
            if not os.read(descriptor, 1024):
                loop.remove_reader(descriptor)
                stopping.set()

        loop.add_reader(descriptor, on_input)


def main(arguments: list[str]) -> None:
    """Run one worker: `python -m bus.agents.worker ROLE SLOT`."""
    role, slot = Role(arguments[0]), int(arguments[1])
    configure_logging(f"{role}-{slot}")
    try:
        asyncio.run(run_worker(role, slot, Installation(Settings())))
    except BaseException as problem:  # noqa: BLE001 - told and turned into an exit code
        stop_process(f"{role}-{slot}", problem)


if __name__ == "__main__":
    main(sys.argv[1:])
