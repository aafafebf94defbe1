from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.gateway.authentication import authenticated
from bus.gateway.problems import Problem
from bus.model.identifiers import KeyId
from bus.texts import Language
from bus.wire.http_signature import sign_request
from tests.factories import SEEDS, region, signing_key, snapshot

URI = "https://127.0.0.1:8443/first-load/municipalities"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def headers(key: str = "edu-registry.1", seed: bytes = SEEDS["edu-registry"]) -> dict[str, str]:
    return sign_request(
        "GET", URI, key_id=KeyId(key), private_key=seed, created_s=int(NOW.timestamp())
    )


def asked(given: dict[str, str], *, known: Snapshot | None = None, now_ms: int = NOW_MS) -> str:
    return authenticated(given, "GET", URI, snapshot=known or snapshot(), now_ms=now_ms)


def refused(given: dict[str, str], *, known: Snapshot | None = None, now_ms: int = NOW_MS) -> str:
    with pytest.raises(Problem) as caught:
        asked(given, known=known, now_ms=now_ms)
    assert caught.value.status == 401
    for language in Language:
        content = caught.value.content(language)
        assert content["message"]
        assert content["next_step"]
    return caught.value.code


def test_the_system_whose_key_signed_is_who_asks() -> None:
    assert asked(headers()) == "edu-registry"
    assert asked(headers("egrul-feed.1", SEEDS["egrul-feed"])) == "egrul-feed"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "unsigned"),
        (headers("nobody.1"), "key_not_valid"),
        (headers(seed=SEEDS["egrul-feed"]), "signature_invalid"),
        # The bus signs views with its key; nobody may pass for it.
        (headers("bus.1", SEEDS["bus"]), "key_not_valid"),
    ],
)
def test_who_can_not_be_told_is_refused_with_its_own_code(given: dict[str, str], code: str) -> None:
    assert refused(given) == code


def test_a_request_of_two_minutes_ago_is_refused() -> None:
    assert refused(headers(), now_ms=NOW_MS + 120_000) == "signature_not_fresh"


def test_a_key_that_is_revoked_or_not_yet_valid_opens_nothing() -> None:
    for key in (
        signing_key("edu-registry", revoked_at=datetime(2026, 5, 1, tzinfo=UTC)),
        signing_key("edu-registry", valid_from=datetime(2026, 7, 1, tzinfo=UTC)),
    ):
        known = build_snapshot(region(key), 8)
        assert refused(headers(), known=known) == "key_not_valid"
