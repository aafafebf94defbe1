from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from bus.audit.note import NoteKind, key_mark
from bus.audit.notes import every_note
from bus.catalogue.agreement import Condition, ConditionOperator, Suspension
from bus.catalogue.decision import Side
from bus.gateway.data_requests import AT_ONCE_OF_ONE_MAX
from bus.gateway.stood import CANDIDATES_MAX
from bus.model.identifiers import KeyId, RecordId
from bus.model.record import Operation
from bus.postgres import pool
from bus.postgres.session import Session
from bus.wire.headers import signed_values
from bus.wire.http_signature import sign_request
from bus.wire.load_page import parse_record
from bus.wire.record_id import record_id
from bus.wire.request_answer import answer_topic, parse_answer
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature
from tests.factories import AGENCY, DATASET, VALID, Raw, unsigned
from tests.requests.ground import (
    AUDIT_KEY,
    EDUCATION,
    HEALTH,
    PORTAL,
    REGION,
    SCHOOL,
    SEEDS_HERE,
    SYZRAN_SCHOOL,
    TAXES,
    URL,
    World,
    key_of,
    named,
    values_of,
    with_agreements,
)

AGREED = next(one for one in REGION.agreements if one.id == "health-institutions")


async def test_what_the_fund_has_is_answered_at_once_cut_as_the_view_is_and_signed(
    world: World,
) -> None:
    await world.fund_has(SCHOOL)
    status, content = await world.asks(HEALTH, key="63-0001")
    assert (status, content["state"], content["agreement"]) == (
        200,
        "answered_auto",
        "health-institutions",
    )
    (values,) = values_of(content)
    assert set(values) == set(AGREED.fields or ())
    assert "Смирнова" not in json.dumps(content, ensure_ascii=False)
    (record,) = content["records"]
    assert record["headers"]["ce_id"]
    assert record["headers"]["bus_version"] == "1"
    assert datetime.fromisoformat(record["recorded_at"]).tzinfo is not None
    assert (record["partition"], record["offset"]) == (2, 0)
    assert is_genuine(content)
    assert not is_genuine({**content, "id": named(PORTAL, uuid4())})


async def test_what_is_given_is_noted_before_and_what_is_not_there_is_not(
    world: World, session: Session
) -> None:
    await world.fund_has(SCHOOL)
    await world.asks(HEALTH, key="63-0001")
    await world.asks(HEALTH, key="63-9999")
    (note,) = [one async for one in every_note(session)]
    assert (note.kind, note.dataset) == (NoteKind.READ, DATASET)
    assert note.keys == (key_mark(AUDIT_KEY, DATASET, "63-0001"),)
    assert (note.content["system"], note.content["agreements"]) == (HEALTH, [AGREED.id])
    assert "63-0001" not in note.text


async def test_under_a_filter_of_what_may_change_only_what_stands_is_answered(
    world: World,
) -> None:
    large = Condition(field="places", op=ConditionOperator.AT_LEAST, values=("100",))
    world.snapshot = with_agreements(replace(AGREED, rows=(large,)))
    await world.fund_has(unsigned(key="63-0001", places=600))
    status, content = await world.asks(HEALTH, key="63-0001")
    assert (status, content["state"]) == (200, "answered_auto")
    status, problem = await world.asks(HEALTH, key="63-0001", recorded=world.now.isoformat())
    assert (status, problem["code"]) == (422, "view_without_past")
    first = record_id(AGENCY, DATASET, "63-0001", 1, Operation.CREATE)
    left = unsigned(
        key="63-0001", version=2, operation=Operation.CORRECT, supersedes=first, places=50
    )
    await world.fund_has(left)
    status, again = await world.looks(HEALTH, f"/requests/{content['id']}")
    assert (status, again["records"]) == (200, [])
    status, content = await world.asks(HEALTH, key="63-0001")
    assert content["state"] == "asked", "its provider is asked, as for what is not there"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("name", ["recorded", "valid"])
async def test_a_moment_that_no_clock_reckons_with_is_refused(
    world: World, name: str, moment: str
) -> None:
    members: dict[str, Any] = {"key": "63-0001", name: moment}
    status, _ = await world.asks(HEALTH, **members)
    assert status in {400, 422}


