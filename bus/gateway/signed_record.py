"""A record that its system signed itself, carried by the gateway as it is. Pure.

The bus's headers travel as headers of HTTP, with hyphens for underscores: `ce-id`, `bus-op`; the
key as `bus-key`, percent-encoded; `bus-sig` in base64. The body is the framed Avro value.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field

from bus.catalogue.snapshot import Snapshot
from bus.enforce.judge import KEY_BYTES_MAX, VALUE_BYTES_MAX
from bus.gateway.encoding import Sender
from bus.gateway.problems import Problem
from bus.model.identifiers import KeyId
from bus.wire.delivery import Delivery
from bus.wire.headers import HEADERS_BYTES_MAX, SIGNED, Flaw, parse_envelope, signed_values
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature

AVRO: Final = "application/avro"
_OF_A_GROUP: Final = "bus_group"
_CARRIED: Final = tuple(
    name for name in (*SIGNED, "traceparent") if name not in {"content-type", _OF_A_GROUP}
)


class SignedHeaders(BaseModel):
    """Headers of a record that its system signed itself; only with a body of Avro."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ce_specversion: str | None = Field(default=None, alias="ce-specversion")
    ce_id: str | None = Field(default=None, alias="ce-id", description="record id")
    ce_source: str | None = Field(default=None, alias="ce-source")
    ce_type: str | None = Field(default=None, alias="ce-type")
    ce_time: str | None = Field(default=None, alias="ce-time")
    ce_dataschema: str | None = Field(default=None, alias="ce-dataschema")
    bus_op: str | None = Field(default=None, alias="bus-op")
    bus_version: str | None = Field(default=None, alias="bus-version")
    bus_supersedes: str | None = Field(default=None, alias="bus-supersedes")
    bus_lane: str | None = Field(default=None, alias="bus-lane")
    bus_resolves: str | None = Field(default=None, alias="bus-resolves")
    traceparent: str | None = Field(
        default=None,
        description="W3C trace context of the work that the records come of; with JSON too",
    )
    bus_sig: str | None = Field(default=None, alias="bus-sig", description="base64")
    bus_key: str | None = Field(
        default=None, alias="bus-key", description="the record's key, percent-encoded UTF-8"
    )


def signed_record(
    sent: Mapping[str, str],
    value: bytes,
    sender: Sender,
    snapshot: Snapshot,
    *,
    partition_of: Callable[[bytes], int],
    now_ms: int,
) -> tuple[Delivery, KeyId]:
    """Put a record together, and prove that it is the sender's before it is sent on.

    Args:
        sent: Headers of the request; names in any case.
        value: The body.
        sender: Authenticated; the record must be of this system and agency.
        snapshot: The catalogue in force.
        partition_of: Chooses the partition of a key.
        now_ms: Milliseconds since 1970 UTC.

    Raises:
        Problem: It is not well-formed, not the sender's or not signed by a valid key of it.
    """
    key, signature = _key(sent), _signature(sent)
    headers = [(name, _bytes(text)) for name in _CARRIED if (text := _header(sent, name))]
    headers.append(("content-type", AVRO.encode()))
    if sum(len(name) + len(text) for name, text in headers) > HEADERS_BYTES_MAX:
        raise Problem(422, "not_well_formed", header="headers")
    if not 0 < len(value) <= VALUE_BYTES_MAX:
        raise Problem(422, "not_well_formed", header="value")
    headers.append(("bus_sig", signature))
    envelope = parse_envelope(headers, agency=sender.source.agency, dataset=sender.dataset, key=key)
    if isinstance(envelope, Flaw):
        raise Problem(422, "not_well_formed", header=envelope.header)
    parsed = parse_signature(signature)
    trusted = None if parsed is None else snapshot.keys.get(parsed.key_id)
    if parsed is None or trusted is None or trusted.is_delegated:
        raise Problem(422, "not_signed_by_you", system=sender.system)
    if (envelope.system, trusted.system) != (sender.system, sender.system):
        raise Problem(422, "not_signed_by_you", system=sender.system)
    leaf = leaf_hash(str(sender.source), key, signed_values(headers), value)
    genuine = SignatureChecker().check([parsed], [leaf], [trusted.public_key])
    if genuine != [True] or not trusted.valid_from_ms <= now_ms < trusted.valid_until_ms:
        raise Problem(422, "not_signed_by_you", system=sender.system)
    delivery = Delivery(
        topic=str(sender.source),
        partition=partition_of(key),
        key=key,
        value=value,
        headers=headers,
    )
    return delivery, parsed.key_id


def _header(sent: Mapping[str, str], name: str) -> str | None:
    return sent.get(name.replace("_", "-"))


def _bytes(text: str) -> bytes:
    """Give a header's bytes as they came: what is no UTF-8 is for the envelope to refuse."""
    return text.encode("utf-8", "surrogateescape")


def _key(sent: Mapping[str, str]) -> bytes:
    key = unquote_to_bytes(_bytes(_header(sent, "bus_key") or ""))
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise Problem(422, "not_well_formed", header="bus_key") from None
    if not text or not text.isprintable() or len(key) > KEY_BYTES_MAX:
        raise Problem(422, "not_well_formed", header="bus_key")
    return key


def _signature(sent: Mapping[str, str]) -> bytes:
    try:
        signature = base64.b64decode(_header(sent, "bus_sig") or "", validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if not signature:
        raise Problem(422, "not_well_formed", header="bus_sig")
    return signature
