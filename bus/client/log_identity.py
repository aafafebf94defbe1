"""Which topic a name stands for now: Kafka gives each topic an id when it is created."""

from __future__ import annotations

import asyncio

from confluent_kafka import TopicCollection

from bus.kafka.administration import REQUEST_TIMEOUT_S, connect_admin, settled
from bus.kafka.cluster import Cluster


async def topic_id(cluster: Cluster, topic: str) -> str:
    """Ask for the id of a topic that exists; one deleted and made again has another.

    Raises:
        DocumentError: The principal may not see it.
        Unavailable: Kafka does not answer.
    """
    return await asyncio.to_thread(_topic_id, cluster, topic)


def _topic_id(cluster: Cluster, topic: str) -> str:
    administration = connect_admin(cluster)
    answer = administration.client.describe_topics(
        TopicCollection([topic]), request_timeout=REQUEST_TIMEOUT_S
    )[topic]
    return str(settled(answer, f"asking for the id of topic {topic}").topic_id)
