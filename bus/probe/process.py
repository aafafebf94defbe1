"""The probe's process, from start to a clean stop.

`bus.supervise.supervisor` starts it as `python -m bus.probe.process`. No lost probe ends it, and
neither does a system without a key: `bus serve all` must not end for that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, Never

from bus import __version__
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.catalogue.snapshot import Snapshot
from bus.client import BatchSigner, Publisher, Subscriber
from bus.errors import DocumentError, Unavailable
from bus.kafka.catalogue_topic import CatalogueFollower
from bus.local.layout import Layout
from bus.model.identifiers import DatasetCode, SystemCode
from bus.observe import series
from bus.observe.board import Board
from bus.observe.doors import open_here
from bus.observe.health import Problem
from bus.observe.known import known_to_probe
from bus.observe.meter import Meter
from bus.observe.report import WorkerReport, announced
from bus.observe.server import serving
from bus.probe.receiving import Receiving
from bus.probe.recording import Recording
from bus.probe.rounds import KEY_FIELD, Cadence, Prober
from bus.probe.sending import Sending
from bus.process.ending import listen_for_the_end, told_to_end
from bus.process.exit_codes import exit_code_of, traced
from bus.process.lock import alone
from bus.process.log import configure_logging
from bus.settings import read_settings
from bus.supervise.role import Door
from bus.texts import message
from bus.wiring import Installation

logger = logging.getLogger(__name__)

_SLOT: Final = 0
_LOOK_S: Final = 1.0
"""How soon a catalogue is noticed that names another probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Who sends probes of what."""

    system: SystemCode
    dataset: DatasetCode


def probed(region: Region) -> Probed | None:
    """Tell who sends probes of what in a region; None: nobody does."""
    systems = () if region.probe is None else region.systems_of(region.probe)
    if region.probe is None or not systems:
        return None
    return Probed(system=systems[0], dataset=region.probe)


def prober_of(installation: Installation, named: Probed, board: Board, cadence: Cadence) -> Prober:
    """Compose a prober; it reaches everything as the system that probes, with today's key."""
    system, dataset = named.system, named.dataset

    @asynccontextmanager
    async def publisher() -> AsyncIterator[Publisher]:
        credentials = installation.credentials(system)
        async with Publisher.open(
            installation.cluster_with(credentials),
            home=installation.home,
            system=system,
            dataset=dataset,
            signer=BatchSigner(credentials.key_id, credentials.private_key),
            clock=_now,
        ) as opened:
            yield opened

    @asynccontextmanager
    async def subscriber() -> AsyncIterator[Subscriber]:
        async with Subscriber.open(
            installation.cluster_as(system),
            system=system,
            dataset=dataset,
            clock=_now,
            from_end=True,
        ) as opened:
            yield opened

    return Prober(
        sending=Sending(publisher, KEY_FIELD),
        receiving=Receiving(subscriber),
        recording=Recording(partial(installation.gateway_as, system), dataset, _now),
        board=board,
        cadence=cadence,
        host=socket.gethostname(),
        clock=_now,
    )


async def run(installation: Installation, *, restarts: int = 0) -> None:
    """Probe until told to stop.

    Raises:
        Unavailable: No catalogue was applied yet, Kafka does not answer, or another catalogue
            names another probe: starting again reads that.
        DocumentError: Another probe of this home runs.
    """
    stopping = asyncio.Event()
    listen_for_the_end(stopping)
    home = installation.home
    taken = partial(message, "error.probe.runs_already", home=home)
    with alone(Layout.of(home).run / "probe.lock", lambda pid: DocumentError(taken(pid=pid))):
        async with _probing(installation, restarts) as fault:
            with open_here(home, Door.PROBE):
                await told_to_end(stopping, fault)
    logger.info("probe.ended")


@asynccontextmanager
async def _probing(
    installation: Installation, restarts: int
) -> AsyncIterator[asyncio.Future[BaseException]]:
    """Probe for the time of a block; give what is done with the fault that ends it before."""
    fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def end_with(problem: BaseException) -> None:
        if not fault.done():
            fault.set_result(problem)

    catalogue = CatalogueFollower(installation.cluster_as(BUS), end_with)
    await catalogue.start()
    try:
        service = _Service(installation, catalogue, restarts)
        with (
            serving(service.meter.board.registry, service.report) as port,
            announced(
                installation.home, role=Door.PROBE, slot=_SLOT, host=socket.gethostname(), port=port
            ),
        ):
            probing = asyncio.create_task(service.run(), name="probe")
            probing.add_done_callback(lambda task: _tell_end(task, end_with))
            logger.info("probe.started pid=%d", os.getpid())
            yield fault
            probing.cancel()
            await asyncio.wait({probing})
    finally:
        await catalogue.stop()


def _tell_end(task: asyncio.Task[Never], end_with: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        end_with(problem)


class _Service:
    """What one process does, and says of itself."""

    def __init__(
        self, installation: Installation, catalogue: CatalogueFollower, restarts: int
    ) -> None:
        self.meter = Meter(known_to_probe)
        self.meter.board.add(series.RESTARTS, (), restarts)
        self._installation = installation
        self._catalogue = catalogue
        self._restarts = restarts
        self._started_at = _now()
        self._prober: Prober | None = None
        self._know()

    def _know(self) -> Snapshot:
        snapshot = self._catalogue.snapshot
        self.meter.know(snapshot)
        self.meter.board.set(series.CATALOGUE_VERSION, (), snapshot.version)
        return snapshot

    async def run(self) -> Never:
        """Wait until the region names a probe, then send it for as long as it does.

        Raises:
            Unavailable: It names another one, or none any more.
        """
        named = probed(self._know().region)
        if named is None:
            logger.warning("probe.idle the region in force names no dataset to probe with")
        while named is None:
            await asyncio.sleep(_LOOK_S)
            named = probed(self._know().region)
        cadence = Cadence.of(self._installation.settings.probe_every_s)
        self._prober = prober_of(self._installation, named, self.meter.board, cadence)
        probing = asyncio.create_task(self._prober.run())
        try:
            while not probing.done():
                if probed(self._know().region) != named:
                    raise Unavailable(message("error.probe.another", dataset=named.dataset))
                await asyncio.wait({probing}, timeout=_LOOK_S)
            probing.result()
            raise AssertionError("a prober goes on until it is cancelled")
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)

    def report(self) -> WorkerReport:
        """Tell how it is; called in the page's threads."""
        problems: tuple[Problem, ...] = ()
        if self._prober is not None:
            problems = self._prober.problems()
        return WorkerReport(
            role=Door.PROBE,
            slot=_SLOT,
            pid=os.getpid(),
            started_at=self._started_at,
            restarts=self._restarts,
            version=__version__,
            catalogue=self._catalogue.snapshot.version,
            partitions=0,
            lag_records=0,
            lag_s=0.0,
            problems=problems,
        )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - an outermost hand


def main(arguments: list[str]) -> None:
    """Run the probe: `python -m bus.probe.process [probe 0 RESTARTS]`, as supervisors do."""
    configure_logging("probe-0")
    restarts = int(arguments[2]) if len(arguments) > 2 else 0  # noqa: PLR2004 - the third
    try:
        asyncio.run(run(Installation(read_settings()), restarts=restarts))
    except Exception as problem:
        code = exit_code_of(problem)
        logger.critical("probe.stopped exit=%d problem=%s", code, problem, exc_info=traced(problem))
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
