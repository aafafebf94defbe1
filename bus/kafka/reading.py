"""What readers of topics need that ask other things beside records, or end soon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer

SHORT_WAIT_MS: Final = 100
"""How long a fetch waits for the first record. A question on the same connection waits behind it,
and so does the end of the consumer; aiokafka's own 500 ms made every command half a second slower,
once for each reader."""
_ANSWERED_WITHIN_S: Final = 5.0


def is_fetching(consumer: AIOKafkaConsumer) -> bool:
    """Tell whether records can still come to a consumer that was started.

    Why: aiokafka's fetching task may end in a fault that it only logs. Whoever asks it for records
    then gets none for ever, which looks like an idle topic.
    """
    return not consumer._fetcher._fetch_task.done()  # noqa: SLF001 - there is no public way


async def learn_topics(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """Learn with one question which partitions topics have and who leads them.

    Why: asked for offsets of topics that it does not know, aiokafka learns one in each 100 ms.
    While no broker answers it gives up after a while: whatever is asked next says what is wrong.
    """
    answer = consumer._client.set_topics(set(topics))  # noqa: SLF001 - there is no public way
    await asyncio.wait({answer}, timeout=_ANSWERED_WITHIN_S)
