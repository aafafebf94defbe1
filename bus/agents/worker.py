"""One worker process: a role's agent on Faust, from start to a clean stop.

`bus.supervise.supervisor` starts it as `python -m bus.agents.worker ROLE SLOT RESTARTS`, or has it
in reserve (`bus.supervise.reserve`) and tells it the same when it is needed. It ends when it is
told to (SIGTERM, SIGINT), when its supervisor is gone (end of standard input) or at a fault.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import assert_never

from faust.types import TP

from bus.agents import enforce, fund, quarantine
from bus.agents.consumer_thread import PositionSource, Reading
from bus.agents.fault import stop_process
from bus.agents.housekeeping import keep_house
from bus.agents.observation import HOUSEKEEPING_SLOT, Post, observed
from bus.agents.pace import PATIENT, PROMPT, Pace
from bus.agents.standing import StandingViews
from bus.agents.transport import BatchApp
from bus.audit.checkpoint import CheckpointSigner
from bus.audit.signing import Seals
from bus.catalogue.parties import BUS
from bus.errors import DocumentError, Unavailable
from bus.fund.layout import layouts_of
from bus.fund.store import FundStore
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.kafka.producer import BatchProducer
from bus.process.ending import listen_for_the_end
from bus.process.exit_codes import EXIT_UNAVAILABLE
from bus.process.lock import alone
from bus.process.log import configure_logging
from bus.quarantine.store import QuarantineStore
from bus.settings import read_settings
from bus.supervise.reserve import awaited_placement
from bus.supervise.role import Role
from bus.texts import message
from bus.tracing.exporting import exporting
from bus.wire.signature import BatchSigner, SignatureChecker
from bus.wiring import Installation

logger = logging.getLogger(__name__)

FETCHING_LOOK_S = 2.0
OBJECTS_PER_LOOK_FOR_CYCLES = 20_000
"""A batch makes as many, short-lived and without cycles; looking through them each 700, which is
Python's default, costs more than twice as much (`python -m tests.bench duties`)."""
STOP_TIMEOUT_S = 9.0
"""Less than a supervisor's patience."""
SLOT_WAIT_S = STOP_TIMEOUT_S + 3.0
"""Workers whose supervisor was killed end by themselves, and the next supervisor may be there
before."""
SLOT_LOOK_S = 0.2


