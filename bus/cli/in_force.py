"""The region in force, as every process of the bus sees it, whatever lies on disk."""

from __future__ import annotations

from aiokafka.errors import KafkaError

from bus.catalogue.region import Region
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.kafka.scan import topic_partitions
from bus.texts import message
from bus.wire import topics


async def region_in_force(cluster: Cluster) -> Region | None:
    """Read the catalogue; None before the first one.

    Args:
        cluster: Reached as any principal that may read it.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: The topic does not hold all of it.
    """
    try:
        # Why ask: before the first catalogue there is no topic.
        if not await topic_partitions(cluster, [topics.CATALOGUE]):
            return None
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
            snapshot = reader.snapshot()
    except KafkaError as problem:
        told = message("error.provision.catalogue", topic=topics.CATALOGUE, problem=repr(problem))
        raise Unavailable(told) from problem
    return None if snapshot is None else snapshot.region


async def region_applied(cluster: Cluster) -> Region:
    """Read the catalogue.

    Raises: as `region_in_force`, and where there is none yet.
    """
    region = await region_in_force(cluster)
    if region is None:
        raise Unavailable(message("error.cli.no_catalogue"))
    return region
