"""Signed HTTP requests: HTTP Message Signatures with a system's Ed25519 key, in one strict form.

A request carries two headers:

    Signature-Input: bus=("@method" "@target-uri");created=1767225600;keyid="egrul-feed.1";alg="ed25519"
    Signature: bus=:<base64 of 64 bytes>:

The signature covers method, whole address, time and key. A request with a body names the body's
digest in a third header, and covers that too:

    Content-Digest: sha-256=:<base64 of 32 bytes>:
    Signature-Input: bus=("@method" "@target-uri" "content-digest");created=…;keyid="…";alg="ed25519"

Any label, and parameters in any order, are read; other components, or a second signature, are not.
Source: RFC 9421 §2, §3.1, §3.3.6 (Ed25519); RFC 9530 §2 (Content-Digest).
"""  # noqa: E501 - the header is one line

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bus.model.identifiers import KeyId

INPUT_HEADER: Final = "Signature-Input"
SIGNATURE_HEADER: Final = "Signature"
DIGEST_HEADER: Final = "Content-Digest"
VALID_S: Final = 60
"""How far a request's time may lie from the gateway's, either way."""
_COMPONENTS: Final = '("@method" "@target-uri")'
_COMPONENTS_OF_BODY: Final = '("@method" "@target-uri" "content-digest")'
_INPUT: Final = re.compile(
    r'([a-z*][a-z0-9_.*-]{0,31})=(\("@method" "@target-uri"( "content-digest")?\)'
    r'((?:;(?:created|expires|nonce|alg|keyid)=(?:[0-9]{1,12}|"[ -!#-\[\]-~]{0,128}"))*))',
    re.ASCII,
)
_PARAMETER: Final = re.compile(r';([a-z]+)=(?:([0-9]+)|"([^"]*)")', re.ASCII)
_SIGNATURE: Final = re.compile(r"([a-z*][a-z0-9_.*-]{0,31})=:([A-Za-z0-9+/=]{88}):", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSignature:
    """What a signed request claims."""

    key_id: KeyId
    created_s: int
    """Seconds since 1970 UTC."""
    expires_s: int | None
    parameters: str
    """As sent: the signature covers them."""
    content_digest: str | None
    """As sent, where the signature covers it; None: it covers no body."""
    signature: bytes


def sign_request(
    method: str,
    uri: str,
    *,
    key_id: KeyId,
    private_key: bytes,
    created_s: int,
    body: bytes | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """Write the headers that sign a request.

    Args:
        method: In capitals.
        uri: As sent, with scheme, host and query.
        key_id: Name under which the catalogue knows the public half.
        private_key: Ed25519 seed, 32 bytes.
        created_s: The present, seconds since 1970 UTC.
        body: As sent; None: the request has none.
        nonce: Makes two requests of one second differ; a request that changes something is taken
            once only.
    """
    digest = None if body is None else content_digest(body)
    components = _COMPONENTS if digest is None else _COMPONENTS_OF_BODY
    once = "" if nonce is None else f';nonce="{nonce}"'
    parameters = f'{components};created={created_s}{once};keyid="{key_id}";alg="ed25519"'
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    signature = base64.b64encode(key.sign(_base(method, uri, digest, parameters))).decode()
    signed = {INPUT_HEADER: f"bus={parameters}", SIGNATURE_HEADER: f"bus=:{signature}:"}
    return signed if digest is None else {DIGEST_HEADER: digest, **signed}


def content_digest(body: bytes) -> str:
    """Write header `Content-Digest` of a body."""
    return f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"


def parse_request_signature(headers: Mapping[str, str]) -> RequestSignature | None:
    """Read the two headers; None where they are missing or have another form."""
    described = _INPUT.fullmatch(headers.get(INPUT_HEADER, ""))
    signed = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
    if described is None or signed is None or described[1] != signed[1]:
        return None
    covered = headers.get(DIGEST_HEADER) if described[3] else None
    if described[3] and covered is None:
        return None
    found = _PARAMETER.findall(described[4])
    numbers = {name: int(number) for name, number, _ in found if number}
    texts = {name: text for name, number, text in found if not number}
    if len(numbers) + len(texts) != len(found) or "created" not in numbers:
        return None
    if texts.get("alg", "ed25519") != "ed25519" or "keyid" not in texts:
        return None
    try:
        signature = base64.b64decode(signed[2], validate=True)
    except binascii.Error:
        return None
    return RequestSignature(
        key_id=KeyId(texts["keyid"]),
        created_s=numbers["created"],
        expires_s=numbers.get("expires"),
        parameters=described[2],
        content_digest=covered,
        signature=signature,
    )


def is_fresh(signature: RequestSignature, now_s: float) -> bool:
    """Tell whether a request was signed just now."""
    if abs(now_s - signature.created_s) > VALID_S:
        return False
    return signature.expires_s is None or now_s <= signature.expires_s


def is_genuine(signature: RequestSignature, method: str, uri: str, public_key: bytes) -> bool:
    """Tell whether a key's owner signed this method and address."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature.signature,
            _base(method, uri, signature.content_digest, signature.parameters),
        )
    except InvalidSignature:
        return False
    return True


def _base(method: str, uri: str, digest: str | None, parameters: str) -> bytes:
    covered = () if digest is None else (f'"content-digest": {digest}',)
    lines = (
        f'"@method": {method}',
        f'"@target-uri": {uri}',
        *covered,
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode()
