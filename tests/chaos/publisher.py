"""One producer that publishes with the bus's client and writes down what it tries.

`python -m tests.chaos.publisher SYSTEM HISTORY` goes on where the file says that an earlier life of
it stopped, until it is told to end. It may be killed at any point.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from aiokafka.errors import KafkaError

from bus.client import BatchSigner, Publisher
from bus.errors import Unavailable
from bus.process.ending import listen_for_the_end
from bus.settings import read_settings
from bus.wiring import Installation
from tests.chaos.controls import Broken, as_told, broken_here, take_away_what_is_named
from tests.chaos.history import HistoryWriter, Outcome, read_events
from tests.chaos.traffic import PUBLISHING, Chunk, Party, chunk

logger = logging.getLogger(__name__)

AGAIN_S = 0.5
ROWS_PER_S = 3_000


async def publish(party: Party, path: Path, installation: Installation) -> None:
    """Publish chunk after chunk until told to end; one that failed is published again."""
    ending = asyncio.Event()
    listen_for_the_end(ending)
    number = next_chunk(party, path)
    with HistoryWriter(path) as history:
        while not ending.is_set():
            try:
                async with _opened(party, installation) as publisher:
                    while not ending.is_set():
                        begun = time.monotonic()
                        planned = chunk_here(party, number)
                        history.invoke((as_told(one.sent) for one in planned.all), at_ms=_now_ms())
                        await _publish_chunk(publisher, planned)
                        history.end(Outcome.OK, _marks(planned), at_ms=_now_ms())
                        number += 1
                        pause_s = len(planned.all) / ROWS_PER_S - (time.monotonic() - begun)
                        await asyncio.sleep(max(0.0, pause_s))
            except (Unavailable, KafkaError, OSError) as problem:
                logger.warning("again problem=%r", problem)
                await asyncio.sleep(AGAIN_S)


async def _publish_chunk(publisher: Publisher, planned: Chunk) -> None:
    report = await publisher.publish([one.row for one in planned.rows])
    assert not report.unsendable, report.unsendable[:3]
    if planned.group:
        report = await publisher.publish_group([one.row for one in planned.group])
        assert not report.unsendable, report.unsendable


def chunk_here(party: Party, number: int) -> Chunk:
    """Give a chunk; in a control run without ids, one whose stamps tell its records apart."""
    planned = chunk(party, number)
    return planned.with_own_stamps() if broken_here() is Broken.RANDOM_IDS else planned


def next_chunk(party: Party, path: Path) -> int:
    """Tell which chunk is not known to be published."""
    if not path.exists():
        return 0
    done = {
        mark for event in read_events(path) if event.outcome is Outcome.OK for mark in event.marks
    }
    number = 0
    while as_told(chunk(party, number).rows[0].sent).mark in done:
        number += 1
    return number


def _marks(planned: Chunk) -> Iterator[str]:
    return (as_told(one.sent).mark for one in planned.all)


def _opened(party: Party, installation: Installation) -> AbstractAsyncContextManager[Publisher]:
    credentials = installation.credentials(party.system)
    return Publisher.open(
        installation.cluster_with(credentials),
        home=installation.home,
        system=party.system,
        dataset=party.dataset,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        clock=lambda: datetime.now(UTC),
        send_broken=True,
    )


def _now_ms() -> int:
    return int(time.time() * 1000)


def main(arguments: list[str]) -> None:
    """Publish as one party."""
    take_away_what_is_named()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    party = next(one for one in PUBLISHING if one.system == arguments[0])
    asyncio.run(publish(party, Path(arguments[1]), Installation(read_settings())))


if __name__ == "__main__":
    main(sys.argv[1:])
