"""One system that keeps trying to read what it may not, and writes down whatever it gets.

`python -m tests.chaos.probe FILE` tries every topic of the region but those that agreements give to
it, until it is told to end. A broker that came back has to know the rights as well, and so has one
that leads now what another led.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, SystemCode
from bus.process.ending import listen_for_the_end
from bus.provision.topic_plan import topics_of
from bus.settings import read_settings
from bus.wire import topics
from bus.wiring import Installation
from tests.chaos.evidence import Delivered, Place
from tests.chaos.traffic import MUNICIPALITIES, SERVICE_CENTRES

logger = logging.getLogger(__name__)

SYSTEM: Final = SystemCode("region-portal")
_AGENCY: Final = AgencyCode("digital-samara")
# Why written out, and not asked of the catalogue: what it would answer is under test.
MAY_READ: Final = frozenset(
    {
        topics.accepted(MUNICIPALITIES),
        topics.accepted(SERVICE_CENTRES),
        topics.reply(_AGENCY),
        *(topics.CATALOGUE, topics.CHECKPOINTS, topics.SCHEMAS),
    }
)
AGAIN_S: Final = 3.0
_PARTITION_BYTES_MAX: Final = 1024
_BYTES_MAX: Final = 64 * 1024
"""Of one answer; a single record would be enough."""


async def keep_trying(path: Path, installation: Installation) -> None:
    """Try all, pause, and try again."""
    ending = asyncio.Event()
    listen_for_the_end(ending)
    cluster = installation.cluster_as(SYSTEM)
    with path.open("ab") as file:
        file.write(b"\n")  # ends a line that an earlier life left half written
        while not ending.is_set():
            try:
                places = await forbidden(cluster)
                file.write(await _look(cluster, places))
                file.flush()
            except (Unavailable, KafkaError, OSError) as problem:
                logger.warning("again problem=%r", problem)
            await asyncio.sleep(AGAIN_S)


async def forbidden(cluster: Cluster) -> list[tuple[str, int]]:
    """Name the partitions that the system may not read, as the catalogue has topics."""
    async with CatalogueReader(cluster) as reader:
        await reader.read_to_end()
        snapshot = reader.snapshot()
    if snapshot is None:
        return []
    planned = topics_of(snapshot.region, replication_factor=1)
    return [
        (name, number)
        for name, spec in planned.items()
        if name not in MAY_READ
        for number in range(spec.partitions)
    ]


async def _look(cluster: Cluster, places: Collection[tuple[str, int]]) -> bytes:
    """Ask every broker for all of them; give a line for each record got, and one of what not.

    No consumer of a library is asked: that would look first whether there is anything to read.
    """
    wanted: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for topic, partition in places:
        wanted[topic].append((partition, 0, _PARTITION_BYTES_MAX))
    fetch = FetchRequest(0, 0, _BYTES_MAX, 0, [*wanted.items()])
    lines: list[bytes] = []
    refused: set[str] = set()
    client = AIOKafkaClient(**cluster.aiokafka_options())
    try:
        await client.bootstrap()
        for broker in client.cluster.brokers():
            answer = await client.send(broker.nodeId, fetch)
            for topic, partitions in answer.topics:
                for partition, error_code, *_, content in partitions:
                    if error_code == TopicAuthorizationFailedError.errno:
                        refused.add(topic)
                    lines += [_line(one) for one in _records((topic, partition), content or b"")]
    finally:
        await client.close()
    return b"".join([*lines, _line({"refused": sorted(refused)})])


def _records(place: tuple[str, int], content: bytes) -> Iterator[dict[str, object]]:
    batches = MemoryRecords(content)
    while batches.has_next():
        for record in batches.next_batch() or ():
            own = dict(record.headers).get("ce_id")
            yield {
                "place": [*place, record.offset],
                "record_id": (own or b"").decode(errors="replace"),
                "key": (record.key or b"").decode(errors="replace"),
            }


def _line(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def read_probed(path: Path) -> tuple[list[Delivered], frozenset[str]]:
    """Tell what it got, which nothing entitles it to, and the topics that were refused to it."""
    if not path.exists():
        return [], frozenset()
    got: dict[Place, Delivered] = {}
    refused: set[str] = set()
    for line in path.read_bytes().split(b"\n"):
        try:
            told = json.loads(line)
        except ValueError:
            continue  # a line that was not finished
        if "refused" in told:
            refused |= set(told["refused"])
            continue
        place = Place(*told["place"])
        got[place] = Delivered(
            consumer=f"{SYSTEM}.probe",
            place=place,
            record_id=told["record_id"],
            key=told["key"],
            stamp=None,
            fields=frozenset(),
        )
    return list(got.values()), frozenset(refused)


def main(arguments: list[str]) -> None:
    """Probe until told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(keep_trying(Path(arguments[0]), Installation(read_settings())))


if __name__ == "__main__":
    main(sys.argv[1:])
