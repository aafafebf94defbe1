"""An outage of Kafka ends any process of the bus as one, and not as a fault of the bus."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)

from bus.errors import Unavailable
from bus.gateway import process as gateway
from bus.keeper import process as keeper
from bus.process.exit_codes import EXIT_FAULT, EXIT_UNAVAILABLE

MAINS: dict[str, Callable[[], None]] = {
    "gateway": lambda: gateway.main([]),
    "keeper": lambda: keeper.main([]),
}


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gateway, keeper):
        monkeypatch.setattr(module, "configure_logging", lambda _: None)


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize(
    ("problem", "code", "is_traced"),
    [
        (KafkaConnectionError("no broker"), EXIT_UNAVAILABLE, False),
        (NotLeaderForPartitionError(), EXIT_UNAVAILABLE, False),
        (KafkaTimeoutError(), EXIT_UNAVAILABLE, False),
        (Unavailable("no database"), EXIT_UNAVAILABLE, False),
        (TopicAuthorizationFailedError(), EXIT_FAULT, True),
        (ZeroDivisionError(), EXIT_FAULT, True),
    ],
)
def test_an_outage_while_a_process_starts_is_no_fault_of_the_bus(
    name: str,
    problem: Exception,
    code: int,
    is_traced: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise problem

    for module in (gateway, keeper):
        monkeypatch.setattr(module, "run", fails)
    with caplog.at_level(logging.CRITICAL), pytest.raises(SystemExit) as ended:
        MAINS[name]()
    assert ended.value.code == code
    (told,) = caplog.records
    assert f"{name}.stopped exit={code}" in told.getMessage()
    assert bool(told.exc_info) is is_traced
