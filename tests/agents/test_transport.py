from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.errors import NoOffsetForPartitionError
from faust.types import TP
from mode import Service

from bus.agents.consumer_thread import BATCH_RECORDS_MAX, PositionSource, Reading
from bus.agents.coverage import Patience
from bus.agents.pace import PROMPT
from bus.agents.transport import BatchApp, BatchConsumer, PartitionBatch
from bus.kafka.cluster import Cluster
from bus.model.record import Group
from bus.wire.headers import with_group
from tests.factories import Raw

QUIET, BUSY = TP("in.a.b", 0), TP("in.c.d", 0)
Fetch = Mapping[TP, Sequence[Raw]]


class NoThread(Service):
    """No Kafka; it notes how fetching is paced, and where it was told to read on."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.dense: list[bool] = []
        self.sought: list[tuple[TP, int]] = []

    def seek(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))

    async def look_for_topics(self, _: Patience) -> None:
        self.looks += 1

    def pace_fetching(self, *, is_dense: bool) -> None:
        self.dense.append(is_dense)


class ScriptedConsumer(BatchConsumer):
    """Gets what a test says that Kafka has; all that is decided on it is the consumer's own."""

    fetches: Iterator[Fetch]
    kept: Mapping[TP, int]
    told: Mapping[TP, int]
    owned: set[TP] | None = None
    """None: all that is kept."""

    def _new_consumer_thread(self) -> Any:  # noqa: ANN401 - Faust's is not needed
        return NoThread()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return self.kept

    def assignment(self) -> set[TP]:
        return set(self.kept) if self.owned is None else self.owned

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.told = dict(offsets)
        return True

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ANN401, ARG002, ASYNC109 - Faust's
        fetch = next(self.fetches, None)
        if fetch is None:
            self._stopped.set()
        return fetch, None


def scripted(
    fetches: Sequence[Fetch],
    positions: PositionSource | None,
    kind: type[ScriptedConsumer] = ScriptedConsumer,
) -> ScriptedConsumer:
    reading = Reading(
        group="g",
        instance="i",
        pattern="^in",
        cluster=Cluster(bootstrap="nowhere:1", ca_file=Path("none"), principal="p", password="p"),
        positions=positions,
        folder=Path("none"),
        pace=PROMPT,
    )
    app = BatchApp(reading)
    app.batches = cast("Any", asyncio.Queue())
    nothing: Any = lambda *_: None  # noqa: E731 - callbacks that Faust never calls here
    consumer = kind(
        app.transport,
        callback=nothing,
        on_partitions_revoked=nothing,
        on_partitions_assigned=nothing,
    )
    consumer.fetches = iter(fetches)
    return consumer


async def handed_out(fetches: Sequence[Fetch]) -> list[PartitionBatch]:
    """Tell the batches that a consumer cuts from what is fetched, in order."""
    consumer = scripted(fetches, positions=None)
    queue: asyncio.Queue[PartitionBatch] = cast("Any", consumer.app).batches
    consumer._next = {
        tp: fetched[0].offset for fetch in reversed(fetches) for tp, fetched in fetch.items()
    }
    await consumer._drain_messages(consumer)
    return [queue.get_nowait() for _ in range(queue.qsize())]


def full(fetches: int) -> list[dict[TP, Sequence[Raw]]]:
    """Fetches that one partition fills to the limit each time."""
    return [
        {BUSY: [Raw(offset=n * BATCH_RECORDS_MAX + at) for at in range(BATCH_RECORDS_MAX)]}
        for n in range(fetches)
    ]


def member(index: int) -> Raw:
    return Raw(offset=4 + index, headers=with_group([], Group(id="0" * 16, index=index, size=2)))


async def test_a_begun_group_does_not_wait_for_others_to_have_nothing_more() -> None:
    fetches = full(6)
    fetches[0] = {QUIET: [member(0)], **fetches[0]}
    batches = await handed_out(fetches)
    places = [batch.topic for batch in batches]
    assert places.count(QUIET.topic) == 1
    assert places.index(QUIET.topic) <= 3
    assert sum(len(b.records) for b in batches if b.topic == BUSY.topic) == 6 * BATCH_RECORDS_MAX


async def test_a_group_cut_by_a_full_fetch_is_handed_out_whole() -> None:
    fetches = full(4)
    fetches[0] = {QUIET: [member(0)], **fetches[0]}
    fetches[1] = {QUIET: [member(1)], **fetches[1]}
    (batch,) = [one for one in await handed_out(fetches) if one.topic == QUIET.topic]
    assert [record.offset for record in batch.records] == [4, 5]


async def test_a_position_that_is_kept_elsewhere_is_told_to_kafka_after_a_rebalance() -> None:
    async def kept_elsewhere(_: Iterable[TP]) -> Mapping[TP, int]:
        return {}

    consumer = scripted([], kept_elsewhere)
    consumer.kept = {QUIET: 7, BUSY: 9}
    await consumer.perform_seek()
    assert await consumer.force_commit()
    assert consumer.told == {QUIET: 7, BUSY: 9}
    assert not await consumer.force_commit()


