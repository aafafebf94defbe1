from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.catalogue.agreement import Ending
from bus.catalogue.decision import Side
from bus.gateway.asking import OPEN_OF_ONE_MAX
from bus.postgres.session import Session
from bus.requests.request import NoteKind
from bus.requests.store import (
    ANSWERS_KEPT,
    count_requests,
    erase_answers,
    notes_told,
    pass_time,
    untold_notes,
)
from bus.requests.telling import note_deliveries
from tests.factories import AGENCY, DATASET, VALID
from tests.requests.ground import (
    EDUCATION,
    HEALTH,
    REGION,
    TAXES,
    World,
    values_of,
    with_agreements,
)
from tests.requests.test_asking import AGREED, is_genuine

KEY = "63-0777"
RECORD: Mapping[str, object] = {**VALID, "registry_number": KEY}


async def asked(world: World, request_id: UUID | None = None) -> str:
    status, content = await world.asks(HEALTH, key=KEY, request_id=request_id)
    assert (status, content["state"]) == (202, "asked")
    assert content["deadline_at"]
    return str(content["id"])


async def told(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """Give what is to be told, and note it as told."""
    notes = await untold_notes(session, 100)
    await notes_told(session, [note.number for note in notes])
    return [
        (delivery.topic, json.loads(delivery.value or b""))
        for note in notes
        for delivery in note_deliveries(note)
    ]


async def test_what_the_fund_lacks_is_asked_of_its_provider_and_answered_by_hand(
    world: World, session: Session
) -> None:
    request_id = uuid4()
    name = await asked(world, request_id)
    ((topic, note),) = await told(session)
    assert (topic, note["kind"], note["key"]) == ("ask.education-samara", "asked", KEY)
    _, inbox = await world.looks(EDUCATION, "/requests/inbox")
    (waiting,) = inbox["requests"]
    assert (waiting["id"], waiting["consumer"]) == (name, "health-samara")
    assert waiting["purpose"]["ru"] == AGREED.purpose.ru
    for _ in range(2):  # saying the same once more changes nothing
        status, answered = await world.answers(name, RECORD)
        assert (status, answered) == (200, {"id": name, "state": "answered"})
    status, content = await world.asks(HEALTH, key=KEY, request_id=request_id)
    assert (status, content["state"], content["answered_by"]) == (200, "answered", EDUCATION)
    (values,) = values_of(content)
    assert set(values) == set(AGREED.fields or ())
    assert is_genuine(content)
    ((topic, note),) = await told(session)
    assert (topic, note["kind"], note["state"]) == ("reply.health-samara", "settled", "answered")
    assert note["request_id"] == str(request_id)
    assert "Школа" not in json.dumps(note, ensure_ascii=False)
    assert (await world.looks(EDUCATION, "/requests/inbox"))[1] == {"requests": []}


async def test_nothing_that_the_agreement_does_not_show_is_kept(
    world: World, session: Session
) -> None:
    name = await asked(world)
    await world.answers(name, RECORD)
    (row,) = await (await session.execute("SELECT answer FROM bus.requests")).fetchall()
    assert isinstance(row[0], list)
    value = bytes(row[0][0]).decode(errors="replace")
    assert "Школа" in value
    assert "Смирнова" not in value


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({**RECORD, "places": "many"}, "places"),
        ({**RECORD, "surplus": 1}, "surplus"),
        ({name: value for name, value in RECORD.items() if name != "full_name"}, "full_name"),
        ({**RECORD, "oktmo": "36"}, "rule"),
        ({**RECORD, "registry_number": "63-0778"}, "another entry"),
        ({**RECORD, "places": 2**40}, "places"),
        ({**RECORD, "full_name": "x" * 300_000}, "records[0]"),
    ],
)
async def test_an_answer_that_breaks_the_contract_is_not_taken(
    world: World, record: dict[str, object], says: str
) -> None:
    name = await asked(world)
    status, problem = await world.answers(name, record)
    assert (status, problem["code"]) == (422, "answer_unfit")
    told = json.dumps(problem, ensure_ascii=False)
    assert says in told
    assert "Смирнова" not in told
    assert (await world.looks(HEALTH, f"/requests/{name}"))[1]["state"] == "asked"


async def test_only_a_system_of_the_provider_that_publishes_the_dataset_may_answer(
    world: World,
) -> None:
    name = await asked(world)
    for system in (TAXES, HEALTH):
        assert (await world.looks(system, "/requests/inbox"))[1] == {"requests": []}
        for status, problem in (
            await world.answers(name, RECORD, system=system),
            await world.refuses(name, "not_kept", system=system),
        ):
            assert (status, problem["code"]) == (404, "unknown_request")


async def test_a_provider_refuses_with_a_reason_of_the_list_and_it_stays_so(
    world: World, session: Session
) -> None:
    name = await asked(world)
    for reason in ("no_agreement", "because"):
        status, problem = await world.refuses(name, reason)
        assert (status, problem["code"]) == (422, "body_unreadable")
    assert (await world.refuses(name, "unknown_entry"))[0] == 200
    status, problem = await world.answers(name, RECORD)
    assert (status, problem["code"]) == (409, "request_closed")
    _, content = await world.looks(HEALTH, f"/requests/{name}")
    assert (content["state"], content["reason"]) == ("refused", "unknown_entry")
    assert [note["kind"] for _, note in await told(session)] == ["asked", "settled"]


