"""Settings: one frozen class, read once from the environment; every name starts with `BUS_`.

Nested names are joined by two underscores: `BUS_KAFKA__BOOTSTRAP`. What the data look like is
never a setting: that is a contract or an agreement.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from bus.contracts.yaml_document import expectation
from bus.errors import DocumentError, Finding, Words
from bus.texts import Language, message
from bus.wire.trace_context import TRACED_SHARE


class KafkaSettings(BaseModel):
    """An external Kafka cluster; leave all out to use the local one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str = Field(description="host:port of brokers, comma-separated", min_length=3)
    ca_file: Path = Field(description="PEM of the authority that signed the brokers' certificates")
    admin_user: str = Field(description="SCRAM user that may administer topics, rights and users")
    admin_password_file: Path = Field(description="file with its password, mode 0600")


class PostgresSettings(BaseModel):
    """An external PostgreSQL for the data fund; leave all out to use the local one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: str = Field(description="libpq connection string without a password")
    password_file: Path = Field(description="file with the password, mode 0600")


class GatewaySettings(BaseModel):
    """The HTTP gateway elsewhere than on this machine; leave all out to use the local one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        description="address under which systems reach the gateway, without a path",
        pattern=r"^https://[^/]+$",
    )
    ca_file: Path = Field(
        description="PEM of the authority that signed its certificate, and those of systems"
    )
    listen_host: str = Field(default="127.0.0.1", description="address that it listens on")
    listen_port: int = Field(default=8443, ge=1, le=65_535, description="port that it listens on")
    certificate_file: Path | None = Field(
        default=None,
        description="PEM of its certificate, chain and private key; only `bus serve` needs it",
    )


class Settings(BaseSettings):
    """Everything that differs between one installation and another."""

    model_config = SettingsConfigDict(
        env_prefix="BUS_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    home: Path = Field(
        default=Path(".bus"),
        description="folder of this installation: secrets, run files, local engines' data",
    )
    region: Path = Field(
        default=Path("deploy/samara/region.yaml"), description="the region's root document"
    )
    language: Language | None = Field(
        default=None, description="language of texts for people; default: from LANG, else English"
    )
    stalled_after_s: int = Field(
        default=30,
        ge=10,
        description="`/healthz` of a worker turns red when records wait for so many seconds behind "
        "a position that stands still",
    )
    probe_every_s: int = Field(
        default=30,
        ge=1,
        le=60,
        description="how often a probe goes through the bus, where the region names a dataset "
        "for it; lost is one that is not back within five sixths of it",
    )
    kafka: KafkaSettings | None = Field(default=None, description="external Kafka cluster")
    postgres: PostgresSettings | None = Field(default=None, description="external PostgreSQL")
    gateway: GatewaySettings | None = Field(default=None, description="external HTTP gateway")
    otlp: str | None = Field(
        default=None,
        description="address of a tracing backend that takes OTLP over HTTP, without a path; "
        "default: spans are not kept. Its headers and certificates: OTEL_EXPORTER_OTLP_HEADERS and "
        "the like",
        pattern=r"^https?://[^/]+$",
    )
    traced_share: float = Field(
        default=TRACED_SHARE,
        ge=0,
        le=1,
        description="of live records that this process sends, those that begin a trace",
    )
    prometheus: str = Field(
        default="http://127.0.0.1:9090", description="address of the Prometheus that `bus slo` asks"
    )


def read_settings(**chosen: object) -> Settings:
    """Read the settings.

    Args:
        chosen: What stands above the environment, by name; a command line's options.

    Raises:
        DocumentError: With a finding for each value that is wrong, lacking or unknown.
    """
    try:
        return Settings(**chosen)  # type: ignore[arg-type]
    except ValidationError as error:
        findings = [
            Finding(
                path=Settings.model_config.get("env_prefix", "") + _name(detail["loc"]),
                found=_found(detail),
                expected=expectation(detail),
                remedy=message("error.settings.remedy"),
            )
            for detail in error.errors()
        ]
    # Why outside: the cause would show values, and a misplaced one may be a password.
    raise DocumentError(message("error.settings.invalid"), findings)


def _name(location: tuple[int | str, ...]) -> str:
    return "__".join(map(str, location)).upper()


def _found(detail: ErrorDetails) -> Words:
    """Say what stands there; of an unknown name never the value, which may be a password."""
    if detail["type"] == "missing":
        return message("error.settings.nothing")
    if detail["type"] == "extra_forbidden":
        return message("error.settings.unknown_name")
    return repr(detail["input"])