async def run_worker(
    role: Role, slot: int, installation: Installation, *, restarts: int = 0
) -> None:
    """Work until told to stop.

    Args:
        role: What to do.
        slot: Number of this worker within its role on this host, from 0.
        installation: Where the engines are.
        restarts: How often its supervisor has started it again.

    Raises:
        Unavailable: An engine does not answer.
        DocumentError: The bus is not enrolled, or another worker holds the slot.
    """
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    async with AsyncExitStack() as stack:
        # Why from the beginning: a start that waits for an engine must end, too, when told to.
        limit = asyncio.create_task(_end_in_time(stopping), name="limit")
        stack.callback(limit.cancel)
        await take_slot(stack, installation.home, role, slot)
        post = Post(
            role=role,
            slot=slot,
            restarts=restarts,
            home=installation.home,
            stalled_after_s=installation.settings.stalled_after_s,
        )
        app = await stack.enter_async_context(_composed(post, installation))
        await app.start()
        logger.info("worker.started role=%s slot=%d pid=%d", role, slot, os.getpid())
        stop, crash = (
            asyncio.ensure_future(stopping.wait()),
            asyncio.ensure_future(app._crashed.wait()),  # noqa: SLF001 - mode has no public way
        )
        watch = asyncio.create_task(_watch_fetching(app), name="watch")
        await asyncio.wait({stop, crash, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()  # it ends in a fault of its own only
        if crash.done():
            stop_process("faust", app.crash_reason or RuntimeError("Faust crashed"))
        crash.cancel()
        watch.cancel()
        await app.stop()
        logger.info("worker.ended role=%s slot=%d", role, slot)


async def _end_in_time(stopping: asyncio.Event) -> None:
    """See that a process that was told to end does: libraries may wait for a broker for ever.

    Nothing is lost by it. What is durable and not committed is read again by the next worker.
    """
    await stopping.wait()
    timer = threading.Timer(STOP_TIMEOUT_S, os._exit, [EXIT_UNAVAILABLE])
    timer.daemon = True
    timer.start()


async def _watch_fetching(app: BatchApp) -> None:
    """End the process when nothing can come any more: a stalled worker looks like an idle one."""
    while app.batch_consumer.is_fetching:  # noqa: ASYNC110 - the task is in another thread
        await asyncio.sleep(FETCHING_LOOK_S)
    stop_process("fetching", Unavailable(message("error.kafka.fetching_ended")))


async def take_slot(
    stack: AsyncExitStack, home: Path, role: Role, slot: int, *, wait_s: float = SLOT_WAIT_S
) -> None:
    """Keep other workers of this host out of a slot: two members of one id fence each other.

    Args:
        stack: At its end the slot is free again.
        home: Of the installation.
        role: Of the worker.
        slot: Its number.
        wait_s: For so long a taken slot may become free.

    Raises:
        DocumentError: The slot stays taken.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        try:
            stack.enter_context(
                alone(
                    home / "run" / f"{role}-{slot}.lock",
                    lambda pid: DocumentError(
                        message("error.agents.slot_taken", role=role, slot=slot, pid=pid)
                    ),
                )
            )
        except DocumentError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(SLOT_LOOK_S)
        else:
            return


@asynccontextmanager
async def _composed(post: Post, installation: Installation) -> AsyncIterator[BatchApp]:
    """Connect what the role needs, attach its agent, and make both visible."""
    role, slot = post.role, post.slot
    credentials = installation.credentials(BUS)
    cluster = installation.cluster_with(credentials)
    async with AsyncExitStack() as stack:
        spans = stack.enter_context(exporting(installation.settings.otlp, role.group))
        meter = post.meter(spans)
        catalogue = CatalogueFollower(cluster, partial(stop_process, "catalogue"))
        await catalogue.start()
        stack.push_async_callback(catalogue.stop)

        def reading(
            pattern: str,
            positions: PositionSource | None,
            pace: Pace,
        ) -> Reading:
            return Reading(
                group=role.group,
                instance=f"{role.group}.{socket.gethostname()}.{slot}",
                pattern=pattern,
                cluster=cluster,
                folder=installation.home / "run" / "faust",
                positions=positions,
                pace=pace,
            )

        match role:
            case Role.ENFORCE:
                producer = await stack.enter_async_context(
                    BatchProducer(cluster, client_id=f"{role.group}.{slot}")
                )
                app = BatchApp(reading(enforce.PATTERN, None, PROMPT))
                enforce.register(
                    app,
                    enforce.Enforcement(
                        catalogue=catalogue,
                        producer=producer,
                        signer=BatchSigner(credentials.key_id, credentials.private_key),
                        checker=SignatureChecker(),
                        meter=meter,
                        writer=f"{role.group}.{socket.gethostname()}.{slot}",
                        audit_key=installation.audit_key(),
                    ),
                )
            case Role.FUND:
                region = catalogue.snapshot.region
                layouts = layouts_of(region.contracts.values(), region.lock)
                dsn = installation.fund_dsn()
                store = await FundStore.open(dsn, layouts)
                store.serve(catalogue.snapshot)
                stack.push_async_callback(store.close)
                positions = _stored(partial(FundStore.open, dsn, layouts))
                app = BatchApp(reading(fund.PATTERN, positions, PROMPT))
                fund.register(
                    app,
                    fund.Funding(
                        catalogue=catalogue,
                        store=store,
                        adopted=catalogue.snapshot.version,
                        meter=meter,
                        standing=StandingViews(
                            dsn=dsn,
                            catalogue=catalogue,
                            cluster=cluster,
                            client_id=f"{role.group}.{slot}.standing",
                            signer=BatchSigner(credentials.key_id, credentials.private_key),
                            meter=meter,
                        ),
                    ),
                )
                if slot == HOUSEKEEPING_SLOT:
                    seals = Seals(
                        signer=CheckpointSigner(credentials.key_id, credentials.private_key),
                        audit_key=installation.audit_key(),
                    )
                    home = installation.home
                    board = meter.board
                    app.task(partial(keep_house, home, dsn, catalogue, cluster, board, seals))
            case Role.QUARANTINE:
                dsn = installation.fund_dsn()
                custody = await QuarantineStore.open(dsn)
                stack.push_async_callback(custody.close)
                positions = _stored(partial(QuarantineStore.open, dsn))
                app = BatchApp(reading(quarantine.PATTERN, positions, PATIENT))
                quarantine.register(app, quarantine.Custody(store=custody, meter=meter))
            case _:
                assert_never(role)
        await stack.enter_async_context(
            observed(post, cluster=cluster, catalogue=catalogue, app=app, meter=meter)
        )
        yield app


def _stored(opened: Callable[[], Awaitable[FundStore | QuarantineStore]]) -> PositionSource:
    """Give positions from where they are kept together with the rows."""

    async def positions(assigned: Iterable[TP]) -> Mapping[TP, int]:
        # Why its own connection: Faust asks in the consumer's thread, with another event loop.
        store = await opened()
        try:
            stored = await store.positions({(tp.topic, tp.partition): 0 for tp in assigned})
        finally:
            await store.close()
        return {TP(*place): offset for place, offset in stored.items()}

    return positions


def main(arguments: list[str]) -> None:
    """Run one worker: `python -m bus.agents.worker [ROLE SLOT [RESTARTS]]`.

    Without arguments it waits in reserve until it is told the same.
    """
    if not arguments:
        placement = awaited_placement()
        if placement is None:
            return
        arguments = [placement.role, str(placement.slot), str(placement.restarts)]
    role, slot = Role(arguments[0]), int(arguments[1])
    restarts = int(arguments[2]) if len(arguments) > 2 else 0  # noqa: PLR2004 - the third
    configure_logging(f"{role}-{slot}")
    gc.set_threshold(OBJECTS_PER_LOOK_FOR_CYCLES)
    try:
        asyncio.run(run_worker(role, slot, Installation(read_settings()), restarts=restarts))
    except BaseException as problem:  # noqa: BLE001 - told and turned into an exit code
        stop_process(f"{role}-{slot}", problem)


if __name__ == "__main__":
    main(sys.argv[1:])
