"""Finding out why nothing comes: nothing is there, no right to read it, or no cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from bus.errors import DocumentError, Unavailable, Words
from bus.kafka.reading import is_fetching
from bus.texts import message

logger = logging.getLogger(__name__)

_RIGHTS_CHECK_S: Final = 2.0
"""How often to look, while nothing comes, whether the topics may still be read: Kafka's client is
told nothing when it was cut off and may not come back."""
_OUTAGE_S: Final = 60.0


class Lookout:
    """Watches over one subscription, from when it begins to read its topics."""

    def __init__(
        self, consumer: AIOKafkaConsumer, topics: Collection[str], doing: Words, *, follow: bool
    ) -> None:
        """Begin to watch.

        Args:
            consumer: Started.
            topics: That it reads.
            doing: What is going on, for messages.
            follow: Whether an idle topic is nothing to wonder at.
        """
        self._consumer = consumer
        self._topics = topics
        self._doing = doing
        self._follow = follow
        self._news_at = self._checked_at = asyncio.get_running_loop().time()

    def note_news(self) -> None:
        """Something came."""
        self._news_at = asyncio.get_running_loop().time()

    async def look(self) -> None:
        """Look around, once in a while; nothing came.

        Raises:
            DocumentError: A topic may not be read any more.
            Unavailable: Nothing can come any more; or nothing came for a minute though the end was
                not reached.
            KafkaError: The cluster has not answered for a minute.
        """
        now = asyncio.get_running_loop().time()
        if now - self._checked_at < _RIGHTS_CHECK_S:
            return
        self._checked_at = now
        if not is_fetching(self._consumer):
            raise Unavailable(message("error.kafka.fetching_ended"))
        try:
            await self.check_rights()
        except (KafkaError, OSError) as problem:
            if now - self._news_at < _OUTAGE_S:
                logger.warning("subscriber.no_answer problem=%s", type(problem).__name__)
                return
            raise
        if self._follow:
            self._news_at = now
        elif now - self._news_at > _OUTAGE_S:
            raise Unavailable(
                message("error.client.nothing_came", doing=self._doing, wait_s=_OUTAGE_S)
            )

    async def check_rights(self) -> None:
        """See that every topic may be read.

        Raises:
            DocumentError: One may not.
            KafkaError: The cluster does not answer.
        """
        readable = await self._consumer.topics()
        for topic in self._topics:
            if topic not in readable:
                raise DocumentError(
                    message("error.client.not_readable", doing=self._doing, topic=topic)
                )
