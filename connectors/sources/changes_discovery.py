"""Tables of a PostgreSQL that change capture could read, with Avro types for their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from connectors.source import Stream

Connection = AsyncConnection[tuple[Any, ...]]

_AVRO: Final[Mapping[str, Mapping[str, Any] | str]] = {
    "bool": "boolean",
    "int2": "int",
    "int4": "int",
    "int8": "long",
    "float4": "float",
    "float8": "double",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
}
_TABLES: Final = """
SELECT space.nspname, one.relname,
       (SELECT part.attname FROM pg_index AS index JOIN pg_attribute AS part
           ON part.attrelid = index.indrelid AND part.attnum = index.indkey[0]
         WHERE index.indrelid = one.oid AND index.indisunique AND index.indnkeyatts = 1
           AND index.indpred IS NULL AND part.attnotnull
         ORDER BY index.indisprimary DESC, part.attnum LIMIT 1),
       array_agg(part.attname::text ORDER BY part.attnum),
       array_agg(type.typname::text ORDER BY part.attnum)
  FROM pg_class AS one
  JOIN pg_namespace AS space ON space.oid = one.relnamespace
  JOIN pg_attribute AS part ON part.attrelid = one.oid
  JOIN pg_type AS type ON type.oid = part.atttypid
 WHERE one.relkind IN ('r', 'p') AND NOT one.relispartition AND one.relpersistence = 'p'
   AND space.nspname NOT IN ('pg_catalog', 'information_schema')
   AND part.attnum > 0 AND NOT part.attisdropped AND part.attgenerated = ''
 GROUP BY one.oid, space.nspname, one.relname
 ORDER BY space.nspname, one.relname
"""


async def streams(session: Connection) -> Sequence[Stream]:
    """Tell each table, its key where it has one of a single column, and what its columns hold."""
    found = await session.execute(_TABLES)
    return [
        Stream(
            name=f"{schema}.{table}",
            key=key,
            columns={
                name: _AVRO.get(kind, "string") for name, kind in zip(names, kinds, strict=True)
            },
            config={"table": f"{schema}.{table}", **({} if key is None else {"key": key})},
        )
        for schema, table, key, names, kinds in await found.fetchall()
    ]
