"""What an agreement gives, as a condition on a row in SQL: written here, asked elsewhere.

It means the same as `bus.catalogue.agreement.matches` and `bus.route.plan` do for a view's topic,
and holds to the moment: the term is compared with the clock at each row, so that neither a long
query nor an open cursor outlives the right. Where a column can't tell what a record said (its
field has another name or type by now), the condition does not hold: never a row too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, TypeAlias

from psycopg import sql

from bus.catalogue.agreement import Agreement, Condition, ConditionOperator
from bus.catalogue.row_limits import Limit, read_limit, territory_prefix
from bus.contracts.contract import SchemaVersion, top_level_fields
from bus.fund.columns import Column
from bus.fund.layout import DatasetLayout

ValueOf: TypeAlias = Callable[[str], sql.Composable]
"""Field → expression of its column."""

NEVER: Final = sql.SQL("false")
_CLOCK: Final = sql.SQL("clock_timestamp()")
_TEXT_TYPES: Final = frozenset({"text"})
_DIGIT_TYPES: Final = frozenset({"integer", "bigint", "boolean"})
"""Types whose text in SQL is the text that conditions are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Where a query has the parts of a row; `record` is its row of the history."""

    agency: sql.Composable
    value_of: ValueOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one agreement gives of a dataset."""

    agreement: str
    fields: frozenset[str]
    """Columns of the newest schema."""
    hidden: Mapping[str, tuple[int, ...]]
    """Field → schema ids of records whose field of an older name was not granted."""
    condition: sql.Composable
    """On a row."""
    needs_record: bool
    """Whether the condition, or a hidden field, asks the row of the history."""


def given_by(agreement: Agreement, layout: DatasetLayout, row: Row) -> Given:
    """Say in SQL which rows and fields of a dataset an agreement gives, and when.

    Args:
        agreement: Approved; in force or not.
        layout: Of its dataset.
        row: Of the query that asks.
    """
    of_record = [*_on_record(agreement, layout)]
    types = _filterable(layout)
    parts: list[sql.Composable] = [_term(agreement)]
    if agreement.providers is not None:
        provided = sql.SQL("{} = ANY({})").format(row.agency, texts(agreement.providers))
        parts.append(provided)
    for condition in agreement.rows:
        sql_type = types.get(condition.field)
        parts.append(
            NEVER
            if sql_type is None
            else _holds(condition, sql_type, row.value_of(condition.field))
        )
    hidden = _hidden(agreement, layout)
    names = {column.name for column in layout.columns}
    granted = names if agreement.fields is None else names & {*agreement.fields}
    return Given(
        agreement=agreement.id,
        fields=frozenset(granted),
        hidden=hidden,
        condition=all_of([*parts, *of_record]),
        needs_record=bool(of_record or hidden),
    )


def all_of(parts: Iterable[sql.Composable]) -> sql.Composable:
    """Join conditions that must all hold; without any, every row meets them."""
    found = [*parts]
    return sql.SQL(" AND ").join(found) if found else sql.SQL("true")


def any_of(parts: Iterable[sql.Composable]) -> sql.Composable:
    """Join conditions of which one must hold; without any, no row meets them."""
    found = [sql.SQL("({})").format(part) for part in parts]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(found)) if found else NEVER


def texts(values: Iterable[str]) -> sql.Composable:
    """Write an array of texts; PostgreSQL holds none with a zero character, so none is equal."""
    return sql.SQL("{}::text[]").format(sql.Literal([one for one in values if "\0" not in one]))


def _term(agreement: Agreement) -> sql.Composable:
    """Demand that one of the times in which the agreement grants is now."""
    windows = [
        sql.SQL("{} >= {} AND {} < {}").format(
            _CLOCK, moment(window.begins), _CLOCK, moment(window.ends)
        )
        for window in agreement.windows
    ]
    return windows[0] if len(windows) == 1 else any_of(windows)


def moment(at: datetime) -> sql.Composable:
    """Write an aware moment."""
    return sql.SQL("{}::timestamptz").format(sql.Literal(at.astimezone(UTC).isoformat()))


def _on_record(agreement: Agreement, layout: DatasetLayout) -> Iterator[sql.Composable]:
    """Demand a start of history, and a schema that has any of the fields: a view cuts no other."""
    if agreement.history_from is not None:
        first = datetime.combine(agreement.history_from, time(), UTC)
        yield sql.SQL("record.appended_at >= {}").format(moment(first))
    if agreement.fields is not None:
        ids = {one for field in agreement.fields for one in _ids_with(layout, field)}
        yield from _on_version(ids, layout)


def _on_version(ids: Iterable[int], layout: DatasetLayout) -> Iterator[sql.Composable]:
    """Demand one of some schemas, unless these are all; others have a default in the column."""
    wanted = sorted(set(ids))
    if wanted != sorted(layout.versions):
        yield sql.SQL("record.schema_id = ANY({})").format(_numbers(wanted))


