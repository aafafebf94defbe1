"""What PostgreSQL says of a table before it is read: can it be, and what is there to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from bus.errors import Finding
from connectors.source import Cell, Stream
from connectors.sources.postgres_cells import UnreadableCell, avro_of, cell_of
from connectors.sources.postgres_progress import XIDS
from connectors.sources.postgres_relation import (
    MOMENT,
    Relation,
    Wanted,
    looked_at,
)
from connectors.sources.postgres_session import fetched
from connectors.texts import finding_at

_OPEN_S: Final = 60
"""From here on an open transaction is worth a word."""
_LOOK_S: Final = 2.0
_STREAMS_MAX: Final = 500
_SAMPLES: Final = 3
_INDEXED: Final = """
    SELECT a.attname::text FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = %s AND i.indisvalid AND i.indpred IS NULL"""
_UNIQUE: Final = """
    SELECT array_agg(a.attname::text) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid
        AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid HAVING bool_and(a.attnotnull)"""
_RIGHTS: Final = """
    SELECT name FROM unnest(%s::text[]) AS wanted(name)
    WHERE NOT has_table_privilege(%s::oid, 'SELECT')
        AND NOT coalesce(has_column_privilege(%s::oid, name, 'SELECT'), false)"""
_HOLDERS: Final = """
    SELECT coalesce(p.gid, l.pid::text),
           extract(epoch FROM clock_timestamp() - coalesce(p.prepared, a.xact_start))::float8
    FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts p ON p.transaction = l.transactionid
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
        AND l.transactionid::text = %s"""
_RELATIONS: Final = """
    SELECT c.oid::bigint, c.oid::regclass::text, n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v') AND NOT c.relispartition
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 3, 4 LIMIT %s"""
_CHANGES: Final = ("updat", "modif", "chang", "edit")
_TIMES: Final = ("timestamp with time zone", "timestamp without time zone")


async def checked(
    session: AsyncConnection[Any],
    wanted: Wanted,
    sleep: Callable[[float], Awaitable[None]],
) -> list[Finding]:
    """Tell everything that keeps a table from being read, or from being read soon."""
    found, findings = await looked_at(session, wanted)
    if found is None or findings:
        return findings
    findings += await _rights(session, found, wanted.table)
    if findings:
        return findings
    if found.kind == "v":
        findings += await _key_of_view(session, found, wanted.table)
    else:
        findings += await _key(session, found, wanted.table)
        indexed = {name for (name,) in await fetched(session, _INDEXED, [found.oid])}
        findings += [
            finding_at(f"{wanted.table}.{name}", "postgres-table.no_index", column=name)
            for name in found.cursor
            if name not in indexed
        ]
    findings += await _open_transactions(session, wanted.table, sleep)
    return findings


async def _rights(session: AsyncConnection[Any], found: Relation, table: str) -> Sequence[Finding]:
    names = [*found.columns, *found.extra, *found.key, *found.cursor, *found.xid_columns]
    refused = await fetched(session, _RIGHTS, [names, found.oid, found.oid])
    if not refused:
        return ()
    columns = ", ".join(dict.fromkeys(name for (name,) in refused))
    return [finding_at(table, "postgres-table.no_right", columns=columns, table=table)]


async def _key(session: AsyncConnection[Any], found: Relation, table: str) -> Sequence[Finding]:
    unique = [set(names) for (names,) in await fetched(session, _UNIQUE, [found.oid])]
    if any(names <= set(found.key) for names in unique):
        return ()
    return [finding_at(table, "postgres-table.key_not_unique", key=", ".join(found.key))]


async def _key_of_view(
    session: AsyncConnection[Any], found: Relation, table: str
) -> Sequence[Finding]:
    """Look whether the key names rows now: a view promises nothing."""
    key = SQL(", ").join(map(Identifier, found.key))
    query = SQL("SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1 OR {} LIMIT 1").format(
        found.full_name,
        key,
        SQL(" OR ").join(SQL("{} IS NULL").format(Identifier(name)) for name in found.key),
    )
    if not await fetched(session, query):
        return ()
    return [finding_at(table, "postgres-table.key_not_unique", key=", ".join(found.key))]


async def _open_transactions(
    session: AsyncConnection[Any], table: str, sleep: Callable[[float], Awaitable[None]]
) -> Sequence[Finding]:
    """Find the transaction that holds the horizon back, where it has been open for long."""
    horizon, ceiling, _ = (await fetched(session, MOMENT))[0]
    if horizon == ceiling:
        return ()
    holders = await fetched(session, _HOLDERS, [str(horizon % XIDS)])
    who, open_s = holders[0] if holders else (None, None)
    if open_s is None:
        # Why: the server tells a role with few rights nothing of others' sessions but their locks.
        await sleep(_LOOK_S)
        if (await fetched(session, MOMENT))[0][0] != horizon:
            return ()
        open_s = _LOOK_S
    elif open_s < _OPEN_S:
        return ()
    told = {"session": who or "-", "seconds": round(open_s)}
    return [finding_at(table, "postgres-table.held_back", **told)]


async def streams(session: AsyncConnection[Any]) -> list[Stream]:
    """Tell the tables and views that the role may read."""
    rows = await fetched(session, _RELATIONS, [_STREAMS_MAX])
    return [await _stream(session, *row) for row in rows]


async def _stream(
    session: AsyncConnection[Any], oid: int, name: str, schema: str, relname: str
) -> Stream:
    found, _ = await looked_at(session, Wanted(table=name))
    assert found is not None, "it was listed, in the same database"
    indexed = {column for (column,) in await fetched(session, _INDEXED, [oid])}
    xids = tuple(column for column, (_, base) in found.types.items() if base == "xid")
    read = [column for column in found.types if column not in xids]
    config: dict[str, object] = {"table": name}
    config |= {} if found.kind != "v" or not found.key else {"key": list(found.key)}
    config |= {"xid_columns": list(xids)} if found.kind == "v" else {}
    cursor = [
        column
        for column in read
        if column in indexed
        and found.types[column][1] in _TIMES
        and any(part in column.lower() for part in _CHANGES)
    ]
    config |= {"cursor": cursor} if cursor else {}
    listed = SQL(", ").join(map(Identifier, read))
    query = SQL("SELECT {} FROM {} LIMIT {}").format(
        listed, Identifier(schema, relname), SQL(str(_SAMPLES))
    )
    samples = await fetched(session, query) if read else []
    return Stream(
        name=name,
        key=found.key[0] if len(found.key) == 1 else None,
        columns={column: avro_of(found.types[column][0]) for column in read},
        samples=[dict(zip(read, map(_shown, values), strict=True)) for values in samples],
        config=config,
    )


def _shown(value: object) -> Cell:
    try:
        return cell_of(value)
    except UnreadableCell as problem:
        return str(problem)
