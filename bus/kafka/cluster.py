"""How to reach the Kafka cluster as one principal, for both client libraries in use.

aiokafka produces and consumes; confluent-kafka administers (aiokafka has no ACL calls).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.helpers import create_ssl_context

from bus.kafka.tolerant_records import read_tolerantly

REQUEST_TIMEOUT_MS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kafka cluster and one principal's way in: SASL_SSL with SCRAM-SHA-512 (ADR-0003)."""

    bootstrap: str
    """`host:port`, several separated by commas."""
    ca_file: Path
    """PEM of the authority that signed the brokers' certificates."""
    principal: str
    """Kafka user: an information system's code, `bus` or the administrator."""
    password: str = field(repr=False)

    def aiokafka_options(self) -> dict[str, object]:
        """Give the connection settings of an aiokafka client, and make it read all there is."""
        read_tolerantly()
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_context": create_ssl_context(cafile=str(self.ca_file)),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.principal,
            "sasl_plain_password": self.password,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }

    def confluent_options(self) -> Mapping[str, str | int]:
        """Give the connection settings of a confluent-kafka client."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca_file),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.principal,
            "sasl.password": self.password,
            "log_level": 3,
        }
