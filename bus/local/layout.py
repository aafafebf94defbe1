"""Where everything of a local platform lies.

::

    <home>/
    ├── run/          0755  engines.json (what runs), choices.json (ports, PostgreSQL's folder),
    │                       ca.pem (clients trust it), gateway.json (where the gateway is
    │                       reached), lock (only while a command works)
    ├── secrets/      0700  kafka-admin.password, postgres.password, ca.key, broker.pem,
    │                       gateway.pem
    ├── kafka/        0700  data/ (topics), tmp/, server.properties, log4j2.properties
    ├── postgres/     0700  data/ (cluster), log/, postgresql.conf; owned by PostgreSQL's user
    └── log/          0700  kafka.log and its two predecessors, kafka-start.log, postgres-start.log

Two things may lie elsewhere, because the engine asks for it:

* PostgreSQL refuses root. When root calls, it runs as ``nobody``; where that user cannot reach
  ``<home>``, the folder ``postgres/`` is ``/var/lib/bus-local/<key>/`` (see ``choices.json``).
* A Unix socket's path must be short, so its folder is ``/tmp/bus-<key>/``, removed by ``down``.

``<key>`` is the first twelve hex digits of SHA-256 over the path of ``<home>``.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bus.errors import DocumentError
from bus.texts import message

# Why: a comma splits Kafka's log.dirs; % and $ start a pattern or a look-up in its log settings.
_FORBIDDEN_IN_HOME = frozenset(",%$")

_HOMES_NOBODY_CANNOT_REACH = Path("/var/lib/bus-local")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one local platform; build it with `Layout.of`."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> "Layout":
        """Return the layout of a home folder, which need not exist.

        Raises:
            DocumentError: Kafka cannot work in a folder of that name.
        """
        absolute = home.expanduser().resolve()
        wrong = {c for c in str(absolute) if c in _FORBIDDEN_IN_HOME or not c.isprintable()}
        if wrong:
            raise DocumentError(
                message("error.local.home_unfit", home=str(absolute), signs=sorted(wrong))
            )
        return cls(absolute)

    @property
    def key(self) -> str:
        """A short name for this home, for what has to lie outside of it."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:12]

    @property
    def run(self) -> Path:
        """What other processes of this machine may read: no secret is here."""
        return self.home / "run"

    @property
    def lock_file(self) -> Path:
        """Exists while `up`, `down` or `reset` works."""
        return self.run / "lock"

    @property
    def engines_file(self) -> Path:
        """What the last `up` started; removed by `down`."""
        return self.run / "engines.json"

    @property
    def choices_file(self) -> Path:
        """The ports and places chosen by the first `up`."""
        return self.run / "choices.json"

    @property
    def ca_file(self) -> Path:
        """The certificate that clients of Kafka trust."""
        return self.run / "ca.pem"

    @property
    def secrets(self) -> Path:
        """Passwords and private keys, for the owner's eyes only."""
        return self.home / "secrets"

    @property
    def ca_key_file(self) -> Path:
        """The private key that signs the broker's certificate."""
        return self.secrets / "ca.key"

    @property
    def broker_pem_file(self) -> Path:
        """The broker's private key, certificate and CA in one file, as Kafka wants it."""
        return self.secrets / "broker.pem"

    @property
    def gateway_pem_file(self) -> Path:
        """The gateway's private key and certificate, and the CA's."""
        return self.secrets / "gateway.pem"

    @property
    def gateway_file(self) -> Path:
        """Where the gateway of this home is reached; kept while it is stopped."""
        return self.run / "gateway.json"

    @property
    def kafka_admin_password_file(self) -> Path:
        """The SCRAM password of Kafka's administrator."""
        return self.secrets / "kafka-admin.password"

    @property
    def postgres_password_file(self) -> Path:
        """The password of PostgreSQL's superuser."""
        return self.secrets / "postgres.password"

    @property
    def kafka(self) -> Path:
        """Kafka's data and settings."""
        return self.home / "kafka"

    @property
    def kafka_data(self) -> Path:
        """Kafka's topics and metadata; exists once the storage is formatted."""
        return self.kafka / "data"

    @property
    def kafka_settings_file(self) -> Path:
        """The broker's settings. Its path on the command line is how the process is recognised."""
        return self.kafka / "server.properties"

    @property
    def log(self) -> Path:
        """Logs of what runs as the caller."""
        return self.home / "log"

    @property
    def kafka_log(self) -> Path:
        """The broker's log, rotated by size."""
        return self.log / "kafka.log"

    @property
    def socket_folder(self) -> Path:
        """PostgreSQL's Unix socket: a path with room for the 107 bytes that a socket may have."""
        return Path("/tmp") / f"bus-{self.key}"  # noqa: S108 - ownership is checked on use

    @property
    def postgres_inside(self) -> Path:
        """Where PostgreSQL's folder lies when its user can reach the home."""
        return self.home / "postgres"

    @property
    def postgres_outside(self) -> Path:
        """Where it lies otherwise; only root can create it."""
        return _HOMES_NOBODY_CANNOT_REACH / self.key


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """The paths below PostgreSQL's folder."""

    root: Path

    @property
    def data(self) -> Path:
        """The cluster. Its path on the command line is how the process is recognised."""
        return self.root / "data"

    @property
    def settings_file(self) -> Path:
        """Our settings, on top of those that initdb found for this machine."""
        return self.root / "postgresql.conf"

    @property
    def log_folder(self) -> Path:
        """One log file for each day of the week."""
        return self.root / "log"
