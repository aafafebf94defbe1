"""What one side decided on an agreement, and the bytes that its signature covers. Pure.

A decision is signed by a key of an information system of the side's agency, so that nobody who can
merely edit documents can approve for somebody else. Its bytes are canonical (ADR-0020): the same
decision gives the same bytes everywhere, and no other decision gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum, unique
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bus.model.identifiers import KeyId

_DOMAIN: Final = b"bus/1 agreement decision\x00"
_PROOFS_KEPT_MAX: Final = 16_384


@unique
class Side(StrEnum):
    """Whose decision something was."""

    PROVIDER = "provider"
    CONSUMER = "consumer"


@unique
class DecisionKind(StrEnum):
    """What a side can decide."""

    APPROVE = "approve"
    """These terms, with the agreed fields as the contract has them now."""
    REFUSE = "refuse"
    """The same, declined: nothing is granted until one of them changes."""
    SUSPEND = "suspend"
    """The agreement rests from a moment on, until this side resumes it."""
    RESUME = "resume"
    END = "end"
    """It is over from a moment on, for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision of one side."""

    agreement: str
    side: Side
    number: int
    """Place among the decisions of its side, from 1."""
    kind: DecisionKind
    by: str
    """Post of the person who decided, never a name."""
    on: date
    """Day (UTC) on which it was signed."""
    key_id: KeyId
    at: datetime | None = None
    """From when it holds, aware, UTC, whole seconds; of a suspension, a resumption, an end."""
    why: str | None = None
    """Of a refusal."""
    terms: str | None = None
    """`bus.catalogue.terms.terms_digest`; of an approval and a refusal."""
    fields: Mapping[str, str] | None = None
    """Agreed field → `Contract.meanings`; of an approval and a refusal."""
    signature: bytes = b""
    """Ed25519 over `statement`, 64 bytes; empty: not signed yet."""


@unique
class Proof(StrEnum):
    """What a decision's signature comes to."""

    HOLDS = "holds"
    KEY_REVOKED = "key_revoked"
    """Signed by the side's key, which was revoked as of that day or before."""
    KEY_NOT_VALID = "key_not_valid"
    """Signed by the side's key on a day on which it was not valid."""
    FOREIGN_KEY = "foreign_key"
    """The key is of a system whose agency does not speak for this side."""
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    """The key did not sign this decision at this place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision, and whether it is the side's."""

    decision: Decision
    proof: Proof

    @property
    def is_of_its_side(self) -> bool:
        """Whether a key of the side's agency signed it, whatever became of the key."""
        return self.proof in {Proof.HOLDS, Proof.KEY_REVOKED, Proof.KEY_NOT_VALID}


def statement(decision: Decision) -> bytes:
    """Give the bytes that a decision's signature covers.

    Returns: A domain, then JSON with its members in the order of their names, without spaces, in
        UTF-8 as it is; members that the decision has not are left out.
    Source: ADR-0020; `tests/catalogue/agreement_decision.json` holds one byte for byte.
    """
    members: Mapping[str, object] = {
        "agreement": decision.agreement,
        "side": decision.side,
        "number": decision.number,
        "decision": decision.kind,
        "by": decision.by,
        "on": decision.on.isoformat(),
        "key_id": decision.key_id,
        "at": None if decision.at is None else moment_text(decision.at),
        "why": decision.why,
        "terms": decision.terms,
        "fields": None if decision.fields is None else dict(decision.fields),
    }
    return _DOMAIN + canonical_json({name: it for name, it in members.items() if it is not None})


def signed(decision: Decision, private_key: bytes) -> Decision:
    """Sign a decision with an Ed25519 seed, 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return replace(decision, signature=key.sign(statement(decision)))


def canonical_json(value: object) -> bytes:
    """Write JSON so that equal values are equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def moment_text(moment: datetime) -> str:
    """Write a moment to the second, as decisions do."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_signed_by(decision: Decision, public_key: bytes) -> bool:
    """Tell whether a decision carries the signature of a key, 32 raw bytes."""
    return _is_signed(public_key, decision.signature, statement(decision))


@lru_cache(maxsize=_PROOFS_KEPT_MAX)
def _is_signed(public_key: bytes, signature: bytes, signed: bytes) -> bool:
    """Check a signature once: it costs 100 µs, and each change of the catalogue asks for all."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except InvalidSignature:
        return False
    return True
