"""Drift of marts is found, told and mended; what is right is left alone."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bus.catalogue.agreement import Condition, ConditionOperator
from bus.contracts.rules import Text
from bus.errors import DocumentError, Unavailable
from bus.fund.tables import apply_tables
from bus.marts.entries import EntryKind, MartDiff
from bus.marts.password import set_mart_password
from bus.marts.reading import find_mart_drift
from bus.marts.reconcile import connect_marts, reconcile_marts
from bus.marts.wanted import marts_of
from bus.model.identifiers import AgencyCode, DatasetCode
from bus.postgres.session import Session
from tests.fund.samples import FIELDS_V1, contract
from tests.marts.conftest import Reader
from tests.marts.samples import (
    CONSUMER,
    CONTRACT,
    HOSTILE,
    LAYOUTS,
    NOW,
    ROLE,
    agreement,
    layouts,
    marts,
    region,
)

ONE = marts(agreement())


async def test_marts_are_made_once_and_found_right_after(session: Session) -> None:
    made = await reconcile_marts(session, ONE)
    assert {entry.kind for entry in made.missing} == {*EntryKind} - {
        EntryKind.MEMBER,
        EntryKind.RELATION,
    }
    assert (await find_mart_drift(session, ONE)).is_empty
    before = await _identities(session)
    assert (await reconcile_marts(session, ONE)).is_empty
    assert await _identities(session) == before


async def test_changes_are_told_before_the_first_and_none_is_made_when_that_fails(
    session: Session,
) -> None:
    told: list[MartDiff] = []

    async def announce(diff: MartDiff) -> None:
        told.append(diff)
        raise Unavailable("no database")

    with pytest.raises(Unavailable):
        await reconcile_marts(session, ONE, announce)
    assert told == [await find_mart_drift(session, ONE)]
    assert not told[0].is_empty


async def _identities(session: Session) -> list[tuple[object, ...]]:
    rows = await session.execute(
        "SELECT oid, xmin::text FROM pg_class WHERE relnamespace = %s::regnamespace UNION ALL "
        "SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = %s::regnamespace ORDER BY 1",
        [f'"{ROLE}"', f'"{ROLE}"'],
    )
    return await rows.fetchall()


async def test_a_changed_agreement_changes_its_dataset_and_no_other(session: Session) -> None:
    other = contract(FIELDS_V1, dataset=DatasetCode("nurseries"))
    given, kept = agreement(), agreement("other", dataset=other.dataset)
    both = region(given, kept, contracts=(CONTRACT, other))
    await apply_tables(session, layouts(both))
    await reconcile_marts(session, marts_of(both, layouts(both), NOW))
    before = await _identities(session)
    changed = replace(both, agreements=(replace(given, fields=("title",)), kept))
    diff = await reconcile_marts(session, marts_of(changed, layouts(both), NOW))
    assert {entry.name.partition("(")[0] for entry in diff.missing} == {
        '"schools"',
        '"schools_history"',
        '"schools_as_of"',
    }
    assert len([one for one in await _identities(session) if one in before]) == 3
    without = replace(both, agreements=(kept,))
    diff = await reconcile_marts(session, marts_of(without, layouts(both), NOW))
    assert {entry.kind for entry in diff.surplus} == {
        EntryKind.VIEW,
        EntryKind.FUNCTION,
        EntryKind.RIGHT,
    }
    assert (await find_mart_drift(session, marts_of(without, layouts(both), NOW))).is_empty


DRIFT = {
    "a view altered": "CREATE OR REPLACE VIEW {schema}.schools_history WITH (security_barrier) AS "
    "SELECT * FROM {schema}.schools_history WHERE false",
    "a view without its barrier": "ALTER VIEW {schema}.schools RESET (security_barrier)",
    "a view with a forged stamp": "COMMENT ON VIEW {schema}.schools IS "
    "'x [bus 00000000000000000000000000000000 00000000000000000000000000000000]'",
    "a view renamed": "ALTER VIEW {schema}.schools RENAME TO pupils",
    "a view dropped": "DROP VIEW {schema}.schools",
    "another's view": "ALTER VIEW {schema}.schools OWNER TO stranger",
    "a view made": "CREATE VIEW {schema}.all AS SELECT * FROM current.schools",
    "a table made": 'CREATE TABLE {schema}."a ""b" (a int)',
    "a sequence made": "CREATE SEQUENCE {schema}.s",
    "a function altered": "ALTER FUNCTION {schema}.schools_as_of SECURITY INVOKER",
    "a function's path": "ALTER FUNCTION {schema}.schools_as_of RESET search_path",
    "a function made": "CREATE FUNCTION {schema}.f(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "a right on the fund": "GRANT SELECT ON current.schools TO {role}",
    "a right on a column": "GRANT SELECT (title) ON public.titles TO {role}",
    "a schema of the fund": "GRANT USAGE ON SCHEMA history TO {role}",
    "a right for others": "GRANT SELECT ON {schema}.schools TO stranger",
    "a right for all": "GRANT SELECT ON {schema}.schools TO PUBLIC",
    "the fund for all": "GRANT SELECT ON current.schools TO PUBLIC",
    "a right to hand on": "GRANT SELECT ON {schema}.schools TO {role} WITH GRANT OPTION",
    "a right taken": "REVOKE SELECT ON {schema}.schools FROM {role}",
    "a right to make": "GRANT CREATE ON SCHEMA {schema} TO {role}",
    "temporary tables": "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
    "a membership": "GRANT pg_read_all_data TO {role}",
    "a member": "GRANT {role} TO stranger",
    "a setting": "ALTER ROLE {role} SET statement_timeout = 0",
    "a setting here": "ALTER ROLE {role} IN DATABASE {database} SET log_statement = 'none'",
    "an attribute": "ALTER ROLE {role} CREATEDB CONNECTION LIMIT 99",
    "a way past": "ALTER ROLE {role} BYPASSRLS VALID UNTIL '2030-01-01'",
    "no log-in": "ALTER ROLE {role} NOLOGIN",
    "an extra role": "CREATE ROLE mart_stranger LOGIN PASSWORD 'known'",
    "an extra schema": "CREATE SCHEMA mart_stranger",
}


@pytest.mark.parametrize("statement", DRIFT.values(), ids=DRIFT)
async def test_what_was_changed_by_hand_is_found_and_mended(
    session: Session, statement: str
) -> None:
    await reconcile_marts(session, ONE)
    await session.execute("CREATE ROLE stranger")
    await session.execute("CREATE VIEW public.titles AS SELECT title FROM past.schools")
    fills = {
        "schema": sql.Identifier(ROLE),
        "role": sql.Identifier(ROLE),
        "database": sql.Identifier(session.info.dbname),
    }
    await session.execute(sql.SQL(statement).format(**fills))
    found = await find_mart_drift(session, ONE)
    assert not found.is_empty
    assert await reconcile_marts(session, ONE) == found
    assert await find_mart_drift(session, ONE) == MartDiff()


async def test_a_role_made_by_hand_is_made_anew_without_its_password(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    await session.execute(f"CREATE ROLE \"{ROLE}\" LOGIN PASSWORD 'known' CONNECTION LIMIT 10")
    await reconcile_marts(session, ONE)
    rows = await session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE])
    assert await rows.fetchall() == [(None,)]


async def test_marts_of_another_database_are_left_alone_and_never_taken_over(
    session: Session, postgres: str
) -> None:
    await reconcile_marts(session, ONE)
    other = await connect_marts(f"{postgres} dbname=postgres")
    assert (await find_mart_drift(other, marts())).surplus == tuple(
        entry for entry in (await find_mart_drift(other, marts())).surplus if entry.role == "PUBLIC"
    )
    with pytest.raises(DocumentError, match="another database"):
        await reconcile_marts(other, ONE)
    await other.close()
    assert (await find_mart_drift(session, ONE)).is_empty


async def test_a_user_who_may_not_create_roles_is_told_what_to_grant(
    session: Session, dsn: str
) -> None:
    await session.execute("CREATE ROLE weak LOGIN")
    weak = await connect_marts(make_conninfo(dsn, user="weak"))
    with pytest.raises(DocumentError, match='ALTER ROLE "weak" CREATEROLE'):
        await reconcile_marts(weak, ONE)
    await weak.close()


async def test_an_owner_who_is_no_superuser_makes_marts_and_removes_them(alone: Session) -> None:
    database = sql.Identifier(alone.info.dbname)
    await alone.execute("CREATE ROLE weak LOGIN CREATEROLE")
    await alone.execute(sql.SQL("ALTER DATABASE {} OWNER TO weak").format(database))
    await alone.execute("DROP SCHEMA bus, history, current, past CASCADE")
    dsn = make_conninfo(alone.info.dsn, user="weak")
    weak = await connect_marts(dsn)
    await apply_tables(weak, LAYOUTS)
    await reconcile_marts(weak, ONE)
    with psycopg.connect(dsn, user=ROLE, autocommit=True) as reader:
        assert reader.execute("SELECT * FROM schools").fetchall() == []
        assert reader.execute("SELECT * FROM schools_as_of()").fetchall() == []
        await reconcile_marts(weak, marts(agreement(fields=("title",))))
        assert not (await reconcile_marts(weak, marts())).is_empty
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")
    assert (await find_mart_drift(weak, marts())).is_empty
    await weak.close()
    await alone.execute(sql.SQL("ALTER DATABASE {} OWNER TO bus").format(database))


async def test_hostile_values_and_titles_are_values(
    session: Session, log_in: Callable[[], Reader]
) -> None:
    rows = tuple(
        Condition(field="title", op=op, values=HOSTILE[:9])
        for op in (ConditionOperator.ONE_OF, ConditionOperator.PREFIX)
    )
    made = region(agreement(rows=rows, providers=(AgencyCode("a'b\"c\\d%s{}"),)))
    words = Text(en="x", ru="'; DROP \\ \" %s {} $1")
    titled = replace(made.contracts[DatasetCode("schools")], title=words)
    made = replace(made, contracts={titled.dataset: titled})
    await reconcile_marts(session, marts_of(made, layouts(made), NOW))
    assert log_in().execute("SELECT * FROM schools").fetchall() == []
    assert (await find_mart_drift(session, marts_of(made, layouts(made), NOW))).is_empty


async def test_the_longest_codes_fit(session: Session) -> None:
    agency, dataset = AgencyCode("a" * 48), DatasetCode("d" * 48)
    made = region(
        agreement(consumer=agency, dataset=dataset),
        contracts=(contract(FIELDS_V1, dataset=dataset),),
    )
    await apply_tables(session, layouts(made))
    await reconcile_marts(session, marts_of(made, layouts(made), NOW))
    assert (await find_mart_drift(session, marts_of(made, layouts(made), NOW))).is_empty


async def test_documents_that_were_not_applied_are_told(alone: Session) -> None:
    await alone.execute("DROP TABLE past.schools")
    with pytest.raises(DocumentError, match="bus catalogue apply"):
        await reconcile_marts(alone, ONE)


async def test_a_password_is_made_once_kept_in_a_file_and_works(
    session: Session, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError, match="bus access apply"):
        await set_mart_password(session, tmp_path, CONSUMER)
    await reconcile_marts(session, ONE)
    login = await set_mart_password(session, tmp_path, CONSUMER)
    assert (login.role, login.is_new) == (ROLE, True)
    assert stat.S_IMODE(login.password_file.stat().st_mode) == 0o600
    password = login.password_file.read_text()
    again = await set_mart_password(session, tmp_path, CONSUMER)
    assert not again.is_new
    assert login.password_file.read_text() == password
    assert password not in repr(login)
    rows = await session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE])
    ((kept,),) = await rows.fetchall()
    assert str(kept).startswith("SCRAM-SHA-256$")
    assert (await find_mart_drift(session, ONE)).is_empty
