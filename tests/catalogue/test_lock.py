from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.lock import (
    EMPTY_LOCK,
    LockEntry,
    SchemaLock,
    extend,
    parse_lock,
    render,
    schema_sha256,
    schema_text,
)
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock, wire_schemas
from bus.contracts.yaml_document import read_json
from bus.errors import DocumentError, Finding
from tests.catalogue.small_region import AGREEMENT, planted, small_region
from tests.texts.english import in_english


def record(*names: str) -> dict[str, Any]:
    fields = [{"name": name, "type": "string"} for name in names]
    return {"type": "record", "name": "R", "fields": fields}


def parsed(content: bytes) -> SchemaLock:
    return parse_lock(read_json("registry.lock.json", content))


def test_ids_ascend_from_one_over_all_subjects() -> None:
    lock = extend(EMPTY_LOCK, "a", 1, record("x"))
    lock = extend(lock, "b", 1, record("x"))
    lock = extend(lock, "a", 2, record("x", "y"))
    assert [lock.entries["a"][1].id, lock.entries["b"][1].id, lock.entries["a"][2].id] == [1, 2, 3]


def test_known_version_keeps_its_id() -> None:
    lock = extend(EMPTY_LOCK, "a", 1, record("x"))
    assert extend(lock, "a", 1, record("x")) is lock


def test_changed_schema_under_a_known_version_is_refused() -> None:
    lock = extend(EMPTY_LOCK, "a", 1, record("x"))
    before, after = schema_sha256(record("x")), schema_sha256(record("y"))
    with pytest.raises(DocumentError) as caught:
        extend(lock, "a", 1, record("y"))
    assert tuple(map(in_english, caught.value.findings)) == (
        Finding(
            path="registry.lock.json",
            found=f"schema a version 1 with sha256 {after[:12]}…",
            expected=f"sha256 {before[:12]}…, as locked: records of this version already exist",
            remedy="Restore version 1, and put the change into a new version.",
        ),
    )


def test_equal_schema_in_another_version_of_a_subject_shares_its_id() -> None:
    lock = extend(EMPTY_LOCK, "view.v1", 1, record("x"))
    lock = extend(lock, "view.v1", 2, record("x"))
    assert lock.entries["view.v1"][2] == lock.entries["view.v1"][1]


def test_extension_leaves_the_old_lock_as_it_was() -> None:
    lock = extend(EMPTY_LOCK, "a", 1, record("x"))
    extend(lock, "a", 2, record("y"))
    assert list(lock.entries["a"]) == [1]
    assert EMPTY_LOCK.entries == {}


def test_digest_minds_content_and_not_the_order_of_keys() -> None:
    first = {"type": "record", "name": "R", "fields": []}
    second = {"fields": [], "name": "R", "type": "record"}
    assert schema_text(first) == schema_text(second) == '{"fields":[],"name":"R","type":"record"}'


def test_digest_minds_logical_types() -> None:
    def decimal(scale: int) -> dict[str, Any]:
        return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}

    assert schema_sha256(decimal(2)) != schema_sha256(decimal(4))


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from(["x", "y", "z"])),
    max_size=12,
)


@given(STEPS)
def test_lock_only_grows_and_is_read_as_written(steps: list[tuple[str, int, str]]) -> None:
    lock = EMPTY_LOCK
    for subject, version, name in steps:
        before = lock
        known = before.get(subject, version)
        if known is not None and known.sha256 != schema_sha256(record(name)):
            continue
        lock = extend(before, subject, version, record(name))
        for old_subject, versions in before.entries.items():
            assert lock.entries[old_subject].items() >= versions.items()
    ids = sorted({entry.id for versions in lock.entries.values() for entry in versions.values()})
    assert ids == list(range(1, len(ids) + 1))
    assert parsed(render(lock)) == lock
    assert render(parsed(render(lock))) == render(lock)


def test_id_of_two_schemas_is_refused() -> None:
    digest = "0" * 64
    entry = f'{{"id": 1, "sha256": "{digest}"}}'
    with pytest.raises(DocumentError) as caught:
        parsed(f'{{\n"a": {{"1": {entry}}},\n"b": {{"1": {entry}}}\n}}'.encode())
    assert tuple(map(in_english, caught.value.findings)) == (
        Finding(
            path="registry.lock.json:3 b.1.id",
            found="id 1, which a has already",
            expected="an id that stands for one schema of one subject",
            remedy="Take the lock from git, then extend it again: merges go wrong when two "
            "branches each give the next id.",
        ),
    )


def test_lock_of_another_form_is_refused_at_its_line() -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(b'{\n"a": {"1": {"id": 0,\n "sha256": "x"}}}')
    assert [finding.path for finding in caught.value.findings] == [
        "registry.lock.json:2 a.1.id",
        "registry.lock.json:3 a.1.sha256",
    ]


def test_entry_is_found_by_subject_and_version() -> None:
    lock = extend(EMPTY_LOCK, "a", 1, record("x"))
    assert lock.get("a", 1) == LockEntry(id=1, sha256=schema_sha256(record("x")))
    assert lock.get("a", 2) is None
    assert lock.get("b", 1) is None


def test_region_puts_contracts_and_views_on_the_wire() -> None:
    region = parse_region(small_region())
    subjects = [(wired.subject, wired.version) for wired in wire_schemas(region)]
    assert subjects[0] == ("shelters", 1)
    assert [subject.startswith("view.v") for subject, _ in subjects[1:]] == [True]
    assert complete_lock(region) == region.lock


def test_new_mask_gets_a_new_id_and_old_ids_stay() -> None:
    before = parse_region(small_region())
    documents = planted(small_region(), AGREEMENT, "[number, address, oktmo]", "[number, oktmo]")
    after = complete_lock(parse_region(documents))
    assert after.entries.items() > before.lock.entries.items()
    (added,) = after.entries.keys() - before.lock.entries.keys()
    assert after.entries[added][1].id == 3
