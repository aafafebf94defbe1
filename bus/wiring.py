"""The one place that knows where the engines are and who we are: settings become connections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import make_conninfo

from bus.access.credentials import (
    SystemCredentials,
    load_audit_key,
    load_credentials,
    load_password,
)
from bus.catalogue.parties import GATEWAY
from bus.client.gateway import Gateway
from bus.errors import DocumentError, Unavailable
from bus.kafka.cluster import Cluster
from bus.local.engines import Engines, read_engines
from bus.local.gateway_place import read_gateway_place
from bus.local.layout import Layout
from bus.model.identifiers import SystemCode
from bus.settings import Settings
from bus.texts import message


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of the bus: its settings, and the engines they lead to."""

    settings: Settings

    @property
    def home(self) -> Path:
        """Folder of secrets, run files and local engines."""
        return self.settings.home.absolute()

    @property
    def keys_dir(self) -> Path:
        """Folder of the systems' public signing keys."""
        return self.home / "keys"

    def cluster_as_admin(self) -> Cluster:
        """Reach Kafka as its administrator."""
        kafka = self.settings.kafka
        if kafka is None:
            engines = self._local_engines("Kafka", "BUS_KAFKA__BOOTSTRAP")
            return Cluster(
                bootstrap=engines.kafka_bootstrap,
                ca_file=engines.kafka_ca_file,
                principal=engines.kafka_admin_user,
                password=read_secret(engines.kafka_admin_password_file),
            )
        return Cluster(
            bootstrap=kafka.bootstrap,
            ca_file=kafka.ca_file,
            principal=kafka.admin_user,
            password=read_secret(kafka.admin_password_file),
        )

    def cluster_as(self, system: SystemCode) -> Cluster:
        """Reach Kafka as an information system, or as the bus itself."""
        return self.cluster_with(self.credentials(system))

    def cluster_with(self, credentials: SystemCredentials) -> Cluster:
        """Reach Kafka with credentials already read."""
        return self._cluster(credentials.principal, credentials.password)

    def cluster_as_gateway(self) -> Cluster:
        """Reach Kafka as the gateway, which has a password and no key of its own.

        Raises:
            DocumentError: No system has delegated a key here.
        """
        return self._cluster(GATEWAY, load_password(self.home, GATEWAY))

    def _cluster(self, principal: SystemCode, password: str) -> Cluster:
        if self.settings.kafka is None:
            engines = self._local_engines("Kafka", "BUS_KAFKA__BOOTSTRAP")
            bootstrap, ca_file = engines.kafka_bootstrap, engines.kafka_ca_file
        else:
            bootstrap, ca_file = self.settings.kafka.bootstrap, self.settings.kafka.ca_file
        return Cluster(bootstrap=bootstrap, ca_file=ca_file, principal=principal, password=password)

    def gateway_as(self, system: SystemCode) -> Gateway:
        """Reach the bus's gateway as an information system.

        Raises:
            Unavailable: None was ever started here, and settings name no other.
        """
        credentials, chosen = self.credentials(system), self.settings.gateway
        if chosen is not None:
            url, ca_file = chosen.url, chosen.ca_file
        else:
            place = read_gateway_place(self.home)
            if place is None:
                raise Unavailable(message("error.wiring.no_gateway", home=self.home))
            url, ca_file = place.url, Layout.of(self.home).ca_file
        return Gateway(
            url=url,
            ca_file=ca_file,
            system=system,
            key_id=credentials.key_id,
            private_key=credentials.private_key,
        )

    def credentials(self, system: SystemCode) -> SystemCredentials:
        """Read a system's password and signing key; a clear error where it was not enrolled."""
        now = datetime.now(UTC)  # noqa: TID251 - which key signs now, is asked where we are composed
        return load_credentials(self.home, system, now)

    def audit_key(self) -> bytes:
        """Read the key that seals what the audit log holds; an error where the bus has none yet."""
        return load_audit_key(self.home)

    def fund_dsn(self) -> str:
        """Give the connection string of the data fund, password included; never log it."""
        postgres = self.settings.postgres
        if postgres is None:
            engines = self._local_engines("PostgreSQL", "BUS_POSTGRES__DSN")
            return make_conninfo(
                engines.postgres_dsn, password=read_secret(engines.postgres_password_file)
            )
        return make_conninfo(postgres.dsn, password=read_secret(postgres.password_file))

    def _local_engines(self, engine: str, setting: str) -> Engines:
        engines = read_engines(self.home)
        if engines is None:
            raise Unavailable(
                message(
                    "error.wiring.no_local_engine", engine=engine, home=self.home, setting=setting
                )
            )
        return engines


def read_secret(path: Path) -> str:
    """Read a password file.

    Raises:
        DocumentError: It is missing or empty.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise DocumentError(
            message("error.wiring.password_unreadable", path=path, problem=problem.strerror)
        ) from problem
    if not secret:
        raise DocumentError(message("error.wiring.password_empty", path=path))
    return secret
