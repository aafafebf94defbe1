"""What a consumer with bad intentions can do in its mart: read what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from bus.catalogue.agreement import Condition, ConditionOperator
from bus.fund.store import FundStore
from bus.marts.reconcile import connect_marts, reconcile_marts
from bus.marts.wanted import CONNECTIONS_MAX
from bus.model.identifiers import AgencyCode
from tests.marts.conftest import Reader
from tests.marts.samples import LAYOUTS, PLACE, PROVIDERS, ROLE, agreement, batch, marts, record

SECRET = "Hidden away"
ROWS = (
    Condition(field="oktmo", op=ConditionOperator.TERRITORY, values=("36701000",)),
    Condition(field="places", op=ConditionOperator.AT_LEAST, values=("1",)),
)


@pytest.fixture(scope="module")
def mart(filled_dsn: str) -> str:
    """Give one row without its title, and hide another, for all tests of this file."""
    asyncio.run(_make(filled_dsn))
    return filled_dsn


async def _make(dsn: str) -> None:
    store = await FundStore.open(dsn, LAYOUTS)
    await store.positions({PLACE: 0})
    given = record("1", 1, fields={"oktmo": "36701305", "title": "Given", "places": 1})
    hidden = record("2(", 1, fields={"oktmo": "36701305", "title": SECRET, "places": 0})
    away = record("3", 1, fields={"oktmo": "36740000", "title": SECRET, "places": 5})
    await store.apply([batch(0, [given, hidden, away])])
    await store.close()
    session = await connect_marts(dsn)
    fields = ("registry_number", "places", "oktmo")
    other = agreement("other", consumer=AgencyCode("tax-samara"))
    await reconcile_marts(session, marts(agreement(rows=ROWS, fields=fields), other))
    await session.close()


@pytest.fixture
def reader(mart: str) -> Iterator[Reader]:
    """Log in as the consumer."""
    with psycopg.connect(mart, user=ROLE, autocommit=True) as opened:
        yield opened


def refused(reader: Reader, statement: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        reader.execute(statement)
    return caught.value.sqlstate or ""


def test_the_consumer_reads_its_rows_and_fields(reader: Reader) -> None:
    rows = reader.execute("SELECT registry_number, places, oktmo FROM schools").fetchall()
    assert rows == [("1", 1, "36701305")]
    columns = reader.execute("SELECT * FROM schools LIMIT 0").description or []
    assert "title" not in [column.name for column in columns]


@pytest.mark.parametrize(
    "guess",
    [
        "'x' !~ registry_number",  # cheaper than the view's own conditions
        "1 / places = 1",
        "1 / (places - 0) > 0",
        "CAST(oktmo AS int) > 0 AND 1 / (CASE WHEN oktmo = '36740000' THEN 0 ELSE 1 END) = 1",
        "registry_number::int > 0",
    ],
)
@pytest.mark.parametrize("of", ["schools", "schools_history", "schools_as_of()"])
def test_a_condition_that_fails_at_a_hidden_row_never_sees_it(
    reader: Reader, guess: str, of: str
) -> None:
    assert len(reader.execute(f"SELECT FROM {of} WHERE {guess}").fetchall()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT * FROM current."schools"',
        'SELECT * FROM history."schools"',
        'SELECT * FROM past."schools"',
        "SELECT * FROM bus.held",
        "SELECT bus.complete_before('schools', NULL, NULL, true)",
        'SELECT * FROM "mart_tax-samara".schools',
        'SELECT * FROM "mart_tax-samara".schools_as_of()',
        'SET ROLE "mart_tax-samara"',
        "SET log_statement = 'none'",
        "SET SESSION AUTHORIZATION bus",
        "COPY schools TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bus'",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
    ],
)
def test_nothing_else_is_in_reach(reader: Reader, statement: str) -> None:
    assert refused(reader, statement) == "42501"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE kept (a int)",
        "CREATE TABLE kept (a int)",
        "CREATE TABLE public.kept (a int)",
        "CREATE FUNCTION cheap(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END'",
        "CREATE SCHEMA kept",
        "INSERT INTO schools (key) VALUES ('3')",
        "UPDATE schools SET places = 3",
        "DELETE FROM schools",
        "SELECT lo_create(0)",
        "ALTER VIEW schools RESET (security_barrier)",
        "DROP VIEW schools",
    ],
)
def test_nothing_is_made_or_changed(reader: Reader, statement: str) -> None:
    reader.execute("SET default_transaction_read_only = off")
    assert refused(reader, statement) in {"42501", "42809"}


def test_the_path_of_a_function_is_pinned(reader: Reader) -> None:
    reader.execute("SET search_path = pg_temp, public")
    rows = reader.execute('SELECT key FROM "mart_health-samara".schools_as_of()').fetchall()
    assert rows == [("1",)]


def test_a_value_is_never_read_as_sql(reader: Reader) -> None:
    for hostile in ("'; DROP VIEW schools; --", "\\", '"', "%s", "{}", "$1"):
        question = "SELECT FROM schools_as_of(of_key => %s, of_agency => %s)"
        assert reader.execute(question, [hostile, hostile]).fetchall() == []
    question = "SELECT key FROM schools_as_of(of_key => %s, of_agency => %s)"
    assert reader.execute(question, ["1", PROVIDERS[0]]).fetchall() == [("1",)]


def test_sessions_begin_with_limits_and_only_so_many_at_once(reader: Reader, mart: str) -> None:
    shown = {
        name: reader.execute(f"SHOW {name}").fetchone()
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "log_statement")
    }
    assert shown == {
        "statement_timeout": ("5min",),
        "idle_in_transaction_session_timeout": ("1min",),
        "log_statement": ("all",),
    }
    with ExitStack() as opened:
        for _ in range(CONNECTIONS_MAX - 1):
            opened.enter_context(psycopg.connect(mart, user=ROLE))
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(mart, user=ROLE)


def test_a_moment_that_the_fund_is_not_complete_to_is_refused_or_marked(
    reader: Reader, mart: str
) -> None:
    question = "SELECT key, complete_before FROM schools_as_of({})"
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    assert reader.execute(question.format("")).fetchall() == [("1", None)]
    asked = f"bus_known_at => '{moment.isoformat()}'"
    assert refused(reader, question.format(asked)) == "55000"
    session = psycopg.connect(mart, autocommit=True)
    session.execute("INSERT INTO bus.watermarks VALUES ('schools', '2026-10-31')")
    assert refused(reader, question.format(asked)) == "55000"
    asked_valid = f"valid_at => '{moment.isoformat()}'"
    assert refused(reader, question.format(asked_valid)) == "55000"
    marked = reader.execute(question.format(f"{asked_valid}, incomplete => true")).fetchall()
    assert marked == [("1", datetime(2026, 10, 31, tzinfo=UTC))]
    session.execute("UPDATE bus.watermarks SET complete_before = '2026-11-01'")
    assert reader.execute(question.format(asked)).fetchall() == []
    assert reader.execute(question.format(asked_valid)).fetchall()
    assert refused(reader, question.format("valid_at => 'tomorrow', incomplete => true")) == "22023"
    session.execute("DELETE FROM bus.watermarks")
    session.close()


def test_the_servers_log_tells_statements_and_neither_bound_values_nor_rows(
    reader: Reader, postgres: str
) -> None:
    reader.execute("SELECT key AS told FROM schools WHERE registry_number = %s", ["bound value"])
    assert refused(reader, "SELECT (oktmo || ' quoted')::int FROM schools") == "22P02"
    folder = postgres.partition("host=")[2].partition(" ")[0]
    log = (Path(folder) / "log").read_text(encoding="utf-8")
    assert "SELECT key AS told FROM schools" in log
    assert "bound value" not in log
    assert "36701305 quoted" not in log
