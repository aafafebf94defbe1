"""A consumer to which nothing can come any more looks idle; its readers must not take it so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bus.client.lookout import Lookout
from bus.errors import Unavailable
from bus.kafka.catalogue_topic import CatalogueReader
from bus.kafka.cluster import Cluster

NOWHERE = Cluster(bootstrap="nowhere:1", ca_file=Path("none"), principal="p", password="p")


class SilentConsumer:
    """Gives nothing; stands for aiokafka's, whose fetching task has ended or goes on."""

    def __init__(self, *, is_fetching: bool) -> None:
        task = asyncio.get_running_loop().create_future()
        if not is_fetching:
            task.set_result(None)
        self._fetcher = SimpleNamespace(_fetch_task=task)

    async def getmany(self, *_: object, **__: object) -> dict[object, object]:
        return {}

    async def topics(self) -> set[str]:
        return {"accepted.a"}


async def test_a_catalogue_that_can_not_be_followed_any_more_is_a_fault() -> None:
    reader = CatalogueReader(NOWHERE)
    reader._consumer = cast("Any", SilentConsumer(is_fetching=True))
    assert not await reader.read(timeout_ms=0)
    reader._consumer = cast("Any", SilentConsumer(is_fetching=False))
    with pytest.raises(Unavailable, match="fetching has ended"):
        await reader.read(timeout_ms=0)


async def test_a_subscription_to_which_nothing_can_come_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bus.client.lookout._RIGHTS_CHECK_S", 0.0)
    idle: Any = SilentConsumer(is_fetching=True)
    await Lookout(idle, ["accepted.a"], "reading", follow=True).look()
    ended: Any = SilentConsumer(is_fetching=False)
    with pytest.raises(Unavailable, match="fetching has ended"):
        await Lookout(ended, ["accepted.a"], "reading", follow=True).look()
