from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.catalogue.manifest import (
    Manifest,
    changed,
    lacking,
    manifest_of,
    parse_manifest,
    render_manifest,
)
from bus.errors import InvariantBroken

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DOCUMENTS = st.dictionaries(st.text("abc/.", min_size=1, max_size=4), st.binary(max_size=4))
MANIFESTS = st.builds(
    lambda documents, version: manifest_of(documents, version=version, applied_at=NOON),
    DOCUMENTS,
    st.integers(1, 2**40),
)


def test_manifest_names_each_document_by_its_digest() -> None:
    manifest = manifest_of({"b": b"2", "a": b"1"}, version=7, applied_at=NOON)
    assert manifest.version == 7
    assert dict(manifest.documents) == {
        "a": hashlib.sha256(b"1").hexdigest(),
        "b": hashlib.sha256(b"2").hexdigest(),
    }


def test_moment_is_kept_in_utc() -> None:
    samara = timezone(timedelta(hours=4))
    moment = datetime(2026, 11, 24, 16, tzinfo=samara)
    assert manifest_of({}, version=1, applied_at=moment).applied_at.isoformat() == (
        "2026-11-24T12:00:00+00:00"
    )


@given(MANIFESTS)
def test_manifest_is_read_as_written(manifest: Manifest) -> None:
    assert parse_manifest(render_manifest(manifest)) == manifest


def test_order_of_documents_does_not_change_the_bytes() -> None:
    one = manifest_of({"a": b"1", "b": b"2"}, version=1, applied_at=NOON)
    other = manifest_of({"b": b"2", "a": b"1"}, version=1, applied_at=NOON)
    assert render_manifest(one) == render_manifest(other)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"version":0,"applied_at":"2026-11-24T12:00:00Z","documents":{}}', b"\xff"],
)
def test_manifest_of_another_form_stops_the_process(content: bytes) -> None:
    with pytest.raises(InvariantBroken, match="manifest can't be read"):
        parse_manifest(content)


@given(DOCUMENTS, DOCUMENTS)
def test_changed_documents_are_those_added_removed_or_edited(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    old = manifest_of(before, version=1, applied_at=NOON)
    new = manifest_of(after, version=2, applied_at=NOON)
    paths = before.keys() | after.keys()
    assert changed(old, new) == {path for path in paths if before.get(path) != after.get(path)}
    assert changed(None, new) == after.keys()
    assert changed(new, new) == frozenset()


@given(DOCUMENTS, DOCUMENTS)
def test_manifest_is_complete_when_every_document_is_there_byte_for_byte(
    named: dict[str, bytes], there: dict[str, bytes]
) -> None:
    manifest = manifest_of(named, version=1, applied_at=NOON)
    assert lacking(manifest, named | there) == {
        path for path in named if path in there and there[path] != named[path]
    }
    assert lacking(manifest, {}) == named.keys()
