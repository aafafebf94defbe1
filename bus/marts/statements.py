"""The statements that make one dataset's part of a mart, two views and a function; written only.

Each row is looked at once. Where agreements give other fields, a field is shown if an agreement
that grants it gives the row: never a field of the one with a row of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from psycopg import sql

from bus.catalogue.agreement import Agreement
from bus.catalogue.views import view_of
from bus.contracts.contract import Contract
from bus.fund.entries import tables_of
from bus.fund.layout import DatasetLayout
from bus.marts.conditions import (
    NEVER,
    Given,
    Row,
    all_of,
    any_of,
    given_by,
    without_schemas,
)
from bus.postgres.queries import Queries

QUERIES: Final = Queries.load("bus.marts", "statements")
PARAMETERS: Final[Mapping[str, str]] = {
    "known_at": "timestamp with time zone",
    "valid_at": "timestamp with time zone",
    "of_agency": "text",
    "of_key": "text",
    "incomplete": "boolean",
}
"""Of the function, in the order in which its body counts them."""
_CURRENT: Final = {
    **{name: f"standing.{name}" for name in ("agency", "key", "version", "record_id", "operation")},
    **{name: f"standing.{name}" for name in ("event_time", "ceased_at", "recorded_at")},
}
_RECORD: Final = {
    name: f"record.{name}" for name in ("agency", "key", "version", "record_id", "operation")
}
_HISTORY: Final = {
    **_RECORD,
    **{name: f"record.{name}" for name in ("supersedes", "event_time", "appended_at")},
    "recorded_at": "record.recorded_at",
}
_STOOD: Final = {
    **_RECORD,
    "event_time": "record.event_time",
    "ceased_at": "cease.event_time",
    "recorded_at": "record.recorded_at",
    "complete_before": '"bus complete"',
}
_STOOD_TYPES: Final = {
    "version": "bigint",
    "event_time": "timestamp with time zone",
    "ceased_at": "timestamp with time zone",
    "recorded_at": "timestamp with time zone",
    "complete_before": "timestamp with time zone",
}
"""Of columns that are not text."""
_SCHEMA_ID: Final = sql.SQL('given."bus schema"')
_DIGEST_HEX_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One thing of a mart, and how to make it."""

    kind: str
    """`view` or `function`."""
    name: str
    signature: str
    """The name quoted, and a function's arguments as PostgreSQL tells them."""
    title: str
    """Of the contract, for the comment."""
    statement: sql.Composed

    @property
    def digest(self) -> str:
        """Digest of the statement and the title."""
        content = f"{self.title}\n{self.statement.as_string()}"
        return sha256(content.encode()).hexdigest()[:_DIGEST_HEX_DIGITS]


def dataset_statements(
    schema: str, contract: Contract, layout: DatasetLayout, agreements: Sequence[Agreement]
) -> tuple[Made, ...]:
    """Write what makes a dataset's views and function for one consumer.

    Args:
        schema: Of the mart.
        contract: Of the dataset.
        layout: Of the dataset.
        agreements: Of the consumer on the dataset, that have not ended; at least one.
    """
    title = f"{contract.title.ru} / {contract.title.en}"
    dataset = str(layout.dataset)
    standing = Row(agency=sql.SQL("standing.agency"), value_of=_of_standing)
    either = Row(agency=sql.SQL("record.agency"), value_of=_of_either)
    without_past = {one.id for one in agreements if _has_no_past(one, contract)}
    given = [given_by(one, layout, standing) for one in agreements]
    given = [_alive(one) if one.agreement in without_past else one for one in given]
    asks = any(one.needs_record for one in given)
    rows = "rows_current_and_record" if asks else "rows_current"
    current = _query(layout, given, standing.value_of, _CURRENT, rows)
    given = [given_by(one, layout, either) for one in agreements]
    given = [
        replace(one, condition=NEVER) if one.agreement in without_past else one for one in given
    ]
    history = _query(layout, given, either.value_of, _HISTORY, "rows_history")
    stood = _query(layout, given, either.value_of, _STOOD, "rows_stood")
    function = f"{dataset}_as_of"
    return (
        _view(schema, dataset, title, current),
        _view(schema, f"{dataset}_history", title, history),
        Made(
            kind="function",
            name=function,
            signature=f'"{function}"({_arguments(layout)})',
            title=title,
            statement=_function(sql.Identifier(schema, function), layout, given, stood),
        ),
    )


def _has_no_past(agreement: Agreement, contract: Contract) -> bool:
    """Tell whether an agreement gives what stands now alone: its filter reads what may change."""
    view = view_of(agreement, contract)
    return view is not None and view.is_standing


def _alive(given: Given) -> Given:
    alive = sql.SQL("standing.ceased_by IS NULL")
    return replace(given, condition=all_of([given.condition, alive]))


