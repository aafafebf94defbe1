"""Control runs: the bus with one of its guarantees taken away, which a run is to notice.

`BUS_CHAOS_BROKEN` names what is taken away, in the workers (`python -m tests.chaos.controls ROLE …`
stands for `python -m bus.agents.worker ROLE …`), in producers and in consumers. `BUS_CHAOS_STAGE`
names the control whose stage is set: what makes the want of a guarantee show, and harms nothing by
itself. The product knows nothing of either.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from enum import StrEnum, unique
from typing import Any, Final

from faust.types import TP

from bus.agents import consumer_thread, enforce, transport, worker
from bus.agents.transport import BatchConsumer
from bus.client import own_log, proof, sending
from bus.enforce import judge
from bus.fund import store as fund_store
from bus.model.identifiers import RecordId
from bus.model.record import Envelope, Headers
from bus.postgres.positions import Done, Span, fenced
from bus.postgres.session import Session, translated
from bus.quarantine import store as quarantine_store
from bus.wire import envelope
from bus.wire.envelope import Arranged, Flaw
from bus.wire.header_names import SIGNED
from bus.wire.signature import BATCH_LEAVES_MAX
from tests.chaos.anomaly import Name
from tests.chaos.history import Sent

VARIABLE: Final = "BUS_CHAOS_BROKEN"
STAGE: Final = "BUS_CHAOS_STAGE"
_IN_HAND_S: Final = 0.5


@unique
class Broken(StrEnum):
    """Guarantees that can be taken away."""

    NO_FENCE = "no-fence"
    """Fund and quarantine write whether their positions are where they began or not.

    The stage: they take their time before they do, so that a freeze finds a batch in hand."""
    EARLY_COMMIT = "early-commit"
    """An offset is committed when its outputs are handed over, not when they are durable."""
    PAST_A_GAP = "past-a-gap"
    """A batch that is done is committed though one before it is not.

    The stage: quarantine is led apart from the other outputs (`tests.chaos.leaders`), and batches
    are small: a large one nearly always has a bad record, and none may pass another then."""
    RANDOM_IDS = "random-ids"
    """A record's id is new each time that it is sent."""


NOTICED_AS: Final = {
    Broken.NO_FENCE: Name.SKIPPED,
    Broken.EARLY_COMMIT: Name.LOST,
    Broken.PAST_A_GAP: Name.LOST,
    Broken.RANDOM_IDS: Name.DUPLICATE,
}
"""What a run has to say of each, beside whatever follows from it."""


def environment_of(broken: Broken | None, *, is_whole: bool) -> dict[str, str]:
    """Tell processes what they go without.

    Args:
        broken: What a control run is about; None: this is none.
        is_whole: The stage is set, and nothing taken away.
    """
    if broken is None:
        return {}
    return {STAGE: broken.value} | ({} if is_whole else {VARIABLE: broken.value})


def set_stage(control: Broken) -> None:
    """Let this process work so that the want of a guarantee would show."""
    match control:
        case Broken.NO_FENCE:
            for store in (fund_store, quarantine_store):
                _replace(store, "fenced", _taking_its_time)
        case Broken.PAST_A_GAP:
            for module in (consumer_thread, transport):
                _replace(module, "BATCH_RECORDS_MAX", BATCH_LEAVES_MAX)
        case Broken.EARLY_COMMIT | Broken.RANDOM_IDS:
            pass


def take_away(broken: Broken) -> None:
    """Break this process."""
    match broken:
        case Broken.NO_FENCE:
            for store in (fund_store, quarantine_store):
                _replace(store, "fenced", _unfenced)
        case Broken.EARLY_COMMIT:
            _replace(enforce, "_durable", _at_once)
        case Broken.PAST_A_GAP:
            _replace(enforce._Settler, "add", _settle_alone)
        case Broken.RANDOM_IDS:
            _replace(sending, "record_id", _random_id)
            _replace(judge, "read_envelope", _trusting_read)
            for module in (proof, own_log):
                _replace(module, "parse_envelope", _trusting_parse)


def _replace(owner: object, name: str, new: object) -> None:
    """Put something in place of what is there, and must be: a patch that meets nothing is none."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, new)


def broken_here() -> Broken | None:
    """Tell what this process has to go without, as its environment says."""
    return _named(VARIABLE)


def _named(variable: str) -> Broken | None:
    name = os.environ.get(variable)
    return Broken(name) if name else None


def take_away_what_is_named() -> None:
    """Set the stage in this process, and break it, as its environment says, if it does."""
    control, broken = _named(STAGE), broken_here()
    if control is not None:
        set_stage(control)
    if broken is not None:
        take_away(broken)


def as_told(sent: Sent) -> Sent:
    """Give what a producer writes down: without an id, where ids are made up anew."""
    if broken_here() is not Broken.RANDOM_IDS:
        return sent
    return replace(sent, mark=sent.stamp, record_id=None, supersedes=None)


async def _taking_its_time(
    session: Session, consumer: str, spans: Sequence[Span], work: Callable[[], Awaitable[Done]]
) -> Done:
    await asyncio.sleep(_IN_HAND_S)
    return await fenced(session, consumer, spans, work)


async def _unfenced(
    session: Session, consumer: str, spans: Sequence[Span], work: Callable[[], Awaitable[Done]]
) -> Done:
    await asyncio.sleep(_IN_HAND_S)
    async with translated("a control run"), session.transaction():
        for span in spans:
            await session.execute(
                "UPDATE bus.positions SET next_offset = greatest(next_offset, %(end)s)"
                " WHERE (consumer, topic, partition) = (%(consumer)s, %(topic)s, %(partition)s)",
                {
                    "end": span.end,
                    "consumer": consumer,
                    "topic": span.topic,
                    "partition": span.partition,
                },
            )
        return await work()


async def _at_once(outputs: list[asyncio.Future[object]]) -> None:
    """Wait for nothing; what fails later is nobody's."""
    for output in outputs:
        output.add_done_callback(lambda done: done.cancelled() or done.exception())


_alone: set[asyncio.Task[None]] = set()


async def _settle_alone(settler: enforce._Settler, sent: enforce._Sent) -> None:
    task = asyncio.create_task(_settle(settler, sent))
    _alone.add(task)
    task.add_done_callback(_alone.discard)


async def _settle(settler: enforce._Settler, sent: enforce._Sent) -> None:
    await enforce._durable(sent.outputs)
    consumer: BatchConsumer = settler._app.batch_consumer
    place = TP(sent.batch.topic, sent.batch.partition)
    if consumer._done.get(place, 0) < sent.batch.end:
        consumer.settle(sent.batch)


def _random_id(*_: object) -> RecordId:
    return RecordId(uuid.uuid4().hex)


def _trusting_read(arranged: Arranged, **of: Any) -> Envelope | Flaw:  # noqa: ANN401
    """Read headers, and take the id that they tell for the right one."""
    own = (arranged.signed[SIGNED.index("ce_id")] or b"").decode(errors="replace")
    _replace(envelope, "record_id", lambda *_: RecordId(own))
    return envelope.read_envelope(arranged, **of)


def _trusting_parse(sent: Headers, **of: Any) -> Envelope | Flaw:  # noqa: ANN401
    own = dict(sent).get("ce_id", b"").decode(errors="replace")
    _replace(envelope, "record_id", lambda *_: RecordId(own))
    return envelope.parse_envelope(sent, **of)


if __name__ == "__main__":
    take_away_what_is_named()
    worker.main(sys.argv[1:])
