"""A proxy between clients and engines on loopback, which can hurt every connection through it.

`TcpLink` passes bytes, `KafkaLinks` speaks Kafka's frames over TLS. A fault is put on a link with
`apply` and taken off with `lift`; without one a link passes everything on.
"""

from tests.proxy.faults import (
    Cut,
    Direction,
    Fault,
    HalfClosed,
    HoldProduce,
    LateAnswers,
    Latency,
    LoseAnswers,
    LoseRequests,
    OneWay,
    Reset,
    Slow,
)
from tests.proxy.kafka import KafkaLink, KafkaLinks
from tests.proxy.link import Link, TcpLink
from tests.proxy.switch import Counters

__all__ = [
    "Counters",
    "Cut",
    "Direction",
    "Fault",
    "HalfClosed",
    "HoldProduce",
    "KafkaLink",
    "KafkaLinks",
    "LateAnswers",
    "Latency",
    "Link",
    "LoseAnswers",
    "LoseRequests",
    "OneWay",
    "Reset",
    "Slow",
    "TcpLink",
]
