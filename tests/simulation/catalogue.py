"""Catalogues that differ in one key, and signers that sign the same batch once.

A record signed with the new key is set aside under the first catalogue, which does not know it,
accepted under the next, set aside under the one after that, which revokes it from before all
records, and so on: what became of it depends on the catalogue, as it may at every swap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.catalogue.parties import SigningKey
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.fund.layout import DatasetLayout, layouts_of
from bus.model.identifiers import KeyId
from bus.wire.signature import BatchSigner, SignatureChecker
from tests import factories

FIRST_VERSION = 7
"""Knows the old key alone."""
NEW_KEY_ID = KeyId("edu-registry.2")
NEW_SEED = b"\x04" * 32
_REVOKED = datetime(2026, 2, 1, tzinfo=UTC)
CHECKER = SignatureChecker()
"""One for all histories: it remembers good roots and nothing else."""


class RememberingSigner(BatchSigner):
    """Signs what it has signed before from memory: Ed25519 gives the same bytes again."""

    def __init__(self, key_id: KeyId, private_key: bytes) -> None:
        super().__init__(key_id, private_key)
        self._signed: dict[tuple[bytes, ...], list[bytes]] = {}

    def sign(self, leaves: Sequence[bytes]) -> list[bytes]:
        batch = tuple(leaves)
        signed = self._signed.get(batch)
        if signed is None:
            signed = self._signed[batch] = super().sign(leaves)
        return signed


OLD_SIGNER = RememberingSigner(factories.KEY_ID, factories.SEEDS["edu-registry"])
NEW_SIGNER = RememberingSigner(NEW_KEY_ID, NEW_SEED)
BUS_SIGNER = RememberingSigner(KeyId("bus.1"), factories.SEEDS["bus"])


@cache
def catalogue(version: int) -> Snapshot:
    """Give the snapshot of a catalogue version."""
    if version == FIRST_VERSION:
        return _snapshot()
    is_valid = (version - FIRST_VERSION) % 2 == 1
    return replace(_snapshot(_new_key(None if is_valid else _REVOKED)), version=version)


@cache
def _snapshot(*more: SigningKey) -> Snapshot:
    keys = [factories.signing_key(system) for system in ("edu-registry", "egrul-feed", "bus")]
    return build_snapshot(factories.region(*keys, *more), FIRST_VERSION)


def _new_key(revoked_at: datetime | None) -> SigningKey:
    public_key = Ed25519PrivateKey.from_private_bytes(NEW_SEED).public_key()
    return factories.signing_key(
        "edu-registry",
        key_id=NEW_KEY_ID,
        public_key=public_key.public_bytes_raw(),
        revoked_at=revoked_at,
    )


@cache
def layout() -> DatasetLayout:
    """Give the fund's layout of the one dataset, which no catalogue here changes."""
    region = catalogue(FIRST_VERSION).region
    contract = region.contracts[factories.DATASET]
    return layouts_of([contract], region.lock)[factories.DATASET]
