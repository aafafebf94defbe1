"""Who asks: the system whose key, known to the catalogue, signed the request."""

from __future__ import annotations

from collections.abc import Mapping

from bus.catalogue.snapshot import Snapshot
from bus.gateway.problems import Problem
from bus.model.identifiers import SystemCode
from bus.wire.http_signature import (
    VALID_S,
    is_fresh,
    is_genuine,
    parse_request_signature,
)


def authenticated(
    headers: Mapping[str, str],
    method: str,
    uri: str,
    *,
    snapshot: Snapshot,
    now_ms: int,
    body: bytes = b"",
) -> SystemCode:
    """Tell which system signed a request. Pure.

    Args:
        headers: Of the request; names in any case.
        method: In capitals.
        uri: The address as the client must have signed it.
        snapshot: The catalogue in force.
        now_ms: Milliseconds since 1970 UTC.
        body: As it came; what changes something is signed with its body.

    Raises:
        Problem: It is not signed in the form that `bus.wire.http_signature` describes, not just
            now, or not by a system's valid key. Says nothing that a stranger could use.
    """
    signature = parse_request_signature(headers)
    if signature is None:
        raise Problem(401, "unsigned")
    if not is_fresh(signature, now_ms / 1000):
        raise Problem(401, "signature_not_fresh", seconds=VALID_S)
    if method != "GET" and not signature.covers_body:
        raise Problem(401, "body_not_signed")
    key = snapshot.keys.get(signature.key_id)
    if key is None or not key.valid_from_ms <= now_ms < key.valid_until_ms:
        raise Problem(401, "key_not_valid", key=signature.key_id)
    if not is_genuine(signature, method, uri, key.public_key, body):
        raise Problem(401, "signature_invalid", uri=uri)
    return key.system
