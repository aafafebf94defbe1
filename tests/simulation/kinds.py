"""The kinds of steps."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final


@unique
class Kind(StrEnum):
    """What happens; the first half is work, the second is what goes wrong."""

    PUBLISH = "publish"
    APPEND = "append"
    ACKNOWLEDGE = "acknowledge"
    FETCH = "fetch"
    JUDGE = "judge"
    SETTLE = "settle"
    COMMIT = "commit"
    TAKE = "take"
    WORK = "work"
    COMMIT_TRANSACTION = "commit-transaction"
    CONSUME = "consume"
    COMMIT_CONSUMED = "commit-consumed"
    SWEEP = "sweep"
    KILL_PUBLISHER = "kill-publisher"
    APPEND_AGAIN = "append-again"
    REFUSE = "refuse"
    ARRIVE_LATE = "arrive-late"
    KILL = "kill"
    FREEZE = "freeze"
    REBALANCE = "rebalance"
    LOSE_COMMIT = "lose-commit"
    DATABASE_DOWN = "database-down"
    EVICT = "evict"
    KILL_CONSUMER = "kill-consumer"
    SWAP = "swap"
    ADOPT = "adopt"
    JUMP = "jump"
    MARK = "mark"


WORK: Final = tuple(Kind)[: tuple(Kind).index(Kind.KILL_PUBLISHER)]
FAULTS: Final = tuple(Kind)[len(WORK) :]
