"""Reading what the fund holds of the entries that a batch touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, cast

from psycopg import sql

from bus.fund.batch import Arrival
from bus.fund.stored import EntryKey, StoredEntry, StoredVersion, WaitingVersion
from bus.merge import needs_whole_history
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Headers, Lane, Operation, RegistryRecord
from bus.postgres.queries import Queries
from bus.postgres.session import Session
from bus.wire.headers import parse_group

QUERIES: Final = Queries.load("bus.fund", "entries")
_OPERATIONS: Final = {operation.value: operation for operation in Operation}


def tables_of(dataset: DatasetCode) -> dict[str, sql.Identifier]:
    """Name a dataset's tables, for the braces in SQL files."""
    return {
        "history": sql.Identifier("history", dataset),
        "current": sql.Identifier("current", dataset),
        "past": sql.Identifier("past", dataset),
    }


async def read_entries(
    session: Session, dataset: DatasetCode, arrivals: Sequence[Arrival]
) -> dict[EntryKey, StoredEntry]:
    """Read the stored entries of arrivals of one dataset, within the caller's transaction.

    Histories are read whole only where `bus.merge` asks for it; else the versions that arrivals
    claim or supersede, so that an entry with a long history costs no more than a short one.
    Entries in which other members of a held group wait are read with them.
    """
    reading = _Reading(session, dataset)
    records = [arrival.record for arrival in arrivals]
    claims = [_Claim((one.agency, one.key), one.version, one.schema_id) for one in records]
    await reading.touched(claims)
    grouped = await reading.held()
    await reading.claimed_held(claims)
    followers = [((one.agency, one.key), one.supersedes) for one in records]
    followers += [(one.entry, one.supersedes) for one in grouped]
    await reading.superseded([(key, name) for key, name in followers if name is not None])
    await reading.whole(records)
    await reading.erased(records)
    return reading.entries()


class _Claim(NamedTuple):
    """A version that a record claims."""

    entry: EntryKey
    version: int
    schema_id: int


class _Reading:
    """What one transaction has read of one dataset, filled query by query."""

    def __init__(self, session: Session, dataset: DatasetCode) -> None:
        self._session = session
        self._dataset = dataset
        self._tables = tables_of(dataset)
        self._standing: dict[EntryKey, tuple[int | None, int | None]] = {}
        self._held: dict[EntryKey, dict[int, WaitingVersion]] = {}
        self._versions: dict[EntryKey, dict[int, StoredVersion]] = defaultdict(dict)
        self._erased: dict[EntryKey, frozenset[RecordId]] = {}

    async def touched(self, claims: Sequence[_Claim]) -> None:
        """Read what stands, and the versions that are claimed again; new entries have neither."""
        found = await self._rows("touched", self._claimed(claims))
        for number, current, ceased_by, is_held, is_erased, *past in found:
            key = claims[cast("int", number) - 1].entry
            if is_erased:
                self._erased[key] = frozenset()
            self._standing[key] = (cast("int | None", current), cast("int | None", ceased_by))
            if is_held:
                self._held[key] = {}
            if past[0] is not None:
                self._keep(key, past)

    async def held(self) -> list[WaitingVersion]:
        """Read what waits in the touched entries, and in those that groups tie to them.

        Without values and headers: an entry may have many waiting, and few of them join.

        Returns:
            The members of groups: their predecessors may be in the history.
        """
        keys, grouped = list(self._held), list[WaitingVersion]()
        while keys:
            groups: dict[tuple[str, int, int], None] = {}
            named = {**_columns(keys), "dataset": self._dataset}
            for number, *row in await self._rows("held", named):
                key = keys[cast("int", number) - 1]
                waiting = _waiting_version(key, row)
                self._held.setdefault(key, {})[waiting.version] = waiting
                if waiting.group_offset is not None:
                    grouped.append(waiting)
                    groups[*waiting.place, waiting.group_offset] = None
            keys = await self._companions(list(groups)) if groups else []
        return grouped

    async def _companions(self, groups: Sequence[tuple[str, int, int]]) -> list[EntryKey]:
        """Touch the entries not read yet in which members of these groups wait."""
        topics, partitions, offsets = zip(*groups, strict=True)
        named = {
            "topics": list(topics),
            "partitions": list(partitions),
            "group_offsets": list(offsets),
            "dataset": self._dataset,
        }
        fresh: dict[EntryKey, _Claim] = {}
        for agency, key, version, schema_id in await self._rows("companions", named):
            entry = cast("EntryKey", (agency, key))
            if entry not in self._held:
                fresh[entry] = _Claim(entry, cast("int", version), cast("int", schema_id))
        if fresh:
            await self.touched(list(fresh.values()))
        return list(fresh)

    async def claimed_held(self, claims: Sequence[_Claim]) -> None:
        """Read what tells a repeat of a held record from other content under its version."""
        again = [one for one in claims if one.version in self._held.get(one.entry, ())]
        if not again:
            return
        for number, content, value in await self._rows("claimed_held", self._claimed(again)):
            claim = again[cast("int", number) - 1]
            waiting = self._held[claim.entry]
            if waiting[claim.version].value is None:  # else another claim asked for more
                waiting[claim.version] = replace(
                    waiting[claim.version],
                    content=cast("bytes", content),
                    value=cast("bytes | None", value),
                )

    async def superseded(self, followers: Sequence[tuple[EntryKey, RecordId]]) -> None:
        keys = [key for key, _ in followers]
        if keys:
            named = {**_columns(keys), "record_ids": [name for _, name in followers]}
            for number, *past in await self._rows("superseded", named):
                self._keep(keys[cast("int", number) - 1], past)

    async def whole(self, claims: Sequence[RegistryRecord]) -> None:
        operations: dict[EntryKey, list[Operation]] = defaultdict(list)
        for claim in claims:
            operations[claim.agency, claim.key].append(claim.operation)
        for key, waiting in self._held.items():
            operations[key] += [one.operation for one in waiting.values()]
        keys = [key for key, found in operations.items() if needs_whole_history(found)]
        if keys:
            for number, *past in await self._rows("whole", _columns(keys)):
                self._keep(keys[cast("int", number) - 1], past)

    async def erased(self, claims: Sequence[RegistryRecord]) -> None:
        """Read which claims are of records that an erased entry had."""
        of_erased = [one for one in claims if (one.agency, one.key) in self._erased]
        if of_erased:
            named = {"record_ids": [one.record_id for one in of_erased]}
            known = {name for (name,) in await self._rows("erased_records", named)}
            for one in of_erased:
                if one.record_id in known:
                    key = (one.agency, one.key)
                    self._erased[key] |= {one.record_id}

    def entries(self) -> dict[EntryKey, StoredEntry]:
        return {
            key: StoredEntry(
                versions=self._versions.get(key, {}),
                held=self._held.get(key, {}),
                current=self._standing.get(key, (None, None))[0],
                ceased_by=self._standing.get(key, (None, None))[1],
                erased=self._erased.get(key),
            )
            for key in self._standing.keys() | self._versions.keys()
        }

    def _keep(self, key: EntryKey, past: Sequence[object]) -> None:
        version, record_id, operation, supersedes, schema_id, content, value = past
        entry, number = self._versions[key], cast("int", version)
        if number in entry and (entry[number].value is not None or not content):
            return  # what is kept tells as much: the digest, or the value beside it
        entry[number] = StoredVersion(
            version=number,
            record_id=cast("RecordId", record_id),
            operation=_OPERATIONS[cast("str", operation)],
            supersedes=cast("RecordId | None", supersedes),
            schema_id=cast("int", schema_id),
            content=cast("bytes", content),
            value=cast("bytes | None", value),
        )

    def _claimed(self, claims: Sequence[_Claim]) -> dict[str, object]:
        return {
            **_columns([one.entry for one in claims]),
            "versions": [one.version for one in claims],
            "schema_ids": [one.schema_id for one in claims],
            "dataset": self._dataset,
        }

    async def _rows(self, name: str, named: Mapping[str, object]) -> Sequence[tuple[object, ...]]:
        async with self._session.cursor(binary=True) as cursor:
            await cursor.execute(QUERIES.get(name, **self._tables), named)
            return await cursor.fetchall()


