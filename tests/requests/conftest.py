"""The gateway's routes of data requests on a real PostgreSQL, without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bus.audit.notes import create_audit_tables
from bus.fund.tables import apply_tables
from bus.postgres.session import Session
from tests.factories import DATASET
from tests.fund.conftest import empty_dsn, postgres, session
from tests.requests.ground import LAYOUTS, World, served

__all__ = ["empty_dsn", "postgres", "session"]


@pytest.fixture
async def dsn(empty_dsn: str, session: Session) -> str:
    await create_audit_tables(session)
    await apply_tables(session, {DATASET: LAYOUTS[DATASET]})
    return empty_dsn


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with served(dsn) as made:
        yield made
