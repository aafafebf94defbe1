"""The fund's database fixtures, and a keeper of the quarantine table."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bus.quarantine.store import QuarantineStore
from tests.fund.conftest import dsn, empty_dsn, postgres, session, store

__all__ = ["dsn", "empty_dsn", "keeper", "postgres", "session", "store"]


@pytest.fixture
async def keeper(dsn: str) -> AsyncIterator[QuarantineStore]:
    """Open a worker's store of the quarantine."""
    opened = await QuarantineStore.open(dsn)
    yield opened
    await opened.close()
