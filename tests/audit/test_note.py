from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bus.audit.note import KeptNote, Read, Way, act_note, digest_of, key_mark, read_note
from bus.model.identifiers import DatasetCode

KEY = b"\x05" * 32
ROADS, SCHOOLS = DatasetCode("roads"), DatasetCode("schools")
NOTED = datetime(2026, 11, 29, 12, tzinfo=UTC)
KEPT = KeptNote(
    number=7,
    noted_at=NOTED,
    kind="read",
    writer="gateway",
    dataset="roads",
    keys=(-5, 11),
    text='{"way": "request"}',
)
CHANGES: dict[str, KeptNote] = {
    "number": replace(KEPT, number=8),
    "time": replace(KEPT, noted_at=NOTED + timedelta(microseconds=1)),
    "kind": replace(KEPT, kind="act"),
    "writer": replace(KEPT, writer="administrator"),
    "dataset": replace(KEPT, dataset=None),
    "a key": replace(KEPT, keys=(-5, 12)),
    "a key less": replace(KEPT, keys=(-5,)),
    "text": replace(KEPT, text='{"way": "sql"}'),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_is_changed_in_a_note_its_seal_is_another(changed: KeptNote) -> None:
    assert digest_of(changed, KEY) != digest_of(KEPT, KEY)


def test_a_seal_needs_the_key_and_no_time_zone() -> None:
    assert digest_of(KEPT, b"\x06" * 32) != digest_of(KEPT, KEY)
    elsewhere = replace(KEPT, noted_at=datetime.fromisoformat("2026-11-29T16:00:00+04:00"))
    assert digest_of(elsewhere, KEY) == digest_of(KEPT, KEY)
    assert KEPT.leaf(KEY).digest == digest_of(KEPT, KEY)


def test_a_read_is_noted_without_a_registry_key_in_it() -> None:
    read = Read(
        way=Way.REQUEST,
        system="health-analytics",
        agency="health-samara",
        dataset=ROADS,
        agreements=("health-roads",),
        catalogue=3,
        keys=["63-0001", "63-0002", "63-0001"],
        providers=("roads-samara",),
        request="r-17",
    )
    noted = read_note(read, KEY, "gateway")
    assert noted.keys == tuple(sorted({key_mark(KEY, ROADS, one) for one in read.keys}))
    assert len(noted.keys) == 2
    assert "63-000" not in noted.text
    assert noted.content["request"] == "r-17"
    assert "purpose" not in noted.content


def test_a_mark_is_of_one_dataset_and_fits_a_bigint() -> None:
    assert key_mark(KEY, ROADS, "1") != key_mark(KEY, SCHOOLS, "1")
    assert all(-(2**63) <= key_mark(KEY, ROADS, str(one)) < 2**63 for one in range(100))


def test_an_act_says_who_may_have_done_it_and_with_what() -> None:
    noted = act_note("quarantine_discard", ids=["in.town.roads/0/17"], by="steward")
    assert noted.writer == "administrator"
    assert noted.text == (
        '{"act": "quarantine_discard", "by": "steward", "ids": ["in.town.roads/0/17"]}'
    )
