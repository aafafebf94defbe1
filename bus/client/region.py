"""The region's documents as the catalogue in force has them."""

from __future__ import annotations

from bus.catalogue.region import Region, parse_region
from bus.client.faults import translated
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster
from bus.texts import message
from bus.wire import topics


async def read_region(cluster: Cluster) -> Region:
    """Read the catalogue once.

    Raises:
        Unavailable: Kafka does not answer, or there is none yet.
    """
    with translated(message("doing.client.catalogue", system=cluster.principal)):
        async with CatalogueReader(cluster) as reader:
            await reader.read_to_end()
            documents = reader.documents()
    if not documents:
        raise Unavailable(message("error.kafka.no_catalogue", topic=topics.CATALOGUE))
    return parse_region(documents)
