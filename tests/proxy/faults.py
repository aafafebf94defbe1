"""What can befall a link: one fault at a time, for connections that stand and for new ones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@unique
class Direction(Enum):
    """Which way bytes go through a link."""

    TO_ENGINE = "to_engine"
    TO_CLIENT = "to_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Bytes come later, each way, in their order."""

    seconds: float
    jitter: float = 0.0
    """Drawn for each piece: seconds ± this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Each connection passes no more than this, each way."""

    bytes_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Connections are reset, and so are new ones at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Connections are reset, once: the link is clean at once, there is nothing to lift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """Bytes of one direction do not arrive; new connections get no answer.

    When it is lifted, connections of which something was swallowed are reset, the others live on.
    """

    swallowed: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfClosed:
    """The engine sees its connections reset, the client sees silence; so do new connections.

    When it is lifted, the silent connections are reset.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldProduce:
    """Produce requests wait, and so does what comes behind them, until it is lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseRequests:
    """A produce request is dropped and its connection reset before the broker saw it."""

    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAnswers:
    """The broker's answer to a produce request is dropped, and the connection reset.

    The records are written, and the client does not know.
    """

    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswers:
    """Answers to produce requests come later, and so does what comes behind them."""

    seconds: float


ProduceFault = HoldProduce | LoseRequests | LoseAnswers | LateAnswers
"""Only a link that knows Kafka's frames can do these."""
Fault = Latency | Slow | Cut | Reset | OneWay | HalfClosed | ProduceFault
