"""A worker's slot: nobody else's, and free soon after its holder was told to end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bus.agents.worker import take_slot
from bus.errors import DocumentError
from bus.supervise.role import Role


async def test_a_slot_that_stays_taken_is_refused_and_names_its_holder(tmp_path: Path) -> None:
    async with AsyncExitStack() as holder, AsyncExitStack() as other:
        await take_slot(holder, tmp_path, Role.FUND, 0)
        await take_slot(other, tmp_path, Role.FUND, 1, wait_s=0.0)
        with pytest.raises(DocumentError, match="worker fund 0 runs already, as process"):
            await take_slot(other, tmp_path, Role.FUND, 0, wait_s=0.3)


async def test_a_slot_whose_holder_is_ending_is_waited_for(tmp_path: Path) -> None:
    async with AsyncExitStack() as next_one:
        async with AsyncExitStack() as holder:
            await take_slot(holder, tmp_path, Role.FUND, 0)
            waiting = asyncio.create_task(take_slot(next_one, tmp_path, Role.FUND, 0, wait_s=10.0))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        await waiting
