"""One producer without the bus's client: one send of each record, and what Kafka said of each.

`python -m tests.chaos.raw_client HISTORY` sends until it is told to end. What is not acknowledged
is not sent again but now and then, so that doubt stays in the history. Some records are not what
the bus takes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from bus.catalogue.snapshot import locked_schema_id
from bus.client import BatchSigner
from bus.contracts.encode import encoder
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.model.identifiers import RecordId
from bus.model.record import Envelope, Lane, Operation
from bus.process.ending import listen_for_the_end
from bus.provision.topic_plan import INBOUND_BYTES_MAX
from bus.settings import read_settings
from bus.wire import topics
from bus.wire.headers import compose, format_time
from bus.wire.record_id import record_id
from bus.wire.signature import BATCH_LEAVES_MAX
from bus.wiring import Installation
from tests.chaos.controls import Broken, as_told, broken_here
from tests.chaos.history import Fate, HistoryWriter, Outcome, Sent, read_events
from tests.chaos.traffic import CENTRES, stamp_of
from tests.factories import Raw, signed

logger = logging.getLogger(__name__)

ROUND_RECORDS: Final = 2_500
ROUNDS_PER_S: Final = 1.0
_BAD_EACH: Final = 24
_TWICE_EACH: Final = 10
_TOO_LARGE_EACH: Final = 10
TOO_LARGE_BYTES: Final = INBOUND_BYTES_MAX + 1024
REQUEST_BYTES_MAX: Final = 2 * INBOUND_BYTES_MAX
"""More than the record has, so that it is the broker that is asked whether it takes it."""
_BATCH_BYTES_MAX: Final = 256 * 1024
AGAIN_S: Final = 0.5


class RawClient:
    """Makes records of the party that has no publisher."""

    def __init__(self, installation: Installation) -> None:
        credentials = installation.credentials(CENTRES.system)
        self.cluster = installation.cluster_with(credentials)
        self._signer = BatchSigner(credentials.key_id, credentials.private_key)
        self._topic = topics.inbound(CENTRES.agency, CENTRES.dataset)

    async def learn(self) -> None:
        """Read how values of the dataset are written."""
        async with CatalogueReader(self.cluster) as reader:
            await reader.read_to_end()
            snapshot = reader.snapshot()
        assert snapshot is not None
        region = snapshot.region
        contract = region.contracts[CENTRES.dataset]
        self._schema_id = locked_schema_id(region, CENTRES.dataset, contract.newest.number)
        schema: Mapping[str, Any] = contract.newest.schema
        self._encode = encoder(schema, self._schema_id)
        self._defaults = {
            field["name"]: field["default"] for field in schema["fields"] if "default" in field
        }

    def round(self, number: int) -> tuple[list[Sent], list[Raw]]:
        """Make one round of records, signed by the batch; some are bad, each in its own way."""
        unsigned = [self._raw(number, place) for place in range(ROUND_RECORDS)]
        raws = [
            raw
            for first in range(0, ROUND_RECORDS, BATCH_LEAVES_MAX)
            for raw in signed(unsigned[first : first + BATCH_LEAVES_MAX], self._signer)
        ]
        sent = []
        for place, raw in enumerate(raws):
            fate = Fate.QUARANTINED if place % _BAD_EACH == 0 else Fate.ACCEPTED
            if fate is Fate.QUARANTINED:
                raws[place] = spoilt(raw, place // _BAD_EACH)
            sent.append(self._sent(number, place, fate))
        return sent, raws

    def _raw(self, number: int, place: int) -> Raw:
        key = f"{CENTRES.prefix}-{number}-{place}"
        envelope = Envelope(
            record_id=self._record_id(key),
            agency=CENTRES.agency,
            system=CENTRES.system,
            event_time=format_time(int(time.time() * 1000)),
            schema_id=self._schema_id,
            operation=Operation.CREATE,
            version=1,
            supersedes=None,
            lane=Lane.LIVE,
            resolves=None,
        )
        value = self._encode({**self._defaults, **CENTRES.row(key, stamp_of(key, 1), place)})
        return Raw(
            topic=self._topic,
            key=key.encode(),
            value=value,
            headers=compose(envelope, CENTRES.dataset),
        )

    @staticmethod
    def _record_id(key: str) -> RecordId:
        if broken_here() is Broken.RANDOM_IDS:
            return RecordId(uuid.uuid4().hex)
        return record_id(CENTRES.agency, CENTRES.dataset, key, 1, Operation.CREATE)

    def _sent(self, number: int, place: int, fate: Fate) -> Sent:
        key = f"{CENTRES.prefix}-{number}-{place}"
        own = record_id(CENTRES.agency, CENTRES.dataset, key, 1, Operation.CREATE)
        return Sent(
            mark=own,
            process=f"{CENTRES.system}.raw",
            agency=CENTRES.agency,
            dataset=CENTRES.dataset,
            key=key,
            version=1,
            record_id=own,
            stamp=stamp_of(key, 1),
            fate=fate,
        )

    async def send(self, producer: AIOKafkaProducer, history: HistoryWriter, number: int) -> None:
        """Send one round; what is not acknowledged stays in doubt, but for some that go again."""
        attempts = 1 + (number % _TWICE_EACH == 0)
        told, raws = self.round(number)
        sent = [as_told(one) for one in told]
        for attempt in range(attempts):
            if attempt and broken_here() is Broken.RANDOM_IDS:
                _, raws = self.round(number)
            history.invoke(sent, at_ms=_now_ms())
            outcomes = await self._attempt(producer, raws)
            for outcome in (Outcome.OK, Outcome.INFO):
                marks = [
                    one.mark for one, got in zip(sent, outcomes, strict=True) if got is outcome
                ]
                if marks:
                    history.end(outcome, marks, at_ms=_now_ms())

    async def send_too_large(self, history: HistoryWriter, number: int) -> None:
        """Send what the topic does not take: a record that certainly fails.

        By a producer of its own, without sequence numbers: to one that has them a refused batch is
        a gap, behind which the broker takes nothing any more.
        """
        sent, raw = self.too_large(number)
        async with AIOKafkaProducer(
            acks="all",
            enable_idempotence=False,
            max_request_size=REQUEST_BYTES_MAX,
            **self.cluster.aiokafka_options(),
        ) as producer:
            history.invoke([as_told(sent)], at_ms=_now_ms())
            sending = await producer.send(
                raw.topic, key=raw.key, value=raw.value, headers=list(raw.headers)
            )
            await asyncio.wait({sending})
            outcome = outcome_of_too_large(sending.exception())
            history.end(outcome, [as_told(sent).mark], at_ms=_now_ms())

    def too_large(self, number: int) -> tuple[Sent, Raw]:
        """Make one record that is sound but for its size."""
        raw = self._raw(number, ROUND_RECORDS)
        value = (raw.value or b"").ljust(TOO_LARGE_BYTES, b"\0")
        (raw,) = signed([replace(raw, value=value)], self._signer)
        return self._sent(number, ROUND_RECORDS, Fate.QUARANTINED), raw

    async def _attempt(self, producer: AIOKafkaProducer, raws: Sequence[Raw]) -> list[Outcome]:
        futures = [
            await producer.send(raw.topic, key=raw.key, value=raw.value, headers=list(raw.headers))
            for raw in raws
        ]
        answers = await asyncio.gather(*futures, return_exceptions=True)
        # Why never FAIL: what timed out here may have been written all the same.
        return [Outcome.INFO if isinstance(one, BaseException) else Outcome.OK for one in answers]


def outcome_of_too_large(problem: BaseException | None) -> Outcome:
    """Tell how a record that is too large ended, by what its producer met.

    Only the broker's own word is certain; it says the same of each attempt, those before too.
    """
    if problem is None:
        return Outcome.OK
    return Outcome.FAIL if isinstance(problem, MessageSizeTooLargeError) else Outcome.INFO


def spoilt(raw: Raw, way: int) -> Raw:
    """Damage a signed record in one of several ways; its id stays readable."""
    match way % 4:
        case 0:
            return replace(raw, headers=[one for one in raw.headers if one[0] != "bus_sig"])
        case 1:
            return replace(raw, value=(raw.value or b"") + b"\0")
        case 2:
            return replace(raw, value=(raw.value or b"")[:-1])
        case _:
            return replace(raw, key=(raw.key or b"") + b"-other")


async def send_until_told(path: Path, installation: Installation) -> None:
    """Send round after round; a fault makes a new producer."""
    ending = asyncio.Event()
    listen_for_the_end(ending)
    client = RawClient(installation)
    number = next_round(path)
    with HistoryWriter(path) as history:
        while not ending.is_set():
            try:
                await client.learn()
                async with AIOKafkaProducer(
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=5,
                    max_batch_size=_BATCH_BYTES_MAX,
                    **client.cluster.aiokafka_options(),
                ) as producer:
                    while not ending.is_set():
                        await client.send(producer, history, number)
                        if number % _TOO_LARGE_EACH == 0:
                            await client.send_too_large(history, number)
                        number += 1
                        await asyncio.sleep(1 / ROUNDS_PER_S)
            except (Unavailable, KafkaError, OSError) as problem:
                logger.warning("again problem=%r", problem)
                number += 1
                await asyncio.sleep(AGAIN_S)


def next_round(path: Path) -> int:
    """Tell the first round that was never begun."""
    if not path.exists():
        return 0
    begun = [event.sent.key for event in read_events(path) if event.sent is not None]
    return max((int(key.split("-")[1]) for key in begun), default=-1) + 1


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def main(arguments: list[str]) -> None:
    """Send as the party that has no publisher."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(send_until_told(Path(arguments[0]), Installation(read_settings())))


if __name__ == "__main__":
    main(sys.argv[1:])