async def test_a_provider_is_reminded_once_and_at_its_deadline_the_request_expires(
    world: World, session: Session
) -> None:
    name = await asked(world)
    await told(session)
    # Five working days from Wednesday noon: half of them is Saturday midnight.
    moments = [
        (datetime(2026, 6, 6, 23, tzinfo=UTC), []),
        (datetime(2026, 6, 7, 1, tzinfo=UTC), ["reminder"]),
        (datetime(2026, 6, 7, 2, tzinfo=UTC), []),
        (datetime(2026, 6, 8, 19, tzinfo=UTC), ["escalated"]),
        (datetime(2026, 6, 10, 11, tzinfo=UTC), []),
        (datetime(2026, 6, 10, 12, tzinfo=UTC), ["expired", "expired"]),
        (datetime(2026, 6, 12, 12, tzinfo=UTC), []),
    ]
    for moment, kinds in moments:
        await pass_time(session, moment)
        notes = await told(session)
        assert [note["kind"] for _, note in notes] == kinds, moment
        if kinds == ["escalated"]:
            assert [one.escalated for one in await count_requests(session)] == [1]
    assert {topic for topic, _ in notes} == set()
    world.now = moments[-1][0]
    status, problem = await world.answers(name, RECORD)
    assert (status, problem["code"]) == (409, "request_closed")
    status, content = await world.looks(HEALTH, f"/requests/{name}")
    assert (status, content["state"]) == (200, "expired")


async def test_an_agreement_that_ended_takes_no_answer(world: World) -> None:
    name = await asked(world)
    ended = Ending(side=Side.CONSUMER, by="Head", at=world.now)
    world.snapshot = with_agreements(replace(AGREED, ending=ended))
    status, problem = await world.answers(name, RECORD)
    assert (status, problem["code"]) == (409, "agreement_ended")


async def test_an_answer_is_not_handed_out_under_another_mask_than_it_was_cut_for(
    world: World,
) -> None:
    name = await asked(world)
    await world.answers(name, RECORD)
    world.snapshot = with_agreements(replace(AGREED, fields=("registry_number", "places")))
    status, problem = await world.looks(HEALTH, f"/requests/{name}")
    assert (status, problem["code"]) == (410, "answer_cut_otherwise")
    # An answer is cut as the agreement is when it comes, and not as it was when it was asked for.
    narrow = await asked(world)
    await world.answers(narrow, RECORD)
    _, content = await world.looks(HEALTH, f"/requests/{narrow}")
    assert values_of(content) == [{"registry_number": KEY, "places": 600}]
    world.snapshot = with_agreements(replace(AGREED, fields=None, rows=(), providers=None))
    assert (await world.looks(HEALTH, f"/requests/{narrow}"))[0] == 410


async def test_an_answer_about_an_entry_that_is_erased_is_destroyed(
    world: World, session: Session
) -> None:
    name = await asked(world)
    await world.answers(name, RECORD)
    assert await erase_answers(session, DATASET, AGENCY, "63-other") == 0
    assert await erase_answers(session, DATASET, AGENCY, KEY) == 1
    status, problem = await world.looks(HEALTH, f"/requests/{name}")
    assert (status, problem["code"]) == (410, "answer_forgotten")
    rows = await session.execute("SELECT answer, answer_keys FROM bus.requests")
    assert await rows.fetchall() == [(None, None)]


async def test_answers_are_forgotten_and_requests_are_not(world: World, session: Session) -> None:
    name = await asked(world)
    await world.answers(name, RECORD)
    await pass_time(session, world.now + ANSWERS_KEPT - timedelta(seconds=1))
    assert (await world.looks(HEALTH, f"/requests/{name}"))[0] == 200
    await pass_time(session, world.now + ANSWERS_KEPT)
    status, problem = await world.looks(HEALTH, f"/requests/{name}")
    assert (status, problem["code"]) == (410, "answer_forgotten")
    assert sum(one.requests for one in await count_requests(session)) == 1


async def test_who_waits_is_told_as_soon_as_there_is_an_answer(world: World) -> None:
    name = await asked(world)
    waiting = asyncio.create_task(world.looks(HEALTH, f"/requests/{name}?wait_s=20"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await world.answers(name, RECORD)
    status, content = await asyncio.wait_for(waiting, 3)
    assert (status, content["state"]) == (200, "answered")
    again = await asked(world)
    status, content = await world.looks(HEALTH, f"/requests/{again}?wait_s=0.1")
    assert (status, content["state"]) == (202, "asked")


async def test_a_system_may_leave_only_so_many_requests_open(
    world: World, session: Session
) -> None:
    name = await asked(world)
    await session.execute(
        "INSERT INTO bus.requests (id, system, request_id, digest, consumer, agency, dataset, key,"
        " state, asked_at, deadline_at) SELECT n::text, system, gen_random_uuid(), digest,"
        " consumer, agency, dataset, key, state, asked_at, deadline_at"
        " FROM bus.requests, generate_series(2, %s) AS n WHERE id = %s",
        [OPEN_OF_ONE_MAX, name],
    )
    status, problem = await world.asks(HEALTH, key=KEY)
    assert (status, problem["code"]) == (429, "too_many_open")


def test_every_kind_of_note_is_told_to_somebody() -> None:
    assert set(NoteKind) == {"asked", "reminder", "escalated", "expired", "settled"}
    assert REGION.contracts
