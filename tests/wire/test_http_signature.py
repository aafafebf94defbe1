from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bus.model.identifiers import KeyId
from bus.wire.http_signature import (
    VALID_S,
    content_digest,
    is_fresh,
    is_genuine,
    parse_request_signature,
    sign_request,
)

SEED = b"\x07" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
URI = "https://127.0.0.1:8443/first-load/organisations?token=abc"
NOW_S = 1_767_225_600


def signed(uri: str = URI) -> dict[str, str]:
    return sign_request(
        "GET", uri, key_id=KeyId("region-portal.1"), private_key=SEED, created_s=NOW_S
    )


def test_a_signed_request_is_read_and_found_genuine_for_its_method_and_address_alone() -> None:
    signature = parse_request_signature(signed())
    assert signature is not None
    assert (signature.key_id, signature.created_s) == ("region-portal.1", NOW_S)
    assert is_genuine(signature, "GET", URI, PUBLIC)
    assert not is_genuine(signature, "POST", URI, PUBLIC)
    assert not is_genuine(signature, "GET", URI + "&after=x", PUBLIC)
    other = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32).public_key().public_bytes_raw()
    assert not is_genuine(signature, "GET", URI, other)


def test_the_signature_covers_the_base_that_rfc_9421_prescribes() -> None:
    headers = signed()
    parameters = (
        '("@method" "@target-uri");created=1767225600;keyid="region-portal.1";alg="ed25519"'
    )
    assert headers["Signature-Input"] == f"bus={parameters}"
    base = f'"@method": GET\n"@target-uri": {URI}\n"@signature-params": {parameters}'
    value = base64.b64decode(headers["Signature"].removeprefix("bus=:").removesuffix(":"))
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().verify(value, base.encode())


def test_another_client_may_order_the_parameters_otherwise_and_add_a_nonce() -> None:
    parameters = (
        '("@method" "@target-uri");keyid="region-portal.1";nonce="x1";created=1767225600'
        ";expires=1767225630"
    )
    base = f'"@method": GET\n"@target-uri": {URI}\n"@signature-params": {parameters}'
    value = base64.b64encode(Ed25519PrivateKey.from_private_bytes(SEED).sign(base.encode()))
    signature = parse_request_signature(
        {"Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{value.decode()}:"}
    )
    assert signature is not None
    assert is_genuine(signature, "GET", URI, PUBLIC)
    assert is_fresh(signature, NOW_S + 30)
    assert not is_fresh(signature, NOW_S + 31)


@pytest.mark.parametrize(("apart_s", "fresh"), [(0, True), (VALID_S, True), (VALID_S + 1, False)])
def test_a_signature_is_fresh_for_a_minute_either_way(apart_s: int, fresh: bool) -> None:
    signature = parse_request_signature(signed())
    assert signature is not None
    assert is_fresh(signature, NOW_S + apart_s) is fresh
    assert is_fresh(signature, NOW_S - apart_s) is fresh


@pytest.mark.parametrize(
    ("header", "found", "planted"),
    [
        ("Signature-Input", '"@target-uri"', '"@path"'),
        ("Signature-Input", '("@method" "@target-uri")', '("@method")'),
        ("Signature-Input", "created=1767225600", "created=1767225600;created=1"),
        ("Signature-Input", ";created=1767225600", ""),
        ("Signature-Input", ';keyid="region-portal.1"', ""),
        ("Signature-Input", "ed25519", "hmac-sha256"),
        ("Signature-Input", "bus=", "other="),
        ("Signature", "bus=:", "bus=:AAAA"),
    ],
)
def test_what_is_not_in_the_one_form_is_no_signature(header: str, found: str, planted: str) -> None:
    headers = signed()
    assert found in headers[header]
    headers[header] = headers[header].replace(found, planted)
    assert parse_request_signature(headers) is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_headers_make_the_reader_fail(described: str, value: str) -> None:
    assert parse_request_signature({"Signature-Input": described, "Signature": value}) is None


def test_a_signature_over_a_body_covers_the_digest_that_is_sent() -> None:
    headers = sign_request(
        "POST",
        URI,
        key_id=KeyId("region-portal.1"),
        private_key=SEED,
        created_s=NOW_S,
        body=b'{"records":[]}',
        nonce="n1",
    )
    # The example of RFC 9530, so that a mistake of ours on both sides would show.
    assert (
        content_digest(b'{"hello": "world"}\n')
        == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )
    assert headers["Content-Digest"] == content_digest(b'{"records":[]}')
    signature = parse_request_signature(headers)
    assert signature is not None
    assert signature.content_digest == headers["Content-Digest"]
    assert is_genuine(signature, "POST", URI, PUBLIC)
    assert not is_genuine(replace(signature, content_digest=None), "POST", URI, PUBLIC)
    other = parse_request_signature({**headers, "Content-Digest": content_digest(b"")})
    assert other is not None
    assert not is_genuine(other, "POST", URI, PUBLIC)
    del headers["Content-Digest"]
    assert parse_request_signature(headers) is None