def _view(schema: str, name: str, title: str, query: sql.Composed) -> Made:
    statement = QUERIES.get("view", object=sql.Identifier(schema, name), query=query)
    return Made(kind="view", name=name, signature=f'"{name}"', title=title, statement=statement)


def _function(
    name: sql.Identifier, layout: DatasetLayout, given: Sequence[Given], query: sql.Composed
) -> sql.Composed:
    columns = [
        *((_free(known, layout), _STOOD_TYPES.get(known, "text")) for known in _STOOD),
        *((one.name, one.sql_type) for one in layout.columns if _is_granted(one.name, given)),
    ]
    defaults = {name: "false" if kind == "boolean" else "NULL" for name, kind in PARAMETERS.items()}
    body = QUERIES.get(
        "body",
        **tables_of(layout.dataset),
        dataset=sql.Literal(str(layout.dataset)),
        query=query,
    )
    return QUERIES.get(
        "function",
        object=name,
        parameters=_listed(
            sql.SQL("{} {} DEFAULT {}").format(
                sql.Identifier(_free(known, layout)), sql.SQL(kind), sql.SQL(defaults[known])
            )
            for known, kind in PARAMETERS.items()
        ),
        columns=_listed(
            # Safe as SQL text: types come from the closed list in `bus.fund.columns`.
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
            for column, kind in columns
        ),
        body=sql.Literal(body.as_string()),
    )


def _arguments(layout: DatasetLayout) -> str:
    """Write the arguments as PostgreSQL tells them."""
    return ", ".join(f"{_free(name, layout)} {kind}" for name, kind in PARAMETERS.items())


def _query(
    layout: DatasetLayout,
    given: Sequence[Given],
    value_of: Callable[[str], sql.Composable],
    known: Mapping[str, str],
    rows: str,
) -> sql.Composed:
    """Select what agreements give.

    Args:
        layout: Of the dataset.
        given: By each agreement.
        value_of: The fields' columns.
        known: Column of the bus → its expression.
        rows: Name of the statement after `FROM`.
    """
    source = QUERIES.get(rows, **tables_of(layout.dataset))
    columns = [(_free(name, layout), sql.SQL(expression)) for name, expression in known.items()]
    fields = [one.name for one in layout.columns if _is_granted(one.name, given)]
    values = [(field, value_of(field)) for field in fields]
    if all(one.fields == {*fields} and not one.hidden for one in given):
        condition = any_of(one.condition for one in given)
        return QUERIES.get(
            "plain", columns=_labelled([*columns, *values]), rows=source, condition=condition
        )
    flags = [(f"bus {number}", one.condition) for number, one in enumerate(given)]
    inner = [*columns, *values, *flags]
    if any(one.hidden for one in given):
        inner.append(("bus schema", sql.SQL("record.schema_id")))
    shown = [
        *((name, sql.SQL("given.{}").format(sql.Identifier(name))) for name, _ in columns),
        *((field, _shown(field, given)) for field in fields),
    ]
    return QUERIES.get(
        "mixed",
        columns=_labelled(shown),
        inner=_labelled(inner),
        rows=source,
        condition=any_of(_flag(name) for name, _ in flags),
    )


def _shown(field: str, given: Sequence[Given]) -> sql.Composable:
    """Show a field where an agreement that grants it gives the row."""
    value = sql.SQL("given.{}").format(sql.Identifier(field))
    granting = [(number, one) for number, one in enumerate(given) if field in one.fields]
    if len(granting) == len(given) and not any(field in one.hidden for one in given):
        return value
    flags = []
    for number, one in granting:
        flag = _flag(f"bus {number}")
        if ids := one.hidden.get(field):
            flag = sql.SQL("{} AND {}").format(flag, without_schemas(_SCHEMA_ID, ids))
        flags.append(flag)
    return sql.SQL("CASE WHEN {} THEN {} END").format(any_of(flags), value)


def _flag(name: str) -> sql.Composed:
    return sql.SQL("given.{}").format(sql.Identifier(name))


def _is_granted(field: str, given: Sequence[Given]) -> bool:
    return any(field in one.fields for one in given)


def _of_standing(field: str) -> sql.Composable:
    return sql.SQL("standing.{}").format(sql.Identifier(field))


def _of_either(field: str) -> sql.Composable:
    """Take a field's value where it is: with what stands, or with what gave way."""
    return sql.SQL("CASE WHEN gone.key IS NULL THEN standing.{0} ELSE gone.{0} END").format(
        sql.Identifier(field)
    )


def _free(name: str, layout: DatasetLayout) -> str:
    """Give a column of the bus another name where a field of the dataset has its own."""
    fields = {column.name for column in layout.columns}
    while name in fields:
        name = f"bus_{name}"
    return name


def _labelled(columns: Iterable[tuple[str, sql.Composable]]) -> sql.Composed:
    return _listed(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, expression in columns
    )


def _listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
