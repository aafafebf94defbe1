"""Marts brought to what the region grants, in both directions.

First everything is taken away that no agreement gives, then what is missing is made: if it stops
half-way, somebody has too little for a while, nobody too much. A view that is as it should be is
left alone, and so are those who read it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import psycopg
from psycopg import sql

from bus.errors import DocumentError
from bus.marts.entries import PUBLIC, EntryKind, MartDiff, MartEntry
from bus.marts.reading import (
    ALTERED,
    HERE,
    Place,
    compared,
    mark_of,
    read_place,
    read_stamped,
    stamp_of,
)
from bus.marts.statements import Made
from bus.marts.wanted import CONNECTIONS_MAX, Mart, Marts, right_of, settings_of
from bus.postgres.queries import Queries
from bus.postgres.session import Session, connect, translated
from bus.texts import Language, message, text

QUERIES: Final = Queries.load("bus.marts", "change")
FOUNDATION: Final = Queries.load("bus.marts", "foundation")
_STATEMENTS_AT_ONCE: Final = 100
_DROPPED: Final = frozenset({EntryKind.VIEW, EntryKind.FUNCTION, EntryKind.RELATION})
_LANGUAGES: Final = (Language.RU, Language.EN)
_SETTINGS: Final = {"statement_timeout": "60s", "lock_timeout": "5s"}


async def connect_marts(dsn: str) -> Session:
    """Open a session that reads and makes marts.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    return await connect(dsn, "bus marts", _SETTINGS)


Announce: TypeAlias = Callable[[MartDiff], Awaitable[None]]
"""Told what is about to change."""


async def _to_nobody(_: MartDiff) -> None:
    return


async def reconcile_marts(
    session: Session, marts: Marts, announce: Announce = _to_nobody
) -> MartDiff:
    """Bring the marts to what should be; repeatable.

    Args:
        session: Of `connect_marts`.
        marts: What should be.
        announce: Told of changes before the first is made; when it raises, none is made.

    Returns: What was changed; empty when they were right already.

    Raises:
        DocumentError: The bus may not do it, or the fund's tables are not those of the documents.
        Unavailable: PostgreSQL does not answer, or a reader holds what is to change for too long.
    """
    async with translated(message("doing.marts.applying")):
        try:
            place = await read_place(session)
            if not place.may_create_roles:
                return await _without_rights(session, marts, place)
            await session.execute(FOUNDATION.get("lock"))
            try:
                return await _reconcile(session, marts, place, announce)
            finally:
                if not session.closed:
                    await session.execute(FOUNDATION.get("unlock"))
        except psycopg.errors.InsufficientPrivilege as problem:
            raise DocumentError(
                message("error.marts.not_allowed", problem=problem.diag.message_primary)
            ) from None
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.InvalidSchemaName,
        ) as problem:
            raise DocumentError(
                message("error.marts.no_tables", problem=problem.diag.message_primary)
            ) from None


async def _without_rights(session: Session, marts: Marts, place: Place) -> MartDiff:
    diff = await _differences(session, marts, place)
    if diff.is_empty:
        return diff
    raise DocumentError(message("error.marts.no_create_role", user=place.user))


async def _reconcile(session: Session, marts: Marts, place: Place, announce: Announce) -> MartDiff:
    diff = rest = await _differences(session, marts, place)
    if diff.is_empty:
        return diff
    await announce(diff)
    await session.execute(FOUNDATION.get("functions", **_refusals()))
    if place.is_superuser:
        await session.execute(FOUNDATION.get("harden"))
    gone = sorted({entry.role for entry in diff.surplus if _is_to_go(entry, marts)})
    for role in gone:
        await _remove_role(session, place, role)
    if gone:
        rest = await _differences(session, marts, place)
        await announce(rest)  # with a role that goes, all goes that it had
    for role in sorted({entry.role for entry in (*rest.surplus, *rest.missing)}):
        surplus = [entry for entry in rest.surplus if entry.role == role]
        missing = [entry for entry in rest.missing if entry.role == role]
        # Together: of a view that changes, readers find the one before or the one after.
        async with session.transaction():
            await _take_away(session, place, role, surplus)
            if missing:
                await _make(session, place, marts.by_role[role], missing)
    left = await _differences(session, marts, place)
    if not left.is_empty:
        first = (*left.surplus, *left.missing)[0]
        count = len(left.surplus) + len(left.missing)
        raise DocumentError(
            message("error.marts.remains", count=count, first=first, user=place.user)
        )
    return diff