async def known_predecessors(
    session: Session, followers: Sequence[RegistryRecord]
) -> set[RecordId]:
    """Tell which of the versions that records supersede are in the history."""
    wanted: dict[DatasetCode, list[RecordId]] = defaultdict(list)
    for one in followers:
        if one.supersedes is not None:
            wanted[one.dataset].append(one.supersedes)
    found: set[RecordId] = set()
    for dataset, record_ids in wanted.items():
        rows = await session.execute(
            QUERIES.get("known", **tables_of(dataset)), {"record_ids": record_ids}
        )
        found |= {RecordId(str(record_id)) for (record_id,) in await rows.fetchall()}
    return found


def held_arrival(dataset: DatasetCode, row: Sequence[object]) -> Arrival:
    """Read a row of `bus.held`, in the order of its statement, as the record it was."""
    texts = cast("Sequence[str]", row)
    numbers = cast("Sequence[int]", row)
    names, values = cast("tuple[list[bytes], list[bytes]]", row[17:19])
    group = cast("str | None", row[19])
    record = RegistryRecord(
        agency=AgencyCode(texts[0]),
        dataset=dataset,
        key=texts[1],
        version=numbers[2],
        record_id=RecordId(texts[3]),
        operation=_OPERATIONS[texts[4]],
        supersedes=None if row[5] is None else RecordId(texts[5]),
        schema_id=numbers[6],
        value=cast("bytes", row[7]),
        event_time=texts[8],
        appended_ms=numbers[9],
        system=SystemCode(texts[10]),
        lane=Lane(texts[11]),
        bus_in=texts[12],
        catalogue=numbers[13],
        group=None if group is None else parse_group(group),
    )
    headers: Headers = [
        (name.decode(errors="surrogatepass"), value)
        for name, value in zip(names, values, strict=True)
    ]
    return Arrival(
        topic=texts[14], partition=numbers[15], offset=numbers[16], record=record, headers=headers
    )


def _waiting_version(entry: EntryKey, row: Sequence[object]) -> WaitingVersion:
    version, record_id, operation, supersedes, schema_id, event_time, *rest = row
    topic, partition, group_offset = rest
    return WaitingVersion(
        entry=entry,
        version=cast("int", version),
        record_id=cast("RecordId", record_id),
        operation=_OPERATIONS[cast("str", operation)],
        supersedes=cast("RecordId | None", supersedes),
        schema_id=cast("int", schema_id),
        content=b"",
        value=None,
        event_time=cast("str", event_time),
        place=(cast("str", topic), cast("int", partition)),
        group_offset=cast("int | None", group_offset),
    )


def _columns(keys: Sequence[EntryKey]) -> dict[str, object]:
    return {"agencies": [agency for agency, _ in keys], "keys": [key for _, key in keys]}
