"""A PostgreSQL for the marts: one database with the fund's tables for the tests of each file."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.marts.reconcile import connect_marts
from bus.postgres.session import Session, connect
from tests.fund.conftest import empty_dsn, postgres
from tests.marts.samples import LAYOUTS, PLACE, ROLE

__all__ = ["empty_dsn", "postgres"]

Reader = psycopg.Connection[tuple[object, ...]]

_NUMBERS = itertools.count(1)
_EMPTY = """
TRUNCATE current.schools, history.schools, past.schools, bus.positions, bus.fund_counters, bus.held,
    bus.watermarks;
DROP VIEW IF EXISTS public.titles
"""


@pytest.fixture(scope="module")
def filled_dsn(postgres: str) -> Iterator[str]:
    """Make a database with the fund's tables."""
    name = f"marts_{next(_NUMBERS)}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as own:
        own.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = f"{postgres} dbname={name}"
    asyncio.run(_apply_tables(dsn))
    yield dsn
    remove_roles(dsn)


async def _apply_tables(dsn: str) -> None:
    session = await connect(dsn, "test")
    await apply_tables(session, LAYOUTS)
    await session.close()


def remove_roles(dsn: str) -> None:
    """Remove what tests made for the whole server, and end who is logged in with it."""
    with psycopg.connect(dsn, autocommit=True) as own:
        names = "rolname LIKE 'mart\\_%' OR rolname IN ('stranger', 'weak')"
        found = own.execute(f"SELECT rolname FROM pg_roles WHERE {names}").fetchall()
        for (role,) in found:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
            own.execute(ended, [role])
            for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
                own.execute(sql.SQL(statement).format(sql.Identifier(role)))
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mart\\_%'"
        for (schema,) in own.execute(schemas).fetchall():
            own.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


@pytest.fixture
def dsn(filled_dsn: str) -> Iterator[str]:
    """Give the database, and leave it as it was found."""
    yield filled_dsn
    remove_roles(filled_dsn)
    with psycopg.connect(filled_dsn, autocommit=True) as own:
        own.execute(_EMPTY)


@pytest.fixture
async def session(dsn: str) -> AsyncIterator[Session]:
    """Reconcile marts and look into the database."""
    opened = await connect_marts(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[FundStore]:
    """Write to the fund."""
    opened = await FundStore.open(dsn, LAYOUTS)
    await opened.positions({PLACE: 0})
    yield opened
    await opened.close()


@pytest.fixture
def log_in(dsn: str) -> Iterator[Callable[[], Reader]]:
    """Give sessions of the consumer's role."""
    opened: list[Reader] = []

    def connected() -> Reader:
        opened.append(psycopg.connect(dsn, user=ROLE, autocommit=True))
        return opened[-1]

    yield connected
    for one in opened:
        one.close()


@pytest.fixture
async def alone(empty_dsn: str) -> AsyncIterator[Session]:
    """Give a database of this test's own, with the fund's tables."""
    await _apply_tables(empty_dsn)
    opened = await connect_marts(empty_dsn)
    yield opened
    await opened.close()
    remove_roles(empty_dsn)
