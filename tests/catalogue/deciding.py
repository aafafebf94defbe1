"""Decisions on the small region's agreement, signed with keys that only tests know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.catalogue.agreement import Agreement
from bus.catalogue.agreement_text import render_decisions
from bus.catalogue.decision import Decision, DecisionKind, Side
from bus.catalogue.documents import render_key
from bus.catalogue.parties import SigningKey
from bus.catalogue.region import parse_region
from bus.catalogue.signing import Proposal, Signer, decided, decisions_of_side
from bus.model.identifiers import KeyId, SystemCode

AGREEMENT_ID: Final = "health-shelters"
SYSTEMS: Final = {Side.PROVIDER: "shelter-list", Side.CONSUMER: "health-maps"}
DAY: Final = date(2026, 1, 10)
SUMMER: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a system, both halves."""

    signer: Signer
    public: SigningKey

    @property
    def documents(self) -> dict[str, bytes]:
        return {f"keys/{self.public.key_id}.yaml": render_key(self.public)}


def key(system: str, label: str = "9", *, seed: int = 9, **validity: datetime) -> Key:
    """Make a key of a system, valid since the year before unless told otherwise."""
    private = bytes([seed]) * 32
    key_id = KeyId(f"{system}.{label}")
    public = SigningKey(
        key_id=key_id,
        system=SystemCode(system),
        algorithm="ed25519",
        public_key=Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw(),
        valid_from=datetime(2025, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
    )
    public = replace(public, **validity)  # type: ignore[arg-type]
    return Key(signer=Signer(key_id=key_id, private_key=private), public=public)


KEYS: Final = {side: key(system) for side, system in SYSTEMS.items()}


def the_agreement(documents: Mapping[str, bytes]) -> Agreement:
    """Read the region's agreement with what was decided on it."""
    (agreement,) = parse_region(documents).agreements
    return agreement


def path_of(side: Side) -> str:
    return f"decisions/{AGREEMENT_ID}.{side}.yaml"


def decide(
    documents: Mapping[str, bytes],
    side: Side,
    kind: DecisionKind,
    *,
    by_key: Key | None = None,
    on: date = DAY,
    at: datetime | None = None,
) -> dict[str, bytes]:
    """Add a side's decision to a region's documents, and the key that signs it."""
    used = KEYS[side] if by_key is None else by_key
    region = parse_region(documents)
    (agreement,) = region.agreements
    why = "образец" if kind is DecisionKind.REFUSE else None
    proposal = Proposal(kind=kind, by="Начальник отдела", on=on, at=at, why=why)
    contract = region.contracts[agreement.dataset]
    new = decided(agreement, contract, side, proposal, used.signer)
    return with_decisions(documents, [*decisions_of_side(agreement, side), new]) | used.documents


def with_decisions(documents: Mapping[str, bytes], decisions: list[Decision]) -> dict[str, bytes]:
    """Put a side's decisions in place of those that are there."""
    return {**documents, path_of(decisions[0].side): render_decisions(decisions)}


def both_approve(documents: Mapping[str, bytes], on: date = DAY) -> dict[str, bytes]:
    """Let both sides approve the agreement as it stands."""
    by_one = decide(documents, Side.PROVIDER, DecisionKind.APPROVE, on=on)
    return decide(by_one, Side.CONSUMER, DecisionKind.APPROVE, on=on)
