"""A process that sends prepared records, no further ahead of the fund than it is told.

    python -m tests.bench.sending AHEAD FILE...

It connects as the administrator, who may write every agency's topic, with librdkafka: three to
five microseconds of CPU a record. `AHEAD` records at most are sent and not yet in the fund; 0: no
limit. Its last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from confluent_kafka import Producer

from bus.settings import read_settings
from bus.wiring import Installation
from tests.bench.load import Record, read

_LOOK_AGAIN_S: Final = 0.02
_ROOM_AGAIN_S: Final = 0.2
_FLUSH_S: Final = 120.0
_TAKEN: Final = "SELECT coalesce(sum(history), 0) FROM bus.fund_counters"
_BAD_SHARE: Final = 0.01


def main(arguments: Sequence[str]) -> None:
    """Send, and tell when the first record was sent and the last one acknowledged."""
    ahead, files = int(arguments[0]), [Path(one) for one in arguments[1:]]
    installation = Installation(read_settings())
    producer = Producer(
        {
            **installation.cluster_as_admin().confluent_options(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 20,
            "batch.num.messages": 256,
            "batch.size": 900_000,
            "queue.buffering.max.kbytes": 131_072,
        }
    )
    with psycopg.connect(installation.fund_dsn(), autocommit=True) as session:
        given = _send(producer, files, _Valve(session, ahead))
    if producer.flush(_FLUSH_S):
        raise RuntimeError("the broker did not take everything")
    sys.stdout.write(json.dumps({**given, "ended_s": time.time()}) + "\n")


def _send(producer: Producer, files: Sequence[Path], valve: _Valve) -> dict[str, Any]:
    began_s, sent = time.time(), 0
    for file in files:
        for topic, partition, records in read(file):
            valve.wait(sent, lambda: producer.poll(_LOOK_AGAIN_S))
            for record in records:
                _produce(producer, topic, partition, record)
            producer.poll(0)
            sent += len(records)
    return {"began_s": began_s, "sent": sent}


def _produce(producer: Producer, topic: str, partition: int, record: Record) -> None:
    key, value, headers = record
    # Why cast: a list of pairs is what it takes, though of a wider type than ours.
    given = cast("Any", headers)
    while True:
        try:
            producer.produce(topic, value, key, partition, headers=given)
        except BufferError:
            producer.poll(_ROOM_AGAIN_S)
        else:
            return


class _Valve:
    """Holds the sending back while the fund is too far behind."""

    def __init__(self, session: psycopg.Connection[tuple[Any, ...]], ahead: int) -> None:
        self._session = session
        self._ahead = ahead
        self._before = self._taken() if ahead else 0
        self._seen = 0

    def wait(self, sent: int, meanwhile: Callable[[], object]) -> None:
        """Wait until fewer than `ahead` records are on their way."""
        while self._ahead and sent * (1 - _BAD_SHARE) - self._seen > self._ahead:
            self._seen = self._taken() - self._before
            if sent * (1 - _BAD_SHARE) - self._seen > self._ahead:
                meanwhile()

    def _taken(self) -> int:
        row = self._session.execute(_TAKEN).fetchone()
        assert row is not None, "a sum has a row"
        return int(row[0])


if __name__ == "__main__":
    main(sys.argv[1:])
