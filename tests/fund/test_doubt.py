from __future__ import annotations

from datetime import UTC, datetime

from bus.fund.doubt import SignedVersion, note_doubts
from bus.fund.reader import FundReader
from bus.fund.store import FundStore
from bus.model.identifiers import KeyId
from bus.model.record import Operation, RegistryRecord
from tests.fund.samples import PLACE, SAMARA, SCHOOLS, batch, record

LOST = KeyId("schools.1")
SINCE = datetime(2026, 5, 1, 9, tzinfo=UTC)


def _signed(sent: RegistryRecord) -> SignedVersion:
    return SignedVersion(
        agency=SAMARA,
        dataset=SCHOOLS,
        key=sent.key,
        version=sent.version,
        record_id=sent.record_id,
        place=sent.bus_in,
    )


async def test_versions_in_doubt_are_told_and_stay_as_they_are(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    first = record("17", 1)
    second = record("17", 2, Operation.CORRECT, supersedes=first.record_id)
    await store.apply([batch(0, first, second)])
    assert await note_doubts(dsn, LOST, SINCE, [_signed(second)]) == 1
    row = await reader.get(SCHOOLS, SAMARA, "17")
    assert row is not None
    assert (row.version, row.doubted_since) == (2, SINCE)
    assert "doubted_since" not in row.values
    doubted = [one.doubted_since for one in await reader.history(SCHOOLS, SAMARA, "17")]
    assert doubted == [None, SINCE]


async def test_a_doubt_that_is_noted_keeps_its_first_cause(
    store: FundStore, reader: FundReader, dsn: str
) -> None:
    await store.positions({PLACE: 0})
    sent = record("17", 1)
    await store.apply([batch(0, sent)])
    assert await note_doubts(dsn, LOST, SINCE, [_signed(sent)]) == 1
    later = datetime(2026, 6, 1, tzinfo=UTC)
    assert await note_doubts(dsn, KeyId("schools.2"), later, [_signed(sent)]) == 0
    (kept,) = await reader.history(SCHOOLS, SAMARA, "17")
    assert kept.doubted_since == SINCE
    assert await note_doubts(dsn, LOST, SINCE, []) == 0