def is_genuine(content: dict[str, object]) -> bool:
    topic = answer_topic(str(content["id"]))
    records = content["records"]
    assert isinstance(records, list)
    for one in records:
        record = parse_record(one, topic)
        signature = parse_signature(dict(record.headers)["bus_sig"])
        assert signature is not None
        leaf = leaf_hash(record.topic, record.key, signed_values(record.headers), record.value)
        if SignatureChecker().check([signature], [leaf], [key_of("bus").public_key]) != [True]:
            return False
    return True


async def test_an_entry_that_the_filter_hides_is_told_from_none_by_nothing(world: World) -> None:
    await world.fund_has(SCHOOL, SYZRAN_SCHOOL)
    told = []
    for key in ("63-0002", "63-9999"):
        status, content = await world.asks(HEALTH, key=key)
        assert status == 202
        told.append({**content, "id": "", "request_id": ""})
    assert told[0] == told[1]
    assert told[0]["state"] == "asked"
    # What its provider then answers is hidden by the same filter.
    request_id = uuid4()
    _, content = await world.asks(HEALTH, key="63-0002", request_id=request_id)
    record = {**VALID, "registry_number": "63-0002", "oktmo": "36735000"}
    assert (await world.answers(content["id"], record))[0] == 200
    status, content = await world.looks(HEALTH, f"/requests/{content['id']}")
    assert (status, content["state"], content["records"]) == (200, "answered", [])


async def test_a_system_that_may_read_everything_is_answered_with_everything(world: World) -> None:
    await world.fund_has(SCHOOL)
    whole = replace(AGREED, providers=None, fields=None, rows=())
    world.snapshot = with_agreements(whole)
    _, content = await world.asks(HEALTH, key="63-0001")
    (values,) = values_of(content)
    assert values["director"] == VALID["director"]
    assert is_genuine(content)


async def test_the_answer_is_of_the_version_that_stands(world: World) -> None:
    first = unsigned(key="63-0001")
    corrected = unsigned(
        key="63-0001",
        version=2,
        operation=Operation.CORRECT,
        supersedes=id_of(first),
        places=700,
    )
    await world.fund_has(first, corrected)
    request_id = uuid4()
    _, content = await world.asks(HEALTH, key="63-0001", request_id=request_id)
    assert values_of(content)[0]["places"] == 700
    annulled = unsigned(
        key="63-0001",
        version=3,
        operation=Operation.ANNUL,
        supersedes=id_of(corrected),
        places=700,
    )
    await world.fund_has(annulled)
    _, again = await world.asks(HEALTH, key="63-0001", request_id=request_id)
    assert again == content  # the same question gives the answer that it had
    _, anew = await world.asks(HEALTH, key="63-0001")
    assert values_of(anew)[0]["places"] == VALID["places"]


def id_of(raw: Raw) -> RecordId:
    return RecordId(dict(raw.headers)["ce_id"].decode())


async def test_the_same_id_with_another_body_is_refused(world: World) -> None:
    await world.fund_has(SCHOOL)
    request_id = uuid4()
    _, content = await world.asks(HEALTH, key="63-0001", request_id=request_id)
    status, problem = await world.asks(HEALTH, key="63-9999", request_id=request_id)
    assert (status, problem["code"]) == (409, "request_id_taken")
    # Another system may choose the same id: it names another request.
    _, other = await world.asks(TAXES, key="63-0001", request_id=request_id)
    assert other["code"] == "no_agreement"
    assert content["id"] == named(HEALTH, request_id)


async def test_an_agreement_that_ended_gives_no_answer_any_more_not_even_an_old_one(
    world: World,
) -> None:
    await world.fund_has(SCHOOL)
    request_id = uuid4()
    _, content = await world.asks(HEALTH, key="63-0001", request_id=request_id)
    rests = Suspension(side=Side.PROVIDER, by="Head", begins=world.now, ends=None)
    world.snapshot = with_agreements(replace(AGREED, suspensions=(rests,)))
    for status, problem in (
        await world.asks(HEALTH, key="63-0001", request_id=request_id),
        await world.asks(HEALTH, key="63-0001"),
        await world.looks(HEALTH, f"/requests/{content['id']}"),
    ):
        assert (status, problem["code"]) == (403, "agreement_not_in_force")
        assert "bus agreement draft" in problem["next_step"]


