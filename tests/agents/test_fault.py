"""What a process that ends of a fault says, and with which code."""

from __future__ import annotations

import logging
import os

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)

from bus.agents.fault import stop_process
from bus.errors import Fenced, Unavailable
from bus.process.exit_codes import EXIT_FAULT, EXIT_FENCED, EXIT_UNAVAILABLE


@pytest.mark.parametrize(
    ("problem", "code", "is_traced"),
    [
        (KafkaConnectionError("no broker"), EXIT_UNAVAILABLE, False),
        (NotLeaderForPartitionError(), EXIT_UNAVAILABLE, False),
        (KafkaTimeoutError(), EXIT_UNAVAILABLE, False),
        (Unavailable("no database"), EXIT_UNAVAILABLE, False),
        (Fenced("moved"), EXIT_FENCED, False),
        (TopicAuthorizationFailedError(), EXIT_FAULT, True),
        (ZeroDivisionError(), EXIT_FAULT, True),
    ],
)
def test_an_outage_is_not_told_as_a_fault_of_the_bus(
    problem: Exception,
    code: int,
    is_traced: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with caplog.at_level(logging.CRITICAL):
        stop_process("here", problem)
    assert ended == [code]
    (told,) = caplog.records
    assert f"worker.stopped where=here exit={code}" in told.getMessage()
    assert bool(told.exc_info) is is_traced
