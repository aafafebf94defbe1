"""Reading what there is of marts, and how it differs from what should be."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from bus.errors import DocumentError
from bus.marts.entries import EntryKind, MartDiff, MartEntry, mart_diff
from bus.marts.wanted import Marts
from bus.postgres.queries import Queries
from bus.postgres.session import Session, translated
from bus.texts import message

QUERIES: Final = Queries.load("bus.marts", "reading")
ALTERED: Final = "altered"
"""Detail of a view or function that is not as the bus made it."""
HERE: Final = " in this database"
"""Behind the name of a setting that stands for one database."""
_STAMP: Final = re.compile(r"\[bus ([0-9a-f]{32}) ([0-9a-f]{32})\]$")
_MARK: Final = re.compile(r"bus: marts of (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The database, and who the bus is in it."""

    database: str
    user: str
    is_superuser: bool
    may_create_roles: bool
    may_log: bool
    """Whether it may set what is logged of a role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """A thing in a mart's schema, and what its comment says of it."""

    schema: str
    name: str
    """Quoted; of a function with its arguments."""
    kind: EntryKind
    found: str
    """Digest of its definition as PostgreSQL tells it."""
    detail: str
    """Digest of what made it, or `ALTERED`; of what is no view and no function its kind."""


def mark_of(database: str) -> str:
    """Write a role's comment: roles are the whole server's, marts a database's."""
    return f"bus: marts of {database}"


def stamp_of(title: str, made: str, found: str) -> str:
    """Write a view's or function's comment: its title, and the digests of what is to stay so."""
    return f"{title} [bus {made} {found}]"


async def read_place(session: Session) -> Place:
    """Learn where the bus is."""
    (row,) = await (await session.execute(QUERIES.get("self"))).fetchall()
    database, user, is_superuser, may_create_roles, may_log = row
    return Place(
        database=str(database),
        user=str(user),
        is_superuser=bool(is_superuser),
        may_create_roles=bool(may_create_roles),
        may_log=bool(may_log),
    )


async def find_mart_drift(session: Session, marts: Marts) -> MartDiff:
    """Compare the database with what should be, and change nothing.

    Raises:
        DocumentError: A role that a mart needs is another database's.
        Unavailable: PostgreSQL does not answer.
    """
    async with translated(message("doing.marts.reading")), session.transaction():
        return await compared(session, marts, await read_place(session))


async def compared(session: Session, marts: Marts, place: Place) -> MartDiff:
    """Do so within the caller's transaction."""
    # Why: how PostgreSQL writes a definition out depends on what names can be found.
    await session.execute("SET LOCAL search_path = pg_catalog")
    marks = await _roles(session)
    foreign = {
        role
        for role, (_, mark) in marks.items()
        if (known := _MARK.fullmatch(mark or "")) and known[1] != place.database
    }
    if taken := sorted(foreign & marts.by_role.keys()):
        raise DocumentError(
            message("error.marts.foreign_role", role=taken[0], database=place.database)
        )
    found = [entry async for entry in _found(session, place, marks)]
    return mart_diff(
        marts.entries(place.database, may_log=place.may_log),
        [entry for entry in found if entry.role not in foreign],
    )


async def _roles(session: Session) -> Mapping[str, tuple[str, str | None]]:
    rows = await session.execute(QUERIES.get("roles"))
    return {
        str(role): (str(attributes), cast("str | None", mark))
        for role, attributes, mark in await rows.fetchall()
    }


async def _found(
    session: Session, place: Place, roles: Mapping[str, tuple[str, str | None]]
) -> AsyncIterator[MartEntry]:
    for known, (attributes, mark) in roles.items():
        detail = attributes if mark == mark_of(place.database) else f"{attributes}, {ALTERED}"
        yield MartEntry(role=known, kind=EntryKind.ROLE, name="", detail=detail)
    rows = await session.execute(QUERIES.get("settings"))
    for role, is_here, setting, value in await rows.fetchall():
        yield MartEntry(
            role=str(role),
            kind=EntryKind.SETTING,
            name=f"{setting}{HERE if is_here else ''}",
            # Why: PostgreSQL quotes the path's names where it must.
            detail=str(value).strip('"') if setting == "search_path" else str(value),
        )
    rows = await session.execute(QUERIES.get("members"))
    for member, whole in await rows.fetchall():
        yield MartEntry(role=str(member), kind=EntryKind.MEMBER, name=str(whole), detail="")
    rows = await session.execute(QUERIES.get("schemas"))
    for schema, is_own in await rows.fetchall():
        detail = "" if is_own else ALTERED
        yield MartEntry(role=str(schema), kind=EntryKind.SCHEMA, name=str(schema), detail=detail)
    for one in await read_stamped(session):
        yield MartEntry(role=one.schema, kind=one.kind, name=one.name, detail=one.detail)
    rows = await session.execute(QUERIES.get("rights"))
    for holder, name, right in await rows.fetchall():
        yield MartEntry(role=str(holder), kind=EntryKind.RIGHT, name=str(name), detail=str(right))


async def read_stamped(session: Session, schema: str | None = None) -> list[Stamped]:
    """Read what is in marts' schemas, or in one."""
    named = {"schema": schema}
    found = []
    rows = await session.execute(QUERIES.get("relations"), named)
    for of, name, other, is_own, comment, digest in await rows.fetchall():
        if other is None:
            found.append(_stamped(EntryKind.VIEW, (of, name), (is_own, comment, digest)))
        else:
            relation = EntryKind.RELATION
            found.append(
                Stamped(schema=str(of), name=str(name), kind=relation, found="", detail=str(other))
            )
    rows = await session.execute(QUERIES.get("routines"), named)
    for of, name, is_own, comment, digest in await rows.fetchall():
        found.append(_stamped(EntryKind.FUNCTION, (of, name), (is_own, comment, digest)))
    return found


def _stamped(
    kind: EntryKind, names: tuple[object, object], state: tuple[object, object, object]
) -> Stamped:
    schema, name = map(str, names)
    is_own, comment, digest = state
    stamp = _STAMP.search(str(comment or ""))
    is_intact = is_own and stamp is not None and stamp[2] == digest
    return Stamped(
        schema=schema,
        name=name,
        kind=kind,
        found=str(digest),
        detail=stamp[1] if is_intact and stamp is not None else ALTERED,
    )