@pytest.mark.parametrize(
    ("change", "members", "code"),
    [
        ({"systems": ("region-portal",)}, {}, "no_agreement"),
        ({"dataset": "organisations", "fields": None, "rows": ()}, {}, "no_agreement"),
        ({}, {"agreement": "portal-organisations"}, "no_agreement"),
        ({"valid_to": date(2026, 6, 2)}, {}, "agreement_not_in_force"),
        ({"valid_from": date(2026, 6, 4)}, {}, "agreement_not_in_force"),
        ({"providers": ("education-tolyatti",)}, {}, "provider_not_covered"),
        ({}, {"purpose": "Curiosity"}, "purpose_not_agreed"),
        ({}, {"key": None, "search": {"inn": "6316000000"}}, "field_not_agreed"),
    ],
)
async def test_what_no_agreement_covers_is_refused_with_its_reason(
    world: World, change: dict[str, object], members: dict[str, object], code: str
) -> None:
    await world.fund_has(SCHOOL)
    world.snapshot = with_agreements(replace(AGREED, **change))  # type: ignore[arg-type]
    request_id = uuid4()
    asked = {"key": "63-0001", **members}
    for _ in range(2):  # a refusal repeated is the same refusal
        status, problem = await world.asks(HEALTH, request_id=request_id, **asked)
        assert (status, problem["code"]) == (403, code)
        assert "bus agreement draft" in problem["next_step"]


async def test_the_purpose_is_the_agreements_own_and_chooses_among_several(world: World) -> None:
    await world.fund_has(SCHOOL)
    words = {"ru": "Проверка", "en": "A check"}
    other = replace(
        AGREED,
        id="health-other",
        fields=("places",),
        purpose=AGREED.purpose.model_copy(update=words),
    )
    world.snapshot = with_agreements(AGREED, other)
    status, problem = await world.asks(HEALTH, key="63-0001")
    assert (status, problem["code"]) == (409, "several_agreements")
    assert "health-institutions, health-other" in problem["message"]
    choices: list[dict[str, Any]] = [
        {"agreement": "health-other"},
        {"purpose": "Проверка"},
        {"purpose": "A check"},
    ]
    for chosen in choices:
        _, content = await world.asks(HEALTH, key="63-0001", **chosen)
        assert values_of(content) == [{"places": 600}]


async def test_a_search_finds_what_is_equal_and_shown(world: World) -> None:
    await world.fund_has(
        *(unsigned(key=f"63-{number}", short_name="Школа № 7") for number in range(3)),
        unsigned(key="63-9", short_name="Школа № 7", oktmo="36735000"),
        unsigned(key="63-8", short_name="Школа № 70"),
    )
    _, content = await world.asks(HEALTH, search={"short_name": "Школа № 7"})
    assert [one["registry_number"] for one in values_of(content)] == ["63-0", "63-1", "63-2"]
    for search in ({"short_name": "Школа"}, {"short_name": "' OR '1'='1"}):
        assert (await world.asks(HEALTH, search=search))[0] == 202
    status, problem = await world.asks(HEALTH, search={"director": "Смирнова Мария Ивановна"})
    assert (status, problem["code"]) == (422, "not_searchable")


async def test_a_search_that_meets_too_many_is_refused(world: World) -> None:
    await world.fund_has(*(unsigned(key=f"63-{number}") for number in range(CANDIDATES_MAX + 1)))
    status, problem = await world.asks(HEALTH, search={"short_name": str(VALID["short_name"])})
    assert (status, problem["code"]) == (409, "search_too_wide")


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({}, 422, "body_unreadable"),
        ({"key": "1", "search": {"inn": "1"}}, 422, "body_unreadable"),
        ({"key": "1", "surplus": 1}, 422, "body_unreadable"),
        ({"key": "1", "request_id": "17"}, 422, "body_unreadable"),
        ({"key": "1\0"}, 422, "body_unreadable"),
        ({"key": "я" * 257}, 422, "body_unreadable"),
        ({"key": "1", "recorded": "2026-01-01T00:00:00"}, 422, "body_unreadable"),
        ({"search": {"inn": "1"}, "valid": "2026-01-01T00:00:00Z"}, 422, "body_unreadable"),
        ({"key": "1", "purpose": "x" * 17_000}, 413, "body_too_large"),
        ({"key": "1", "dataset": "nothing"}, 404, "unknown_dataset"),
        ({"key": "1", "provider": None}, 422, "provider_needed"),
        ({"key": "1", "provider": "health-samara"}, 422, "provider_needed"),
    ],
)
async def test_a_body_that_asks_nothing_is_refused_without_its_values(
    world: World, members: dict[str, object], status: int, code: str
) -> None:
    body = {"request_id": str(uuid4()), "dataset": "educational-institutions", "provider": None}
    found, problem = await world.sends(HEALTH, "POST", "/requests", {**body, **members})
    assert (found, problem["code"]) == (status, code)
    assert "я" not in json.dumps(problem, ensure_ascii=False)


