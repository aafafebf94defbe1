"""A table or view of PostgreSQL: what it is, what is wrong with reading it, and its queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier, Placeholder

from bus.errors import DocumentError, Finding
from connectors.source import Span
from connectors.sources.postgres_progress import Ages, CursorKind, Moment, Progress
from connectors.sources.postgres_session import fetched
from connectors.texts import finding_at, message

XMIN: Final = "xmin"
_ROWS: Final = "relation"
_VIEW: Final = "v"
_FOREIGN: Final = "f"
_KINDS: Final[Mapping[str, CursorKind]] = {
    "timestamp with time zone": CursorKind.MOMENT,
    "timestamp without time zone": CursorKind.MOMENT,
    "date": CursorKind.DAY,
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), CursorKind.NUMBER),
}
_RELATION: Final = """
    SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, c.reltuples::bigint,
           coalesce((SELECT array_agg(a.attname::text ORDER BY k.place)
                     FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place)
                     JOIN pg_attribute a ON a.attnum = k.number
                     WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid), '{}')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%s)"""
_COLUMNS: Final = """
    SELECT attname::text, format_type(atttypid, atttypmod), format_type(atttypid, -1)
    FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_PLACE: Final = """
    SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text,
           (SELECT system_identifier FROM pg_control_system())::text,
           CASE WHEN pg_is_in_recovery()
                THEN (SELECT timeline_id FROM pg_control_checkpoint())::text
                ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"""
