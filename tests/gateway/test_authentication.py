from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.gateway.authentication import (
    certified_caller,
    is_still_valid,
    signed_caller,
)
from bus.gateway.problems import Problem
from bus.local.certificates import make_broker_identity, make_ca, make_system_certificate
from bus.model.identifiers import KeyId
from bus.texts import Language
from bus.wire.http_signature import content_digest, sign_request
from tests.factories import SEEDS, region, signing_key, snapshot

URI = "https://127.0.0.1:8443/first-load/municipalities"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def headers(key: str = "edu-registry.1", seed: bytes = SEEDS["edu-registry"]) -> dict[str, str]:
    return sign_request(
        "GET", URI, key_id=KeyId(key), private_key=seed, created_s=int(NOW.timestamp())
    )


def asked(given: dict[str, str], *, known: Snapshot | None = None, now_ms: int = NOW_MS) -> str:
    return signed_caller(given, "GET", URI, snapshot=known or snapshot(), now_ms=now_ms).system


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


def certificate(seed: bytes = SEEDS["edu-registry"]) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    made = make_system_certificate(make_ca(NOW), "whatever-it-says", key, NOW)
    return made.public_bytes(Encoding.DER)


def test_the_system_whose_key_a_certificate_is_over_is_who_asks() -> None:
    caller = certified_caller(certificate(), snapshot=snapshot(), now_ms=NOW_MS)
    assert (caller.system, caller.key_id) == ("edu-registry", "edu-registry.1")
    assert is_still_valid(caller, snapshot(), NOW_MS)


def test_a_certificate_over_no_key_of_the_catalogue_opens_nothing() -> None:
    ca = make_ca(NOW)
    broker = make_broker_identity(ca, NOW).certificate.public_bytes(Encoding.DER)
    assert isinstance(ca.key, ec.EllipticCurvePrivateKey)
    for shown in (certificate(b"\x09" * 32), certificate(SEEDS["bus"]), broker):
        with pytest.raises(Problem) as caught:
            certified_caller(shown, snapshot=snapshot(), now_ms=NOW_MS)
        assert (caught.value.status, caught.value.code) == (401, "key_not_valid")


def test_a_revoked_key_closes_what_its_certificate_opened() -> None:
    caller = certified_caller(certificate(), snapshot=snapshot(), now_ms=NOW_MS)
    revoked = signing_key("edu-registry", revoked_at=datetime(2026, 5, 1, tzinfo=UTC))
    known = build_snapshot(region(revoked), 8)
    assert not is_still_valid(caller, known, NOW_MS)
    with pytest.raises(Problem):
        certified_caller(certificate(), snapshot=known, now_ms=NOW_MS)


def test_a_key_that_was_delegated_to_the_gateway_proves_no_request() -> None:
    key = signing_key("edu-registry", key_id=KeyId("edu-registry.gateway-1"), is_delegated=True)
    known = build_snapshot(region(key), 8)
    assert refused(headers("edu-registry.gateway-1"), known=known) == "key_not_valid"
    with pytest.raises(Problem):
        certified_caller(certificate(), snapshot=known, now_ms=NOW_MS)


def test_a_signature_covers_the_body_that_its_digest_names() -> None:
    given = sign_request(
        "POST",
        URI,
        key_id=KeyId("edu-registry.1"),
        private_key=SEEDS["edu-registry"],
        created_s=int(NOW.timestamp()),
        body=b"{}",
        nonce="1",
    )
    caller = signed_caller(given, "POST", URI, snapshot=snapshot(), now_ms=NOW_MS)
    assert caller.signature is not None
    assert caller.signature.content_digest == content_digest(b"{}")
    other = given | {"Content-Digest": content_digest(b"[]")}
    with pytest.raises(Problem) as caught:
        signed_caller(other, "POST", URI, snapshot=snapshot(), now_ms=NOW_MS)
    assert caught.value.code == "signature_invalid"
    without = {name: value for name, value in given.items() if name != "Content-Digest"}
    with pytest.raises(Problem) as caught:
        signed_caller(without, "POST", URI, snapshot=snapshot(), now_ms=NOW_MS)
    assert caught.value.code == "unsigned"
