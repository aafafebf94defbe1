"""Topics of the benchmark: made, filled and counted with librdkafka, outside of what is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from bus.kafka.cluster import Cluster
from bus.wire.delivery import Delivery
from tests.bench.resident_documents import PARTITIONS, Bare

TIMEOUT_S: Final = 60.0


class BrokerTopics:
    """One broker's topics, as the administrator sees them."""

    def __init__(self, cluster: Cluster) -> None:
        """Prepare clients; they connect when first used."""
        # Why silent: calls raise what is wrong, and the broker cuts idle connections every 10 s.
        self._options: dict[str, Any] = {**cluster.confluent_options(), "log_level": 0}
        self._admin = AdminClient(self._options)

    def make(self, *names: str) -> None:
        """Make topics; batches are stored as they come, stamped by the broker."""
        config = {"compression.type": "producer", "max.message.bytes": str(1_500_000)}
        wanted = [
            NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=config)
            for name in names
        ]
        for future in self._admin.create_topics(wanted).values():
            future.result(TIMEOUT_S)

    def remove(self, *names: str) -> None:
        """Remove topics."""
        for future in self._admin.delete_topics(list(names)).values():
            future.result(TIMEOUT_S)

    def fill(self, topic: str, records: Sequence[Bare], count: int) -> None:
        """Write `count` records, the given ones over and over."""
        with self.filling() as out:
            for number in range(count):
                one = records[number % len(records)]
                out.send(topic, one.partition, one.key, one.value, None)

    def filling(self) -> Filling:
        """Give a producer that ends when everything is durable."""
        return Filling(self._options)

    def filling_hidden(self) -> Filling:
        """Give one whose records readers of committed ones see once `show` is called."""
        return Filling({**self._options, "transactional.id": "bench-load"})

    def ends(self, topic: str) -> list[int]:
        """Tell the end of each partition."""
        with self._consumer("bench-look") as consumer:
            return [
                consumer.get_watermark_offsets(TopicPartition(topic, number), TIMEOUT_S)[1]
                for number in range(PARTITIONS)
            ]

    def count(self, topic: str, begin: Sequence[int] | None = None) -> int:
        """Count the records of a topic whose writers used no transaction."""
        return sum(self.ends(topic)) - sum(begin or ())

    def committed(self, group: str, topic: str) -> list[int]:
        """Tell what a group has committed; 0 where nothing."""
        with self.commits(group, topic) as look:
            return look()

    @contextmanager
    def commits(self, group: str, topic: str) -> Iterator[Callable[[], list[int]]]:
        """Stay connected to ask often what a group has committed."""
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        with self._consumer(group) as consumer:
            yield lambda: [max(0, one.offset) for one in consumer.committed(places, TIMEOUT_S)]

    @contextmanager
    def _consumer(self, group: str) -> Iterator[Consumer]:
        """Give a consumer that never joins its group.

        Why closed again: the broker cuts idle connections, and librdkafka makes them anew.
        """
        options = {**self._options, "group.id": group, "enable.auto.commit": False}
        consumer = Consumer(options)
        try:
            yield consumer
        finally:
            consumer.close()


class Filling:
    """A producer that fails loudly."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._refused = refused = list[KafkaError]()

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            # Why no method: the producer would hold itself, and never disconnect.
            if error is not None:
                refused.append(error)

        settings = {
            **options,
            "acks": "all",
            "linger.ms": 20,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 500_000,
            "delivery.report.only.error": True,
            "on_delivery": on_delivery,
        }
        self._producer = Producer(settings)
        self._is_hidden = "transactional.id" in options
        if self._is_hidden:
            self._producer.init_transactions(TIMEOUT_S)
            self._producer.begin_transaction()

    def __enter__(self) -> Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes,
        headers: list[Any] | None,  # pairs, which its types know as other pairs
    ) -> None:
        """Hand a record over; waits while the queue is full."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=headers or [])
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def send_batch(self, batch: Iterable[Delivery]) -> None:
        """Hand records over that lie side by side."""
        for one in batch:
            assert one.key is not None
            assert one.value is not None
            self.send(one.topic, one.partition, one.key, one.value, one.headers)

    def flush(self) -> None:
        """Wait until everything is durable."""
        left = self._producer.flush(TIMEOUT_S)
        assert left == 0, f"{left} records are not durable after {TIMEOUT_S} s"
        assert not self._refused, self._refused[0]

    def show(self) -> None:
        """Let readers of committed records see what was written."""
        assert self._is_hidden, "was never hidden"
        self._producer.commit_transaction(TIMEOUT_S)