MOMENT: Final = """
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, age('3'::xid)
    FROM pg_current_snapshot() AS s"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the configuration says of the relation."""

    table: str
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cursor: tuple[str, ...] = ()
    xid_columns: tuple[str, ...] = ()
    version_column: str | None = None
    deleted_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view, and what is read of it."""

    oid: int
    schema: str
    name: str
    kind: str
    """As `pg_class.relkind`."""
    rows: int
    """As PostgreSQL estimates; negative: it does not know."""
    types: Mapping[str, tuple[str, str]]
    """Column → its type, and that without length."""
    key: tuple[str, ...]
    columns: tuple[str, ...]
    """Those that make cells."""
    extra: tuple[str, ...]
    """Those that are read beside them."""
    cursor: tuple[str, ...]
    xid_columns: tuple[str, ...]
    place: str
    """Server, timeline, database and table; see `Progress.source`."""

    @property
    def kinds(self) -> tuple[CursorKind, ...]:
        """Tell what each cursor column counts in."""
        return tuple(_KINDS[self.types[name][1]] for name in self.cursor)

    @property
    def full_name(self) -> Identifier:
        """Name it in a query."""
        return Identifier(self.schema, self.name)

    def page(
        self, progress: Progress, moment: Moment, rows_max: int
    ) -> tuple[Composed, list[object]]:
        """Ask for the next rows of a pass, in order of their key."""
        assert progress.to is not None, "begun"
        since = progress.swept if progress.is_sweep else progress.seen
        ages = None if progress.is_first else Ages.of(moment, since, progress.to)
        where, given = [], list[object]()
        if ages is not None:
            condition, values = self._aged(ages)
            where.append(condition)
            given += values
        if any(progress.bounds):
            near, bounds = self._near(progress.bounds)
            if not progress.is_sweep:
                where.append(near)
                given += bounds
            elif ages is not None and progress.seen > progress.swept:
                young, values = self._aged(Ages(youngest=0, oldest=moment.now - progress.seen))
                where.append(SQL("({} OR ({}) IS NOT TRUE)").format(young, near))
                given += [*values, *bounds]
        # Why: few rows are expected. Without a fence the planner walks the whole key to find them
        # in order; with one it reads the table as it lies. A full page shows that there are many.
        is_fenced = ages is not None and progress.is_sweep and progress.after is None
        query, more = self._select(where, progress.after, rows_max, is_fenced=is_fenced)
        return query, [*given, *more]

    def history(
        self, span: Span, after: tuple[str, ...] | None, rows_max: int | None
    ) -> tuple[Composed, list[object]]:
        """Ask for rows of a stretch of the first cursor, or of the key; without a limit: count."""
        column = (*self.cursor, *self.key)[0]
        where, given = [], list[object]()
        for sign, bound in ((">=", span.since), ("<", span.until)):
            if bound is not None:
                where.append(self._compared(column, SQL(sign)))
                given.append(bound)
        if rows_max is None:
            return SQL("SELECT count(*) FROM {}{}").format(self.full_name, _all(where)), given
        query, more = self._select(where, after, rows_max, is_fenced=False)
        return query, [*given, *more]

    def _select(
        self,
        where: Sequence[Composed],
        after: tuple[str, ...] | None,
        rows_max: int,
        *,
        is_fenced: bool,
    ) -> tuple[Composed, list[object]]:
        conditions, given = list(where), list[object]()
        key = SQL(", ").join(map(Identifier, self.key))
        if after is not None:
            values = SQL(", ").join(
                SQL("%s::{}").format(SQL(self.types[name][1])) for name in self.key
            )
            conditions.append(SQL("({}) > ({})").format(key, values))
            given += after
        texts = SQL(", ").join(
            SQL("{}::text").format(Identifier(_ROWS, name)) for name in (*self.key, *self.cursor)
        )
        read = (*self.columns, *self.extra)
        listed = SQL(", ").join(map(Identifier, dict.fromkeys((*read, *self.key, *self.cursor))))
        source: Composed = SQL("{} AS {}{}").format(
            self.full_name, Identifier(_ROWS), _all(conditions)
        )
        if is_fenced:
            source = SQL("(SELECT {} FROM {} OFFSET 0) AS {}").format(
                listed, source, Identifier(_ROWS)
            )
        # Why qualified: a bare name would mean the text of the key, which has another order.
        ordered = SQL(", ").join(Identifier(_ROWS, name) for name in self.key)
        query = SQL("SELECT {}, {} FROM {} ORDER BY {} LIMIT {}").format(
            SQL(", ").join(Identifier(_ROWS, name) for name in read),
            texts,
            source,
            ordered,
            Placeholder(),
        )
        return query, [*given, rows_max]

    def _aged(self, ages: Ages) -> tuple[Composed, list[object]]:
        one = SQL("age({}) BETWEEN %s AND %s")
        either = SQL(" OR ").join(one.format(Identifier(name)) for name in self.xid_columns)
        return SQL("({})").format(either), [ages.youngest, ages.oldest] * len(self.xid_columns)

    def _near(self, bounds: Sequence[str | None]) -> tuple[Composed, list[object]]:
        conditions = [
            SQL("{} IS NOT NULL").format(Identifier(name))
            if bound is None
            else self._compared(name, SQL(">="))
            for name, bound in zip(self.cursor, bounds, strict=True)
        ]
        given: list[object] = [bound for bound in bounds if bound is not None]
        return SQL("({})").format(SQL(" OR ").join(conditions)), given

    def _compared(self, column: str, sign: SQL) -> Composed:
        return SQL("{} {} %s::{}").format(Identifier(column), sign, SQL(self.types[column][1]))


def _all(conditions: Sequence[Composed]) -> Composed:
    return SQL(" WHERE {}" if conditions else "{}").format(SQL(" AND ").join(conditions))


async def relation(session: AsyncConnection[Any], wanted: Wanted) -> Relation:
    """Look at the table or view.

    Raises:
        DocumentError: It can't be read as it is configured: every finding at once.
    """
    found, findings = await looked_at(session, wanted)
    if findings or found is None:
        raise DocumentError(message("postgres-table.wrong", table=wanted.table), findings)
    return found


async def looked_at(
    session: AsyncConnection[Any], wanted: Wanted
) -> tuple[Relation | None, list[Finding]]:
    """Look at the table or view, and tell what is wrong with reading it."""
    rows_found = await fetched(session, _RELATION, [wanted.table])
    if not rows_found:
        return None, [finding_at(wanted.table, "postgres-table.no_table", table=wanted.table)]
    oid, schema, name, kind, rows, primary = rows_found[0]
    columns = await fetched(session, _COLUMNS, [oid])
    types = {column: (whole, base) for column, whole, base in columns}
    key = wanted.key or tuple(primary)
    beside = tuple(one for one in (wanted.version_column, wanted.deleted_column) if one)
    chosen = wanted.columns or tuple(one for one in types if one not in wanted.xid_columns)
    place = (await fetched(session, _PLACE))[0]
    found = Relation(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        rows=rows,
        types=types,
        key=key,
        columns=chosen,
        extra=beside,
        cursor=wanted.cursor,
        xid_columns=wanted.xid_columns,
        place="/".join((*place, str(oid))),
    )
    return found, list(_misfits(found, wanted))


def _misfits(found: Relation, wanted: Wanted) -> Sequence[Finding]:
    findings = [
        finding_at(
            f"{wanted.table}.{name}",
            "postgres-table.no_column",
            column=name,
            known=", ".join(found.types),
        )
        for name in dict.fromkeys((*found.columns, *found.extra, *found.key, *found.cursor))
        if name not in found.types
    ]
    if not found.key:
        findings.append(finding_at(wanted.table, "postgres-table.no_key"))
    for name in found.cursor:
        kind = found.types.get(name, ("", "date"))[1]
        if kind not in _KINDS:
            place = f"{wanted.table}.{name}"
            findings.append(finding_at(place, "postgres-table.cursor_type", type=kind))
    mark = wanted.deleted_column
    if (
        mark is not None
        and mark in found.types
        and found.types[mark][1] not in (*_KINDS, "boolean")
    ):
        type_name = found.types[mark][1]
        findings.append(
            finding_at(f"{wanted.table}.{mark}", "postgres-table.deleted_type", type=type_name)
        )
    for name in found.xid_columns:
        has_own = found.kind not in {_VIEW, _FOREIGN} and name == XMIN
        if not has_own and found.types.get(name, ("", ""))[1] != "xid":
            findings.append(finding_at(wanted.table, "postgres-table.no_xid", column=name))
    return findings
