"""One consumer that writes down all that it takes.

`python -m tests.chaos.consumer SYSTEM DATASET FILE` reads on where its group stopped, until it is
told to end. It may be killed at any point, and then takes some records again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiokafka.errors import KafkaError

from bus.client import DeliveredRecord, Subscriber
from bus.errors import Unavailable
from bus.model.identifiers import DatasetCode, SystemCode
from bus.process.ending import listen_for_the_end
from bus.settings import read_settings
from bus.wiring import Installation
from tests.chaos.controls import take_away_what_is_named
from tests.chaos.evidence import Delivered, GroupPlace, Place
from tests.chaos.traffic import differing

logger = logging.getLogger(__name__)

AGAIN_S = 0.5
_STAMP_FIELDS = ("full_name", "name")


async def consume(
    system: SystemCode, dataset: DatasetCode, path: Path, installation: Installation
) -> None:
    """Take unit after unit; an outage makes a new subscriber, a fault ends the process."""
    ending = asyncio.Event()
    listen_for_the_end(ending)
    taking = asyncio.create_task(_take(system, dataset, path, installation))
    waiting = asyncio.create_task(ending.wait())
    await asyncio.wait({taking, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if taking.done():
        taking.result()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def _take(
    system: SystemCode, dataset: DatasetCode, path: Path, installation: Installation
) -> None:
    with path.open("ab") as file:
        file.write(b"\n")  # ends a line that an earlier life left half written
        while True:
            try:
                async with Subscriber.open(
                    installation.cluster_as(system),
                    system=system,
                    dataset=dataset,
                    clock=lambda: datetime.now(UTC),
                ) as subscriber:
                    async for unit in subscriber.groups():
                        file.write(_line(unit))
                        file.flush()
            except (Unavailable, KafkaError, OSError) as problem:
                logger.warning("again problem=%r", problem)
                await asyncio.sleep(AGAIN_S)


def _line(unit: Sequence[DeliveredRecord]) -> bytes:
    """Write what is taken together as one line, so that a kill leaves all of it or nothing."""
    taken = [
        {
            "place": [one.position.topic, one.position.partition, one.position.offset],
            "record_id": one.record_id,
            "key": one.key,
            "stamp": next((one.fields[name] for name in _STAMP_FIELDS if name in one.fields), None),
            "fields": sorted(one.fields),
            "differing": sorted(differing(one.dataset, one.key, one.fields)),
            "group": None if one.group is None else [one.group.id, one.group.index, one.group.size],
        }
        for one in unit
    ]
    return json.dumps(taken, separators=(",", ":")).encode() + b"\n"


def read_delivered(consumer: str, path: Path) -> Iterator[Delivered]:
    """Read what a consumer took, in its order; a line that was not finished is passed over."""
    shared: dict[tuple[str, ...], frozenset[str]] = {}
    for line in path.read_bytes().split(b"\n"):
        try:
            taken = json.loads(line)
        except ValueError:
            continue
        for one in taken:
            names = tuple(one["fields"])
            group = one["group"]
            yield Delivered(
                consumer=consumer,
                place=Place(*one["place"]),
                record_id=one["record_id"],
                key=one["key"],
                stamp=one["stamp"],
                fields=shared.setdefault(names, frozenset(names)),
                group=None if group is None else GroupPlace(*group),
                differing=frozenset(one["differing"]),
            )


def main(arguments: list[str]) -> None:
    """Consume one dataset as one system."""
    take_away_what_is_named()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    system, dataset, path = arguments
    asyncio.run(
        consume(SystemCode(system), DatasetCode(dataset), Path(path), Installation(read_settings()))
    )


if __name__ == "__main__":
    main(sys.argv[1:])
