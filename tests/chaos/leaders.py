"""Who leads which topic, where a control run needs that: topics made before the bus makes them.

A batch can be durable before one that was sent before it only where the two have outputs on
different brokers: the producer has one request on its way to each broker, and an output keeps the
partition of its input. Quarantine is the one output that some batches have and others have not.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # not in its __all__

from bus.catalogue.documents import read_documents
from bus.catalogue.region import parse_region
from bus.kafka.administration import REQUEST_TIMEOUT_S, connect_admin
from bus.provision.topic_plan import topics_of
from bus.wire import topics
from bus.wiring import Installation
from tests.chaos.engines import NODES
from tests.chaos.traffic import PUBLISHING

APART: Final = NODES[0]
"""Leads the quarantine of those that publish, and nothing else of the region's."""
_OTHERS: Final = NODES[1:]
_APART_TOPICS: Final = frozenset(topics.quarantine(party.agency) for party in PUBLISHING)
"""Why not of who has no publisher: nearly all of its batches have bad records."""


def lead_apart(installation: Installation) -> None:
    """Make the region's topics, as the bus would but for who leads them."""
    region = parse_region(read_documents(installation.settings.region, installation.keys_dir))
    admin = connect_admin(installation.cluster_as_admin())
    wanted = [
        NewTopic(
            name,
            num_partitions=spec.partitions,
            replica_assignment=[replicas(name, number) for number in range(spec.partitions)],
            config=dict(spec.config),
        )
        for name, spec in topics_of(region, replication_factor=len(NODES)).items()
    ]
    for made in admin.client.create_topics(wanted).values():
        made.result(REQUEST_TIMEOUT_S)


def replicas(topic: str, partition: int) -> list[int]:
    """Name the brokers that have a partition, the one that leads it first."""
    leader = APART if topic in _APART_TOPICS else _OTHERS[partition % len(_OTHERS)]
    return [leader, *(node for node in NODES if node != leader)]