async def test_whoever_changes_a_body_on_the_way_is_refused(world: World) -> None:
    await world.fund_has(SCHOOL)
    body = {"request_id": str(uuid4()), "dataset": "educational-institutions", "key": "63-0001"}
    sent = json.dumps(body).encode()
    for signed_body, code in ((b"{}", "other_body"), (None, "body_not_signed")):
        signature = sign_request(
            "POST",
            f"{URL}/requests",
            key_id=KeyId(f"{HEALTH}.1"),
            private_key=SEEDS_HERE[HEALTH],
            created_s=int(world.now.timestamp()),
            body=signed_body,
        )
        async with world.client.post("/requests", data=sent, headers=signature) as answer:
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (401, code)


async def test_a_request_of_a_moment_ago_is_refused_when_it_comes_again(world: World) -> None:
    before = world.now
    world.now = before + timedelta(seconds=61)
    stale = World(store=world.store, now=before)
    stale.client = world.client
    status, problem = await stale.asks(HEALTH, key="63-0001")
    assert (status, problem["code"]) == (401, "signature_not_fresh")


async def test_only_the_system_that_asked_may_look(world: World) -> None:
    await world.fund_has(SCHOOL)
    _, content = await world.asks(HEALTH, key="63-0001")
    path = f"/requests/{content['id']}"
    assert (await world.looks(HEALTH, path))[1] == content
    for system in (PORTAL, EDUCATION, TAXES):
        status, problem = await world.looks(system, path)
        assert (status, problem["code"]) == (404, "unknown_request")
    for wait_s in ("26", "-1", "x", "nan"):
        status, problem = await world.looks(HEALTH, f"{path}?wait_s={wait_s}")
        assert (status, problem["code"]) == (400, "bad_query")


async def test_a_read_answer_is_what_was_written(world: World) -> None:
    await world.fund_has(SCHOOL)
    _, content = await world.asks(HEALTH, key="63-0001")
    read = parse_answer(json.dumps(content).encode())
    assert read.settled_at == world.now.astimezone(UTC)
    assert [one.record.key for one in read.records] == [b"63-0001"]


async def test_no_value_of_an_automatic_answer_is_kept_with_the_request(
    world: World, session: Session
) -> None:
    await world.fund_has(SCHOOL)
    await world.asks(HEALTH, key="63-0001")
    rows = await (await session.execute("SELECT r::text FROM bus.requests AS r")).fetchall()
    assert len(rows) == 1
    assert "Школа" not in str(rows[0][0])


async def test_a_refusal_costs_no_connection_and_a_lost_one_is_opened_again(
    world: World, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fund_has(SCHOOL)

    async def connections() -> set[int]:
        rows = await session.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'bus requests'"
        )
        return {int(str(pid)) for (pid,) in await rows.fetchall()}

    for _ in range(5):
        await world.asks(TAXES, key="63-0001")
        await world.asks(HEALTH, search={"director": "x"})
    (pid,) = await connections()
    await world.asks(HEALTH, key="63-0001")
    assert await connections() == {pid}
    monkeypatch.setattr(pool, "FRESH_S", 0.0)
    await session.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert (await world.asks(HEALTH, key="63-0001"))[0] == 200
    assert pid not in await connections()


async def test_a_system_has_only_so_many_places_and_leaves_the_others_theirs(
    world: World,
) -> None:
    _, content = await world.asks(HEALTH, key="63-9999")
    path = f"/requests/{content['id']}?wait_s=2"
    waiting = [asyncio.create_task(world.looks(HEALTH, path)) for _ in range(AT_ONCE_OF_ONE_MAX)]
    await asyncio.sleep(0.3)
    status, problem = await world.looks(HEALTH, path)
    assert (status, problem["code"]) == (429, "requests_full_for_you")
    assert (await world.asks(TAXES, key="63-0001"))[1]["code"] == "no_agreement"
    assert {status for status, _ in await asyncio.gather(*waiting)} == {202}
