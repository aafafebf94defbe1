"""Reading what the fund holds of the entries that a batch touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, cast

from psycopg import sql

from bus.fund.batch import Arrival
from bus.fund.change import EntryKey, StoredEntry, StoredVersion
from bus.merge import needs_whole_history
from bus.model.identifiers import AgencyCode, DatasetCode, RecordId, SystemCode
from bus.model.record import Headers, Lane, Operation, RegistryRecord
from bus.postgres.queries import Queries
from bus.postgres.session import Session

QUERIES: Final = Queries.load("bus.fund", "entries")
_OPERATIONS: Final = {operation.value: operation for operation in Operation}


def tables_of(dataset: DatasetCode) -> dict[str, sql.Identifier]:
    """Name a dataset's tables, for the braces in SQL files."""
    return {
        "history": sql.Identifier("history", dataset),
        "current": sql.Identifier("current", dataset),
    }


async def read_entries(
    session: Session, dataset: DatasetCode, arrivals: Sequence[Arrival]
) -> dict[EntryKey, StoredEntry]:
    """Read the stored entries of arrivals of one dataset, within the caller's transaction.

    Histories are read whole only where `bus.merge` asks for it; else the versions that arrivals
    claim or supersede, so that an entry with a long history costs no more than a short one.
    """
    reading = _Reading(session, dataset)
    claims = [arrival.record for arrival in arrivals]
    await reading.touched(claims)
    await reading.held()
    await reading.superseded([one for one in claims if one.supersedes is not None])
    await reading.whole(claims)
    return reading.entries()


class _Reading:
    """What one transaction has read of one dataset, filled query by query."""

    def __init__(self, session: Session, dataset: DatasetCode) -> None:
        self._session = session
        self._dataset = dataset
        self._tables = tables_of(dataset)
        self._standing: dict[EntryKey, tuple[int | None, int | None]] = {}
        self._held: dict[EntryKey, dict[int, Arrival]] = {}
        self._versions: dict[EntryKey, dict[int, StoredVersion]] = defaultdict(dict)

    async def touched(self, claims: Sequence[RegistryRecord]) -> None:
        """Read what stands, and the versions that are claimed again; new entries have neither."""
        keys = [(one.agency, one.key) for one in claims]
        named = {
            **_columns(keys),
            "versions": [one.version for one in claims],
            "schema_ids": [one.schema_id for one in claims],
            "dataset": self._dataset,
        }
        for number, current, ceased_by, is_held, *past in await self._rows("touched", named):
            key = keys[cast("int", number) - 1]
            self._standing[key] = (cast("int | None", current), cast("int | None", ceased_by))
            if is_held:
                self._held[key] = {}
            if past[0] is not None:
                self._keep(key, past)

    async def held(self) -> None:
        keys = list(self._held)
        if not keys:
            return
        named = {**_columns(keys), "dataset": self._dataset}
        for number, *row in await self._rows("held", named):
            arrival = held_arrival(self._dataset, row)
            self._held[keys[cast("int", number) - 1]][arrival.record.version] = arrival

    async def superseded(self, followers: Sequence[RegistryRecord]) -> None:
        keys = [(one.agency, one.key) for one in followers]
        if keys:
            named = {**_columns(keys), "record_ids": [one.supersedes for one in followers]}
            for number, *past in await self._rows("superseded", named):
                self._keep(keys[cast("int", number) - 1], past)

    async def whole(self, claims: Sequence[RegistryRecord]) -> None:
        operations: dict[EntryKey, list[Operation]] = defaultdict(list)
        for claim in claims:
            operations[claim.agency, claim.key].append(claim.operation)
        for key, waiting in self._held.items():
            operations[key] += [one.record.operation for one in waiting.values()]
        keys = [key for key, found in operations.items() if needs_whole_history(found)]
        if keys:
            for number, *past in await self._rows("whole", _columns(keys)):
                self._keep(keys[cast("int", number) - 1], past)

    def entries(self) -> dict[EntryKey, StoredEntry]:
        return {
            key: StoredEntry(
                versions=self._versions.get(key, {}),
                held=self._held.get(key, {}),
                current=self._standing.get(key, (None, None))[0],
                ceased_by=self._standing.get(key, (None, None))[1],
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

    async def _rows(self, name: str, named: Mapping[str, object]) -> Sequence[tuple[object, ...]]:
        async with self._session.cursor(binary=True) as cursor:
            await cursor.execute(QUERIES.get(name, **self._tables), named)
            return await cursor.fetchall()


def held_arrival(dataset: DatasetCode, row: Sequence[object]) -> Arrival:
    """Read a row of `bus.held`, in the order of its statement, as the record it was."""
    texts = cast("Sequence[str]", row)
    numbers = cast("Sequence[int]", row)
    names, values = cast("tuple[list[bytes], list[bytes]]", row[-2:])
    record = RegistryRecord(
        agency=AgencyCode(texts[0]),
        dataset=dataset,
        key=texts[1],
        version=numbers[2],
        record_id=RecordId(texts[3]),
        operation=_OPERATIONS[texts[4]],
        supersedes=RecordId(texts[5]),
        schema_id=numbers[6],
        value=cast("bytes", row[7]),
        event_time=texts[8],
        appended_ms=numbers[9],
        system=SystemCode(texts[10]),
        lane=Lane(texts[11]),
        bus_in=texts[12],
        catalogue=numbers[13],
    )
    headers: Headers = [
        (name.decode(errors="surrogatepass"), value)
        for name, value in zip(names, values, strict=True)
    ]
    return Arrival(
        topic=texts[14], partition=numbers[15], offset=numbers[16], record=record, headers=headers
    )


def _columns(keys: Sequence[EntryKey]) -> dict[str, object]:
    return {"agencies": [agency for agency, _ in keys], "keys": [key for _, key in keys]}
