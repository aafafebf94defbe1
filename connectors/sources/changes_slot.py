"""What change capture keeps in the source: a slot and a publication; and what else it must find.

A slot belongs to one epoch of the connector, by its name, so that one which came back with a
restored source is never taken for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql

from bus.errors import DocumentError, Finding
from connectors.sources.changes_position import lsn_of
from connectors.texts import finding_at, message

Connection = AsyncConnection[tuple[Any, ...]]

_NAME_MAX: Final = 63
_MIB: Final = 2**20
_GIVE_UP_LOOKS: Final = 50
_GIVE_UP_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How things are called."""

    table: str
    """`schema.table`"""
    key: str
    publication: str
    slots: str
    """Beginning of the slots' names, of all epochs."""
    epoch: int

    @property
    def slot(self) -> str:
        """Name of this epoch's slot."""
        return f"{self.slots}{self.epoch}"

    @property
    def quoted(self) -> sql.Identifier:
        """The table as SQL names it."""
        return sql.Identifier(*self.table.split(".", 1))


def own_name(connector: str) -> str:
    """Name what is a connector's own, by the letters that PostgreSQL allows a slot."""
    return "bus_" + re.sub(r"[^a-z0-9_]", "_", connector)[: _NAME_MAX - 10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The slot as it stands."""

    confirmed: int
    """What was committed before it can't be read again."""
    is_lost: bool
    """The source has thrown away what it would need."""
    held_bytes: int
    """Log that the source keeps for it."""


async def slot_of(session: Connection, names: Names) -> Slot | None:
    """Look at the slot; None: there is none."""
    found = await session.execute(
        "SELECT confirmed_flush_lsn::text, wal_status = 'lost',"
        " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint"
        " FROM pg_replication_slots WHERE slot_name = %s",
        [names.slot],
    )
    row = await found.fetchone()
    if row is None:
        return None
    confirmed, is_lost, held = row
    return Slot(confirmed=lsn_of(confirmed or "0/0"), is_lost=bool(is_lost), held_bytes=held)


async def make(session: Connection, names: Names) -> None:
    """Make publication and slot where they are not there yet, and drop slots of other epochs.

    Raises:
        DocumentError: The source can't be captured as it is; everything that is wrong.
    """
    wrong = await findings(session, names)
    if wrong:
        raise DocumentError(message("postgres-changes.unfit", table=names.table), wrong)
    if not await _is_one(
        session, "SELECT FROM pg_publication WHERE pubname = %s", names.publication
    ):
        # Why before the slot: what is decoded looks the publication up as it was at that place.
        await session.execute(
            sql.SQL(
                "CREATE PUBLICATION {name} FOR TABLE {table} WITH (publish_via_partition_root)"
            ).format(name=sql.Identifier(names.publication), table=names.quoted)
        )
    if await slot_of(session, names) is None:
        await session.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [names.slot]
        )
    await _drop_slots(session, names, but=names.slot)


async def drop(session: Connection, names: Names) -> None:
    """Drop all that was made."""
    await _drop_slots(session, names, but="")
    if names.publication == names.slots.removesuffix("_"):
        await session.execute(
            sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(names.publication))
        )


async def give_up(session: Connection, names: Names) -> None:
    """Drop the slot of this epoch, to spare the source's disk, though somebody reads it: we do."""
    for _ in range(_GIVE_UP_LOOKS):
        found = await session.execute(
            "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", [names.slot]
        )
        row = await found.fetchone()
        if row is None:
            return
        if row[0] is None:
            await session.execute("SELECT pg_drop_replication_slot(%s)", [names.slot])
            return
        await session.execute("SELECT pg_terminate_backend(%s)", [row[0]])
        await asyncio.sleep(_GIVE_UP_LOOK_S)


async def _drop_slots(session: Connection, names: Names, *, but: str) -> None:
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_name ~ ('^' || %s || '[0-9]+$') AND slot_name <> %s AND NOT active"
        " AND database = current_database()",
        [names.slots, but],
    )


async def table_oid(session: Connection, names: Names) -> int:
    """Find the table, as it is published.

    Raises:
        DocumentError: There is none of the name, or the publication leaves it out.
    """
    found = await session.execute(
        "SELECT one.oid, EXISTS (SELECT FROM pg_publication_tables AS told WHERE pubname = %s"
        " AND (told.schemaname, told.tablename) = (space.nspname, one.relname))"
        " FROM pg_class AS one JOIN pg_namespace AS space ON space.oid = one.relnamespace"
        " WHERE space.nspname = %s AND one.relname = %s",
        [names.publication, *names.table.split(".", 1)],
    )
    row = await found.fetchone()
    if row is None:
        raise DocumentError(message("postgres-changes.no_table", table=names.table))
    if not row[1]:
        told = {"table": names.table, "publication": names.publication}
        raise DocumentError(message("postgres-changes.not_published", **told))
    return int(row[0])


async def findings(session: Connection, names: Names) -> Sequence[Finding]:
    """Tell why the table could not be captured."""
    found, path = [], names.table
    level = await _shown(session, "wal_level")
    if level != "logical":
        found.append(finding_at(path, "postgres-changes.wal_level", level=level))
    if not await _is_one(
        session,
        "SELECT FROM pg_roles WHERE rolname = current_user AND (rolreplication OR rolsuper)",
    ):
        found.append(finding_at(path, "postgres-changes.no_replication"))
    table = await session.execute(
        "SELECT one.oid, one.relreplident FROM pg_class AS one JOIN pg_namespace AS space"
        " ON space.oid = one.relnamespace WHERE space.nspname = %s AND one.relname = %s",
        names.table.split(".", 1),
    )
    row = await table.fetchone()
    if row is None:
        return [*found, finding_at(path, "postgres-changes.absent")]
    oid, identity = row
    if identity not in {"f", b"f"}:
        found.append(finding_at(path, "postgres-changes.identity", table=names.table))
    if not await _is_one(
        session,
        "SELECT FROM pg_index AS one JOIN pg_attribute AS part ON part.attrelid = one.indrelid"
        " AND part.attnum = one.indkey[0] WHERE one.indrelid = %s AND one.indisunique"
        " AND one.indnkeyatts = 1 AND one.indpred IS NULL AND one.indisvalid"
        " AND part.attnotnull AND part.attname = %s",
        oid,
        names.key,
    ):
        found.append(finding_at(path, "postgres-changes.key", key=names.key))
    return found


async def bounds(session: Connection, names: Names, wal_max_mb: int) -> Sequence[Finding]:
    """Tell where a dead connector could fill the source's disk, or is about to."""
    found = []
    slot = await slot_of(session, names)
    if slot is not None and slot.held_bytes > wal_max_mb * _MIB:
        told = {"held_mb": slot.held_bytes // _MIB, "wal_max_mb": wal_max_mb}
        found.append(finding_at(names.slot, "postgres-changes.held", **told))
    if await _shown(session, "max_slot_wal_keep_size") == "-1":
        found.append(finding_at(names.slot, "postgres-changes.unbounded", wal_max_mb=wal_max_mb))
    return found


async def _is_one(session: Connection, query: LiteralString, *given: object) -> bool:
    found = await session.execute(query, given)
    return await found.fetchone() is not None


async def _shown(session: Connection, setting: str) -> str:
    found = await session.execute("SELECT current_setting(%s)", [setting])
    row = await found.fetchone()
    assert row is not None, "each setting has a value"
    return str(row[0])
