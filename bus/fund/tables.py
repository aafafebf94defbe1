"""Making and extending the fund's tables; run before a catalogue that needs them is in force."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from psycopg import sql

from bus.errors import DocumentError
from bus.fund.columns import Column, widens
from bus.fund.copying import copy_past, past_values
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout, Layouts
from bus.fund.search import sought
from bus.fund.standing import create_standing
from bus.postgres.positions import create_positions
from bus.postgres.queries import Queries
from bus.postgres.session import Session, as_json, translated
from bus.quarantine.rows import create_quarantine
from bus.requests.store import create_requests
from bus.texts import finding_at, message

QUERIES: Final = Queries.load("bus.fund", "tables")
_INDEX_HEX_DIGITS: Final = 16
_FILLED_AT_ONCE: Final = 2_000


async def apply_tables(session: Session, layouts: Layouts) -> tuple[str, ...]:
    """Bring the tables to what the contracts' newest schemas need; all or nothing, repeatable.

    Columns are added and widened, never dropped: a field that left the contract keeps its column,
    and new rows leave it empty.

    Returns:
        What was changed, one line each, for people.

    Raises:
        DocumentError: A column holds values of a type that the newest schema's can't hold.
        Unavailable: PostgreSQL does not answer, or a table is in use for too long.
    """
    changes: list[str] = []
    async with translated(message("doing.fund.tables")), session.transaction():
        await session.execute(QUERIES.get("lock"))
        await create_positions(session)
        await create_quarantine(session)
        await create_requests(session)
        await session.execute(QUERIES.get("bus"))
        await create_standing(session)
        for layout in layouts.values():
            changes += await _apply_dataset(session, layout)
    return tuple(changes)


async def _apply_dataset(session: Session, layout: DatasetLayout) -> list[str]:
    tables = tables_of(layout.dataset)
    before = await _columns(session, layout)
    await session.execute(QUERIES.get("history", **tables))
    await _leave_transaction_time(session, layout)
    await session.execute(QUERIES.get("current", **tables))
    lacks_past = not await _columns(session, layout, "past")
    await session.execute(QUERIES.get("past", **tables))
    kept = before or await _columns(session, layout)
    added = [column for column in layout.columns if column.name not in kept]
    changed = [
        column
        for column in layout.columns
        if column.name in kept and kept[column.name] != column.sql_type
    ]
    _refuse_other_types(layout, kept, changed)
    if changed:
        await _drop_mart_views(session, layout)
    # Both in one order: rows go from the one table to the other as they are.
    for table in (tables["current"], tables["past"]):
        for column in added:
            await session.execute(_addition(table, column))
        for column in changed:
            name = sql.Identifier(column.name)
            widening = QUERIES.get("widen_column", table=table, column=name, type=_type(column))
            await session.execute(widening)
    for column in layout.searchable:
        await session.execute(_search_index(layout, column))
    if not before:
        return [f"{layout.dataset}: tables history and current, {len(added)} columns"]
    changes = [f"{layout.dataset}: column {one.name} {one.sql_type}" for one in (*added, *changed)]
    if lacks_past:
        count = await _fill_past(session, layout)
        changes.append(f"{layout.dataset}: table past, {count} rows")
    return changes


async def _fill_past(session: Session, layout: DatasetLayout) -> int:
    """Read the values of all versions that do not stand: an earlier bus kept their bytes alone."""
    count, after = 0, {"agency": "", "key": "", "version": -1}
    while True:
        named = {**after, "limit": _FILLED_AT_ONCE}
        statement = QUERIES.get("lacking_values", **tables_of(layout.dataset))
        rows = await (await session.execute(statement, named)).fetchall()
        if not rows:
            return count
        await copy_past(session, (past_values(row, layout) for row in rows), layout)
        count += len(rows)
        after = dict(zip(("agency", "key", "version"), rows[-1], strict=False))


async def _drop_mart_views(session: Session, layout: DatasetLayout) -> None:
    named = {table: f'{table}."{layout.dataset}"' for table in ("current", "past")}
    rows = await session.execute(QUERIES.get("mart_views"), named)
    for schema, view in await rows.fetchall():
        name = sql.Identifier(str(schema), str(view))
        await session.execute(QUERIES.get("drop_view", view=name))


async def _leave_transaction_time(session: Session, layout: DatasetLayout) -> None:
    """Change the default of a history that an earlier bus made; why, says `bus.fund.asof`."""
    named = {"table": f'history."{layout.dataset}"'}
    found = await session.execute(QUERIES.get("transaction_time"), named)
    if found.rowcount:
        await session.execute(QUERIES.get("history_times", **tables_of(layout.dataset)))


async def _columns(
    session: Session, layout: DatasetLayout, schema: str = "current"
) -> dict[str, str]:
    named = {"table": f'{schema}."{layout.dataset}"'}
    rows = await session.execute(QUERIES.get("columns"), named)
    return {str(name): str(sql_type) for name, sql_type in await rows.fetchall()}


def _refuse_other_types(layout: DatasetLayout, kept: dict[str, str], changed: list[Column]) -> None:
    findings = [
        finding_at(
            f"{layout.dataset} fields.{column.name}",
            "error.fund.narrower",
            type=column.sql_type,
            kept=kept[column.name],
        )
        for column in changed
        if not widens(kept[column.name], column.sql_type)
    ]
    if findings:
        raise DocumentError(
            message("error.fund.table_stays_behind", dataset=layout.dataset), findings
        )


def _addition(table: sql.Identifier, column: Column) -> sql.Composed:
    fills = {"table": table, "column": sql.Identifier(column.name), "type": _type(column)}
    if column.default is None:
        return QUERIES.get("add_column", **fills)
    # Rows that stand already get what reading their old value under the new schema would give.
    default = as_json(column.default) if column.sql_type == "jsonb" else column.default
    return QUERIES.get("add_column_with_default", **fills, default=sql.Literal(default))


def _search_index(layout: DatasetLayout, column: Column) -> sql.Composed:
    # Why a digest: a name of dataset and column may be longer than PostgreSQL keeps.
    digest = sha256(f"{layout.dataset}.{column.name}".encode()).hexdigest()[:_INDEX_HEX_DIGITS]
    return QUERIES.get(
        "search_index",
        current=tables_of(layout.dataset)["current"],
        index=sql.Identifier(f"search_{digest}"),
        sought=sought(column),
    )


def _type(column: Column) -> sql.SQL:
    # Safe as SQL text: types come from the closed list in `bus.fund.columns`.
    return sql.SQL(column.sql_type)
