"""A PostgreSQL for the tests, and a fresh database with the fund's tables for each of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.postgres.session import Session, connect
from tests.fund.engine import running_postgres
from tests.fund.samples import LAYOUTS

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def postgres() -> Iterator[str]:
    """Start an engine for the session; give its connection string without a database."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def empty_dsn(postgres: str) -> str:
    """Make a database of this test's own."""
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
    return f"{postgres} dbname={name}"


@pytest.fixture
async def session(empty_dsn: str) -> AsyncIterator[Session]:
    """Look into the database, beside the code under test."""
    opened = await connect(empty_dsn, "test")
    yield opened
    await opened.close()


@pytest.fixture
async def dsn(empty_dsn: str, session: Session) -> str:
    """Make the fund's tables for the sample dataset."""
    await apply_tables(session, LAYOUTS)
    return empty_dsn


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[FundStore]:
    """Open a worker's store."""
    opened = await FundStore.open(dsn, LAYOUTS)
    yield opened
    await opened.close()


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[FundReader]:
    """Open a reader."""
    opened = await FundReader.open(dsn, LAYOUTS)
    yield opened
    await opened.close()
