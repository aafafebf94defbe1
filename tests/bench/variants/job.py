"""What a variant is told to do, how it reaches Kafka, and how it tells where it stands.

A variant reads every record of `source`, sends it unchanged to `out` or, where it breaks a rule, to
`dlq`, and commits what it read. It says `first` when it has the first record in hand and `done`
when every output is acknowledged and every offset committed; it is then looked at, and ended.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of one variant; written as JSON by whoever starts it."""

    bootstrap: str
    ca_file: str
    user: str
    password: str
    group: str
    source: str
    out: str
    dlq: str
    records: int
    """In `source`, from `starts` on."""
    starts: list[int]
    """Offset of each partition at which to begin."""
    schema: dict[str, Any]
    """Parsed `.avsc` of the values."""

    def aiokafka_options(self) -> dict[str, Any]:
        """Reach Kafka with aiokafka."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_context": self.ssl_context(),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }

    def confluent_options(self) -> dict[str, Any]:
        """Reach Kafka with confluent-kafka."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": self.ca_file,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
        }

    def ssl_context(self) -> ssl.SSLContext:
        """Trust the brokers' authority alone."""
        return ssl.create_default_context(cafile=self.ca_file)


def read_job() -> Job:
    """Read the job from the file that the command line names."""
    return Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def tell_first() -> None:
    """Say that the first record is here."""
    _tell("first")


def tell_done() -> None:
    """Say that all is durable and committed, wait to be looked at, and end."""
    _tell("done")
    sys.stdin.read()
    os._exit(0)  # Why: a framework's own farewell is not what is measured.


def _tell(mark: str) -> None:
    os.write(1, f"{mark}\n".encode())  # Why not sys.stdout: Faust makes it a logger.