def _ids_with(layout: DatasetLayout, field: str) -> list[int]:
    return [
        schema_id
        for schema_id, version in layout.versions.items()
        if field in top_level_fields(version.schema)
    ]


def _source(column: Column, version: SchemaVersion) -> str | None:
    """Tell the field whose value a column holds of records of a version; None: its default."""
    written = top_level_fields(version.schema)
    return next((one for one in (column.name, *column.aliases) if one in written), None)


def _filterable(layout: DatasetLayout) -> Mapping[str, str]:
    """Tell the types of columns whose field every version has by that name, as a filter demands."""
    return {
        column.name: column.sql_type
        for column in layout.columns
        if all(_source(column, one) == column.name for one in layout.versions.values())
    }


def _hidden(agreement: Agreement, layout: DatasetLayout) -> Mapping[str, tuple[int, ...]]:
    """Find columns that hold, of older records, a field under a name that is not granted."""
    if agreement.fields is None:
        return {}
    granted = {None, *agreement.fields}
    found = {
        column.name: tuple(
            id_ for id_, one in layout.versions.items() if _source(column, one) not in granted
        )
        for column in layout.columns
        if column.name in granted
    }
    return {name: ids for name, ids in found.items() if ids}


def _numbers(values: Iterable[int]) -> sql.Composable:
    return sql.SQL("{}::bigint[]").format(sql.Literal(list(values)))


def without_schemas(schema_id: sql.Composable, ids: Iterable[int]) -> sql.Composable:
    """Demand that a record was written with none of some schemas."""
    return sql.SQL("{} <> ALL({})").format(schema_id, _numbers(ids))


def _holds(condition: Condition, sql_type: str, value: sql.Composable) -> sql.Composable:
    match condition.op:
        case ConditionOperator.AT_LEAST | ConditionOperator.AT_MOST:
            return _on_side(condition, sql_type, value)
        case ConditionOperator.EQUALS | ConditionOperator.ONE_OF:
            return _compare(sql_type, value, lambda text: _is_one_of(text, condition.values))
        case ConditionOperator.PREFIX:
            return _compare(sql_type, value, lambda text: _begins(text, condition.values))
        case ConditionOperator.TERRITORY:
            within = tuple(map(territory_prefix, condition.values))
            return _compare(sql_type, value, lambda text: _begins(text, within))


def _compare(
    sql_type: str,
    value: sql.Composable,
    compare: Callable[[sql.Composable], sql.Composable],
) -> sql.Composable:
    if sql_type in _TEXT_TYPES:
        return compare(value)
    if sql_type in _DIGIT_TYPES:
        return compare(sql.SQL("({})::text").format(value))
    return NEVER


def _is_one_of(text: sql.Composable, values: Iterable[str]) -> sql.Composable:
    return sql.SQL('{} COLLATE "C" = ANY({})').format(text, texts(values))


def _begins(text: sql.Composable, prefixes: Iterable[str]) -> sql.Composable:
    return any_of(
        sql.SQL("starts_with({}, {})").format(text, sql.Literal(prefix))
        for prefix in prefixes
        if "\0" not in prefix
    )


def _on_side(condition: Condition, sql_type: str, value: sql.Composable) -> sql.Composable:
    limit = read_limit(condition.values[0])
    found = _measured(sql_type, value, limit)
    if found is None:
        return NEVER
    sign = ">=" if condition.op is ConditionOperator.AT_LEAST else "<="
    return sql.SQL(" ").join([found[0], sql.SQL(sign), found[1]])


def _measured(
    sql_type: str, value: sql.Composable, limit: Limit
) -> tuple[sql.Composable, sql.Composable] | None:
    """Give what is compared of the value, and with what; see `row_limits.side_of`."""
    day = None if limit.day is None else _day(limit.day)
    if sql_type in {"integer", "bigint"} or sql_type.startswith("numeric"):
        if limit.number is None:
            return None
        number = sql.SQL("{}::numeric").format(sql.Literal(str(limit.number)))
        return sql.SQL("({})::numeric").format(value), number
    if sql_type == "timestamp with time zone" and limit.moment is not None:
        return value, moment(limit.moment)
    shape = _DAYS.get(sql_type)
    return None if shape is None or day is None else (shape.format(value), day)


_DAYS: Final[Mapping[str, sql.SQL]] = {
    "date": sql.SQL("{}"),
    "timestamp without time zone": sql.SQL("({})::date"),
    "timestamp with time zone": sql.SQL("({} AT TIME ZONE 'UTC')::date"),
}


def _day(day: date) -> sql.Composable:
    return sql.SQL("{}::date").format(sql.Literal(day.isoformat()))