async def _differences(session: Session, marts: Marts, place: Place) -> MartDiff:
    async with session.transaction():
        return await compared(session, marts, place)


def _refusals() -> dict[str, sql.Composable]:
    """Write what the function says of moments that it does not answer for, in both languages."""
    to_come = {"moment": "%1$s", "now": "%2$s"}
    behind = {"dataset": "%1$s", "before": "%2$s", "moment": "%3$s"}
    said = {
        "to_come": [text("marts.moment_to_come", one, **to_come) for one in _LANGUAGES],
        "incomplete": [text("marts.incomplete", one, **behind) for one in _LANGUAGES],
    }
    return {name: sql.Literal(" / ".join(words)) for name, words in said.items()}


def _is_to_go(entry: MartEntry, marts: Marts) -> bool:
    """Tell whether a role has to go, whole: no mart needs it, or the bus did not make it.

    Why the latter: whoever made it may know its password.
    """
    if entry.kind not in {EntryKind.ROLE, EntryKind.SCHEMA}:
        return False
    return entry.role not in marts.by_role or entry.detail.endswith(ALTERED)


async def _remove_role(session: Session, place: Place, role: str) -> None:
    """End a role's sessions, and take away all that it has in this database, then itself."""
    fills = {"role": sql.Identifier(role), "schema": sql.Identifier(role)}
    roles = await session.execute(QUERIES.get("known_role"), {"role": role})
    if roles.rowcount:
        await session.execute(QUERIES.get("lock_out", **fills))
        if not place.is_superuser:
            await session.execute(QUERIES.get("join_role", **fills))
        await _end_sessions(session, role, only_readers=False)
    async with session.transaction():
        await session.execute(QUERIES.get("drop_schema", **fills))
        if roles.rowcount:
            await session.execute(QUERIES.get("drop_owned", **fills))
            await session.execute(QUERIES.get("drop_role", **fills))


async def _end_sessions(session: Session, role: str, *, only_readers: bool) -> None:
    named = {"role": role, "only_readers": only_readers}
    await session.execute(QUERIES.get("end_sessions"), named)


async def _take_away(
    session: Session, place: Place, role: str, entries: Sequence[MartEntry]
) -> None:
    """Take away what a role has too much; whoever reads what goes is ended."""
    if any(entry.kind in _DROPPED for entry in entries):
        await _end_sessions(session, role, only_readers=True)
    # Why in this order: with a thing the rights on it go, and can't be taken away any more.
    ordered = sorted(entries, key=lambda entry: entry.kind in _DROPPED)
    statements = [_removal(place, entry) for entry in ordered]
    await _execute(session, [one for one in statements if one is not None])


def _removal(place: Place, entry: MartEntry) -> sql.Composed | None:
    holder = sql.SQL(PUBLIC) if entry.role == PUBLIC else sql.Identifier(entry.role)
    match entry.kind:
        case EntryKind.SETTING:
            setting = sql.Identifier(entry.name.removesuffix(HERE))
            fills = {"role": holder, "setting": setting}
            if entry.name.endswith(HERE):
                database = sql.Identifier(place.database)
                return QUERIES.get("reset_here", database=database, **fills)
            return QUERIES.get("reset", **fills)
        case EntryKind.MEMBER:
            return QUERIES.get("leave", whole=sql.Identifier(entry.name), member=holder)
        case EntryKind.RIGHT:
            right = sql.SQL(entry.detail.removesuffix(" WITH GRANT OPTION"))
            return QUERIES.get("revoke", right=right, thing=sql.SQL(entry.name), holder=holder)
        case EntryKind.VIEW | EntryKind.RELATION | EntryKind.FUNCTION:
            return _drop(entry)
        case EntryKind.ROLE | EntryKind.SCHEMA:
            return None  # of a role that stays, what is missing sets it right


