"""The parties of an exchange: agencies, their information systems, the systems' signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from bus.contracts.rules import Text
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode

BUS: Final = SystemCode("bus")
"""The bus itself, as a Kafka principal and as the signer of views; no agency's system."""
GATEWAY: Final = SystemCode("bus-gateway")
"""The gateway as a Kafka principal; it writes for systems that gave it a key, and reads nothing."""
KAFKA_SUPER_USERS: Final = frozenset({SystemCode("bus-admin"), SystemCode("bus-broker")})
"""Users of the local platform whom no right limits; no system may be named like one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """An information system; the Kafka principal and the signer."""

    code: SystemCode
    name: Text
    provides: tuple[DatasetCode, ...]
    """Datasets that this system may publish; empty for one that only receives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A body that provides data, receives them, or both."""

    code: AgencyCode
    name: Text
    oktmo: str | None
    """Territory it serves, 8 or 11 digits; None when it serves no single one."""
    systems: tuple[System, ...]
    left_at: datetime | None = None
    """Aware, UTC; from then on its systems may do nothing. Its records, keys and agreements stay
    readable. None: it takes part."""

    def has_left(self, moment: datetime) -> bool:
        """Tell whether it takes part no more at an aware moment."""
        return self.left_at is not None and self.left_at <= moment

    @property
    def provides(self) -> frozenset[DatasetCode]:
        """Datasets that any of its systems publishes."""
        return frozenset(dataset for system in self.systems for dataset in system.provides)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The public half of the key that a system signs with."""

    key_id: KeyId
    system: SystemCode
    algorithm: Literal["ed25519"]
    public_key: bytes
    """32 bytes, raw."""
    valid_from: datetime
    """Aware, UTC; included."""
    valid_to: datetime | None
    """Aware, UTC; excluded; None: no end planned."""
    revoked_at: datetime | None
    """Aware, UTC; signatures from this moment on are refused."""
    is_delegated: bool = False
    """Its private half lies with the gateway, which signs what the system sends over HTTP."""

    def is_valid_at(self, moment: datetime) -> bool:
        """Tell whether a signature of this moment counts."""
        ends = [end for end in (self.valid_to, self.revoked_at) if end is not None]
        return self.valid_from <= moment < min(ends, default=datetime.max.replace(tzinfo=UTC))
