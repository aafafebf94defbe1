"""A PostgreSQL, and a database of its own for each test, as the fund's tests have it."""

from __future__ import annotations

from tests.fund.conftest import empty_dsn, postgres, session

__all__ = ["empty_dsn", "postgres", "session"]
