"""Who asks: the system whose key, known to the catalogue, signed the request or the connection.

A certificate is over the same key that the catalogue knows, so revocation and validity follow the
catalogue for both. A key that a system delegated to the gateway proves no request. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bus.catalogue.snapshot import Snapshot, TrustedKey
from bus.gateway.problems import Problem
from bus.model.identifiers import KeyId, SystemCode
from bus.wire.http_signature import (
    VALID_S,
    RequestSignature,
    is_fresh,
    is_genuine,
    parse_request_signature,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The system that asks, and the key that proved it."""

    system: SystemCode
    key_id: KeyId
    signature: RequestSignature | None
    """None: it proved itself by the certificate of its connection."""


def signed_caller(
    headers: Mapping[str, str], method: str, uri: str, *, snapshot: Snapshot, now_ms: int
) -> Caller:
    """Tell which system signed a request, and by which key.

    Args:
        headers: Of the request; names in any case.
        method: In capitals.
        uri: The address as the client must have signed it.
        snapshot: The catalogue in force.
        now_ms: Milliseconds since 1970 UTC.

    Raises:
        Problem: It is not signed in the form that `bus.wire.http_signature` describes, not just
            now, or not by a system's valid key. Says nothing that a stranger could use.
    """
    signature = parse_request_signature(headers)
    if signature is None:
        raise Problem(401, "unsigned")
    if not is_fresh(signature, now_ms / 1000):
        raise Problem(401, "signature_not_fresh", seconds=VALID_S)
    key = snapshot.keys.get(signature.key_id)
    if key is None or not _proves(key, now_ms):
        raise Problem(401, "key_not_valid", key=signature.key_id)
    if not is_genuine(signature, method, uri, key.public_key):
        raise Problem(401, "signature_invalid", uri=uri)
    return Caller(system=key.system, key_id=signature.key_id, signature=signature)


def certified_caller(certificate: bytes, *, snapshot: Snapshot, now_ms: int) -> Caller:
    """Tell whose key a client certificate is over; TLS has proved that the client holds it.

    Args:
        certificate: DER; the connection has checked who issued it, and that it has not ended.
        snapshot: The catalogue in force.
        now_ms: Milliseconds since 1970 UTC.

    Raises:
        Problem: The catalogue knows no such key that is valid now.
    """
    parsed = x509.load_der_x509_certificate(certificate)
    public_key = parsed.public_key()
    if isinstance(public_key, Ed25519PublicKey):
        raw = public_key.public_bytes_raw()
        for key_id, key in snapshot.keys.items():
            if key.public_key == raw and _proves(key, now_ms):
                return Caller(system=key.system, key_id=key_id, signature=None)
    raise Problem(401, "key_not_valid", key=f"{parsed.serial_number:x}")


def is_still_valid(caller: Caller, snapshot: Snapshot, now_ms: int) -> bool:
    """Tell whether what proved a caller would prove it now."""
    key = snapshot.keys.get(caller.key_id)
    return key is not None and key.system == caller.system and _proves(key, now_ms)


def _proves(key: TrustedKey, now_ms: int) -> bool:
    return not key.is_delegated and key.valid_from_ms <= now_ms < key.valid_until_ms
