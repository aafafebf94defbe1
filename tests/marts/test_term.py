"""A mart's condition holds while its agreement is in force, and at no other moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import given, settings
from psycopg import sql

from bus.catalogue.agreement import Agreement, Consent, Standing
from bus.marts.conditions import Row, given_by, moment
from tests.catalogue.drawn import agreements_like, moments_around
from tests.marts.samples import LAYOUT, agreement

ROW = Row(agency=sql.SQL("row.agency"), value_of=sql.Identifier)


def gives_at(connection: psycopg.Connection, one: Agreement, at: datetime) -> bool:
    """Ask PostgreSQL for the condition, with a moment in place of the clock."""
    condition = given_by(one, LAYOUT, ROW).condition.as_string(connection)
    held_at = moment(at).as_string(connection)
    asked = f"SELECT {condition.replace('clock_timestamp()', held_at)}"
    (row,) = connection.execute(asked.encode()).fetchall()
    return bool(row[0])


def test_a_mart_gives_while_its_agreement_is_in_force_and_at_no_other_time(
    filled_dsn: str,
) -> None:
    with psycopg.connect(filled_dsn, autocommit=True) as connection:

        @settings(deadline=None)
        @given(agreements_like(agreement()))
        def compare(one: Agreement) -> None:
            for at in moments_around(one):
                assert gives_at(connection, one, at) == one.is_in_force(at)

        compare()


def test_an_approval_of_a_day_to_come_opens_no_mart_before_that_day(filled_dsn: str) -> None:
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).date()
    later = agreement(consumer_consent=Consent(standing=Standing.GIVEN, on=tomorrow))
    with psycopg.connect(filled_dsn, autocommit=True) as connection:
        assert not gives_at(connection, later, now)
        assert gives_at(connection, later, now + timedelta(days=2))