async def test_a_partition_that_was_never_committed_is_after_a_rebalance() -> None:
    consumer = scripted([], None)
    consumer.kept = {QUIET: 0}
    await consumer.perform_seek()
    assert await consumer.force_commit()
    assert consumer.told == {QUIET: 0}
    assert not await consumer.force_commit()


async def test_nothing_is_committed_of_a_partition_that_is_not_owned_any_more() -> None:
    consumer = scripted([], None)
    consumer.kept = {QUIET: 7, BUSY: 9}
    await consumer.perform_seek()
    consumer.owned = {BUSY}
    assert await consumer.force_commit()
    assert consumer.told == {BUSY: 9}
    consumer.owned = set()
    consumer._done[BUSY] = 10
    assert not await consumer.force_commit()
    consumer.owned = None
    assert await consumer.force_commit()
    assert consumer.told == {QUIET: 7, BUSY: 10}, "what had to wait is told as well"


async def test_fetches_wait_for_many_records_while_many_flow_and_for_the_first_else() -> None:
    many = [Raw(offset=offset) for offset in range(4, 104)]
    consumer = scripted([{QUIET: many}, {QUIET: [Raw(offset=104)]}], None)
    consumer._next = {QUIET: 4}
    await consumer._drain_messages(consumer)
    assert cast("Any", consumer._thread).dense == [True, True, True]
    few = scripted([{QUIET: [Raw(offset=4)]}, {}], None)
    few._next = {QUIET: 4}
    await few._drain_messages(few)
    assert cast("Any", few._thread).dense == [False, False, False]


async def test_a_batch_that_found_no_room_before_a_rebalance_is_waited_for_no_more() -> None:
    consumer = scripted([{QUIET: [Raw(offset=4)]}, {QUIET: [Raw(offset=5)]}], None)
    room: asyncio.Queue[PartitionBatch] = asyncio.Queue(maxsize=1)
    cast("BatchApp", consumer.app).batches = cast("Any", room)
    consumer._next = {QUIET: 4}
    draining = asyncio.create_task(consumer._drain_messages(consumer))
    async with asyncio.timeout(5):
        while consumer._in_flight < 2:
            await asyncio.sleep(0)
    consumer.stop_flow()
    await draining
    assert not consumer._idle.is_set(), "the first is in the agent's hands"
    consumer.settle(room.get_nowait())
    assert consumer._idle.is_set()


class Unsought(ScriptedConsumer):
    """Hears in its first fetch of a partition whose position nobody has sought yet."""

    is_assigned_meanwhile = True
    has_heard = False

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 - Faust's
        if not self.has_heard:
            self.has_heard = True
            if self.is_assigned_meanwhile:
                self._begin_epoch()
            raise NoOffsetForPartitionError(QUIET)
        return await super()._wait_next_records(timeout)


async def test_a_fetch_that_waited_while_partitions_were_assigned_says_nothing_of_positions() -> (
    None
):
    consumer = scripted([], None, Unsought)
    await consumer._drain_messages(consumer)
    assert cast("Unsought", consumer).has_heard


async def test_a_partition_without_a_position_ends_the_worker() -> None:
    consumer = scripted([], None, Unsought)
    cast("Unsought", consumer).is_assigned_meanwhile = False
    with pytest.raises(NoOffsetForPartitionError):
        await consumer._drain_messages(consumer)


async def behind(want: int, fetches: Sequence[Fetch]) -> tuple[list[tuple[int, int]], object]:
    """Tell start and end of the batches that follow `want`, and what was asked for again."""
    consumer = scripted(fetches, positions=None)
    consumer._next = {QUIET: want}
    await consumer._drain_messages(consumer)
    queue: asyncio.Queue[PartitionBatch] = cast("Any", consumer.app).batches
    batches = [queue.get_nowait() for _ in range(queue.qsize())]
    return [(one.start, one.end) for one in batches], cast("Any", consumer._thread).sought


async def test_offsets_that_lack_are_asked_for_again_before_they_count_as_none() -> None:
    late: Fetch = {QUIET: [Raw(offset=7)]}
    assert await behind(5, [late]) == ([], [(QUIET, 5)])
    assert await behind(5, [late, late]) == ([(5, 8)], [(QUIET, 5)])


async def test_a_gap_that_another_answer_closes_loses_nothing() -> None:
    late: Fetch = {QUIET: [Raw(offset=7)]}
    whole: Fetch = {QUIET: [Raw(offset=5), Raw(offset=6), Raw(offset=7)]}
    assert await behind(5, [late, whole]) == ([(5, 8)], [(QUIET, 5)])
    other: Fetch = {QUIET: [Raw(offset=6)]}
    assert await behind(5, [late, other]) == ([], [(QUIET, 5), (QUIET, 5)])


async def test_what_comes_while_the_flow_is_off_is_read_again() -> None:
    consumer = scripted([], positions=None)
    consumer.kept, consumer._next, consumer.flow_active = {QUIET: 5}, {QUIET: 5}, False
    assert consumer._next_batch(QUIET, [Raw(offset=5)], None, is_cut=False) is None
    assert cast("Any", consumer._thread).sought == [(QUIET, 5)]
    assert consumer._next == {QUIET: 5}