def _drop(entry: MartEntry) -> sql.Composed:
    # Safe as SQL text: PostgreSQL has told the quoted name and the kind.
    words = {EntryKind.VIEW: "view", EntryKind.FUNCTION: "routine"}
    name = sql.SQL("{}.{}").format(sql.Identifier(entry.role), sql.SQL(entry.name))
    kind = sql.SQL(words.get(entry.kind, entry.detail).upper())
    return QUERIES.get("drop", kind=kind, object=name)


async def _make(session: Session, place: Place, mart: Mart, missing: Sequence[MartEntry]) -> None:
    """Make what is missing of one mart, and let its role use what is new."""
    entries = {(entry.kind, entry.name) for entry in missing}
    fills = {"role": sql.Identifier(mart.role), "schema": sql.Identifier(mart.role)}
    if (EntryKind.ROLE, "") in entries:
        await _make_role(session, place, mart.role)
    if (EntryKind.SCHEMA, mart.role) in entries:
        await session.execute(QUERIES.get("create_schema", **fills))
    made = [one for one in mart.objects if (EntryKind(one.kind), one.signature) in entries]
    await _execute(session, [one.statement for one in made])
    await _stamp(session, mart, made)
    settings = settings_of(mart.role, may_log=place.may_log)
    granted = {entry for entry in missing if entry.kind is EntryKind.RIGHT}
    granted.update(right_of(mart, one) for one in made)
    await _execute(
        session,
        [
            *(
                QUERIES.get("set", setting=sql.Identifier(name), value=sql.Literal(value), **fills)
                for name, value in settings.items()
                if (EntryKind.SETTING, name) in entries
            ),
            *(
                QUERIES.get(
                    "grant",
                    right=sql.SQL(entry.detail),
                    thing=sql.SQL(entry.name),
                    holder=sql.Identifier(mart.role),
                )
                for entry in sorted(granted)
            ),
        ],
    )


async def _make_role(session: Session, place: Place, role: str) -> None:
    """Make a role that can't log in yet, for it has no password; or set its limits right."""
    fills = {"role": sql.Identifier(role), "limit": sql.Literal(CONNECTIONS_MAX)}
    known = await session.execute(QUERIES.get("known_role"), {"role": role})
    if known.rowcount:
        await session.execute(QUERIES.get("limit_role", **fills))
        if place.is_superuser:
            await session.execute(QUERIES.get("weaken_role", **fills))
        return
    await session.execute(QUERIES.get("create_role", **fills))
    mark = sql.Literal(mark_of(place.database))
    await session.execute(QUERIES.get("mark_role", mark=mark, **fills))
    if not place.is_superuser:
        await session.execute(QUERIES.get("join_role", **fills))


async def _stamp(session: Session, mart: Mart, made: Sequence[Made]) -> None:
    """Note beside what was made how PostgreSQL tells it, so that a change by hand is seen."""
    found = {one.name: one.found for one in await read_stamped(session, mart.role)}
    statements = []
    for one in made:
        name = sql.Identifier(mart.role, one.name)
        if one.kind == EntryKind.FUNCTION:
            everybody = {"right": sql.SQL("ALL"), "holder": sql.SQL(PUBLIC)}
            thing = sql.SQL("FUNCTION {}").format(name)
            statements.append(QUERIES.get("revoke", thing=thing, **everybody))
        comment = stamp_of(one.title, one.digest, found[one.signature])
        statements.append(
            QUERIES.get(
                "comment",
                kind=sql.SQL(one.kind.upper()),
                object=name,
                comment=sql.Literal(comment),
            )
        )
    await _execute(session, statements)


async def _execute(session: Session, statements: Sequence[sql.Composed]) -> None:
    """Run statements many at once: each way to the server and back costs as much as one."""
    for start in range(0, len(statements), _STATEMENTS_AT_ONCE):
        page = statements[start : start + _STATEMENTS_AT_ONCE]
        await session.execute(sql.SQL(";\n").join(page))
