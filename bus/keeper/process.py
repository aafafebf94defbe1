"""The keeper's process, from start to a clean stop.

`bus.supervise.supervisor` starts it as `python -m bus.keeper.process`. It alone among the bus's
processes holds the administrator's password, and it reads no record.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from bus import __version__
from bus.audit.note import Note
from bus.audit.notes import note_at
from bus.catalogue.snapshot import Snapshot
from bus.errors import DocumentError, Unavailable
from bus.kafka.administration import connect_admin
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.keeper.keeping import RightsKeeper
from bus.local.layout import Layout
from bus.observe import series
from bus.observe.doors import open_here
from bus.observe.known import Labels
from bus.observe.meter import Meter
from bus.observe.report import WorkerReport, announced
from bus.observe.series import Change, Series
from bus.observe.server import serving
from bus.process.ending import listen_for_the_end, told_to_end
from bus.process.exit_codes import exit_code_of, traced
from bus.process.lock import alone
from bus.process.log import configure_logging
from bus.settings import read_settings
from bus.supervise.role import Door
from bus.texts import message
from bus.wiring import Installation

logger = logging.getLogger(__name__)

_SLOT = 0
NOTE_S: Final = 0.5
"""How long an end waits for the database at most."""


async def run(installation: Installation, *, restarts: int = 0) -> None:
    """Keep rights until told to stop.

    Raises:
        Unavailable: Kafka does not answer, or no catalogue was applied yet.
        DocumentError: There is no administrator's password, it may not change rights, or another
            keeper runs.
    """
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    home = installation.home
    taken = partial(message, "error.keeper.runs_already", home=home)
    with alone(Layout.of(home).run / "keeper.lock", lambda pid: DocumentError(taken(pid=pid))):
        async with _keeping(installation, restarts) as fault:
            with open_here(home, Door.KEEPER):
                await told_to_end(stopping, fault)
    logger.info("keeper.ended")


@asynccontextmanager
async def _keeping(
    installation: Installation, restarts: int
) -> AsyncIterator[asyncio.Future[BaseException]]:
    """Keep for the time of a block; give what is done with the fault that ends it before."""
    fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def end_with(problem: BaseException) -> None:
        if not fault.done():
            fault.set_result(problem)

    cluster = installation.cluster_as_admin()
    catalogue = CatalogueFollower(cluster, end_with)
    await catalogue.start()
    try:
        meter = Meter(_known)
        meter.board.add(series.RESTARTS, (), restarts)
        keeper = RightsKeeper(
            connect_admin(cluster),
            lambda: _followed(catalogue, meter),
            _now,
            meter.board,
            partial(_put_on_record, installation.fund_dsn()),
        )
        started_at = _now()

        def report() -> WorkerReport:
            return _report(keeper, catalogue.snapshot, started_at, restarts)

        meter.board.ask(series.HEALTHY, lambda: float(report().is_healthy))
        with (
            serving(meter.board.registry, report) as port,
            announced(
                installation.home,
                role=Door.KEEPER,
                slot=_SLOT,
                host=socket.gethostname(),
                port=port,
            ),
        ):
            kept = asyncio.create_task(keeper.run(), name="keeper")
            kept.add_done_callback(lambda task: _tell_end(task, end_with))
            logger.info("keeper.started pid=%d", os.getpid())
            yield fault
            kept.cancel()
            await asyncio.wait({kept})
    finally:
        await catalogue.stop()


def _tell_end(task: asyncio.Task[None], end_with: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        end_with(problem)


def _put_on_record(dsn: str, notes: Sequence[Note]) -> None:
    try:
        asyncio.run(asyncio.wait_for(note_at(dsn, notes), NOTE_S))
    except TimeoutError as problem:
        raise Unavailable(message("error.keeper.not_noted", wait_s=NOTE_S)) from problem


def _followed(catalogue: CatalogueFollower, meter: Meter) -> Snapshot:
    snapshot = catalogue.snapshot
    meter.know(snapshot)
    meter.board.set(series.CATALOGUE_VERSION, (), snapshot.version)
    return snapshot


def _known(_: Snapshot) -> Iterator[tuple[Series, Labels]]:
    for change in Change:
        yield series.RIGHTS_CHANGED, (change,)
        yield series.RIGHTS_DRIFTED, (change,)


def _report(
    keeper: RightsKeeper, snapshot: Snapshot, started_at: datetime, restarts: int
) -> WorkerReport:
    return WorkerReport(
        role=Door.KEEPER,
        slot=_SLOT,
        pid=os.getpid(),
        started_at=started_at,
        restarts=restarts,
        version=__version__,
        catalogue=snapshot.version,
        partitions=0,
        lag_records=0,
        lag_s=0.0,
        problems=keeper.problems(),
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an outermost hand


def main(arguments: list[str]) -> None:
    """Run the keeper: `python -m bus.keeper.process [keeper 0 RESTARTS]`, as supervisors do."""
    configure_logging("keeper-0")
    restarts = int(arguments[2]) if len(arguments) > 2 else 0  # noqa: PLR2004 - the third
    try:
        asyncio.run(run(Installation(read_settings()), restarts=restarts))
    except Exception as problem:
        code = exit_code_of(problem)
        logger.critical(
            "keeper.stopped exit=%d problem=%s", code, problem, exc_info=traced(problem)
        )
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
