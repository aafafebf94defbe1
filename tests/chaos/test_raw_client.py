from __future__ import annotations

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, NotEnoughReplicasError

from bus.provision.topic_plan import INBOUND_BYTES_MAX
from tests.chaos.history import Outcome
from tests.chaos.raw_client import REQUEST_BYTES_MAX, TOO_LARGE_BYTES, outcome_of_too_large


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (MessageSizeTooLargeError(), Outcome.FAIL),
        (KafkaTimeoutError(), Outcome.INFO),
        (NotEnoughReplicasError(), Outcome.INFO),
        (ConnectionResetError(), Outcome.INFO),
        (None, Outcome.OK),
    ],
)
def test_only_a_refusal_for_its_size_is_certain(
    problem: BaseException | None, outcome: Outcome
) -> None:
    assert outcome_of_too_large(problem) is outcome


def test_the_broker_is_asked_and_refuses() -> None:
    """A client that knows the limit would answer by itself."""
    assert INBOUND_BYTES_MAX < TOO_LARGE_BYTES < REQUEST_BYTES_MAX
