"""The roles of processes; apart from what they do, so that a supervisor starts without Faust."""

from __future__ import annotations

from enum import StrEnum, unique

from bus.wire import topics


@unique
class Door(StrEnum):
    """What a process does that is no worker: it has no group, and there is one of a home."""

    GATEWAY = "gateway"
    KEEPER = "keeper"
    """Keeps rights."""
    PROBE = "probe"
    """Sends itself records, to see that the bus works."""

    @property
    def module(self) -> str:
        """The module that is run."""
        return f"bus.{self}.process"


@unique
class Role(StrEnum):
    """What a worker does; each role is one consumer group."""

    ENFORCE = "enforce"
    FUND = "fund"
    QUARANTINE = "quarantine"

    @property
    def group(self) -> str:
        """Kafka consumer group of all workers of the role."""
        return {
            Role.ENFORCE: topics.ENFORCE_GROUP,
            Role.FUND: topics.FUND_GROUP,
            Role.QUARANTINE: topics.QUARANTINE_GROUP,
        }[self]
