from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.gateway.encoding import Sender
from bus.gateway.problems import Problem
from bus.gateway.signed_record import signed_record
from bus.model.identifiers import KeyId, SystemCode
from bus.wire.signature import BatchSigner
from tests.factories import (
    APPENDED_MS,
    DATASET,
    SEEDS,
    SOURCE,
    SYSTEM,
    Raw,
    region,
    signed,
    signing_key,
    snapshot,
    unsigned,
)

SENDER = Sender(source=SOURCE, system=SYSTEM, dataset=DATASET)


def sent(raw: Raw) -> dict[str, str]:
    """Write a record's headers as those of a request."""
    headers = {
        name.replace("_", "-"): value.decode() for name, value in raw.headers if name != "bus_sig"
    }
    signature = next((value for name, value in raw.headers if name == "bus_sig"), b"")
    return {
        **headers,
        "bus-sig": base64.b64encode(signature).decode(),
        "bus-key": (raw.key or b"").decode(),
    }


def carried(
    raw: Raw,
    *,
    sender: Sender = SENDER,
    known: Snapshot | None = None,
    changed: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    others = {name.replace("_", "-"): value for name, value in (changed or {}).items()}
    headers = sent(raw) | others
    delivery, key_id = signed_record(
        headers,
        raw.value or b"",
        sender,
        known or snapshot(),
        partition_of=lambda _: 2,
        now_ms=APPENDED_MS,
    )
    assert delivery.value == raw.value
    assert sorted(delivery.headers) == sorted(raw.headers)
    return delivery.topic, key_id


def refused(
    raw: Raw,
    changed: Mapping[str, str] | None = None,
    *,
    sender: Sender = SENDER,
    known: Snapshot | None = None,
) -> str:
    with pytest.raises(Problem) as caught:
        carried(raw, sender=sender, known=known, changed=changed)
    assert caught.value.status == 422
    return caught.value.code


def test_a_record_that_its_system_signed_is_carried_as_it_is() -> None:
    (raw,) = signed([unsigned()])
    assert carried(raw) == (str(SOURCE), "edu-registry.1")


def test_a_header_that_claims_another_agency_or_record_is_refused() -> None:
    (raw,) = signed([unsigned()])
    changes: tuple[dict[str, str], ...] = (
        {"ce_source": "urn:bus:health-samara:edu-registry"},
        {"ce_id": "0" * 32},
        {"bus_version": "2"},
        {"bus_sig": ""},
        {"bus_sig": "no base64!"},
        {"bus_key": "%ff"},
        {"bus_key": ""},
        {"ce_dataschema": ""},
    )
    for changed in changes:
        assert refused(raw, changed) == "not_well_formed"


def test_who_did_not_sign_it_can_not_send_it() -> None:
    (raw,) = signed([unsigned()])
    other = Sender(source=SOURCE, system=SystemCode("another"), dataset=DATASET)
    assert refused(raw, sender=other) == "not_signed_by_you"
    assert refused(raw, {"ce_time": "2026-03-31T21:00:00Z"}) == "not_signed_by_you"
    assert refused(raw, {"ce_source": "urn:bus:education-samara:other"}) == "not_signed_by_you"
    foreign = signed([unsigned()], BatchSigner(KeyId("egrul-feed.1"), SEEDS["egrul-feed"]))[0]
    assert refused(foreign) == "not_signed_by_you"


def test_a_revoked_or_delegated_key_signs_nothing_here() -> None:
    (raw,) = signed([unsigned()])
    revoked = signing_key("edu-registry", revoked_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert refused(raw, known=build_snapshot(region(revoked), 8)) == "not_signed_by_you"
    delegated = signing_key(
        "edu-registry", key_id=KeyId("edu-registry.gateway-1"), is_delegated=True
    )
    by_gateway = signed([unsigned()], BatchSigner(delegated.key_id, SEEDS["edu-registry"]))[0]
    assert refused(by_gateway, known=build_snapshot(region(delegated), 8)) == "not_signed_by_you"
