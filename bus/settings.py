"""Settings: one frozen class, read once from the environment; every name starts with `BUS_`.

Nested names are joined by two underscores: `BUS_KAFKA__BOOTSTRAP`. What the data look like is
never a setting: that is a contract or an agreement.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bus.texts import Language


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
    kafka: KafkaSettings | None = Field(default=None, description="external Kafka cluster")
    postgres: PostgresSettings | None = Field(default=None, description="external PostgreSQL")
