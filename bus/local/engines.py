"""What runs: the facts that another process needs to use the local platform."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bus.errors import DocumentError
from bus.local.layout import Layout
from bus.local.private_files import READABLE_FILE, write_file
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Addresses, credentials' files and process numbers of a running platform; no secret inside."""

    kafka_bootstrap: str
    kafka_ca_file: Path
    kafka_admin_user: str
    kafka_admin_password_file: Path
    kafka_version: str
    kafka_pid: int
    kafka_log: Path
    postgres_dsn: str
    postgres_password_file: Path
    postgres_version: str
    postgres_pid: int
    postgres_log_folder: Path
    postgres_socket_folder: Path


_ENGINES = TypeAdapter(Engines)


class EngineState(StrEnum):
    """What an engine does, seen from outside."""

    STOPPED = "stopped"
    SILENT = "silent"
    """Its process exists and does not accept a connection."""
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """One engine now. The log is a file of Kafka's, a folder of PostgreSQL's."""

    state: EngineState
    pid: int | None
    port: int | None
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatus:
    """Both engines now, and what the last `up` published."""

    kafka: EngineStatus
    postgres: EngineStatus
    engines: Engines | None

    @property
    def is_up(self) -> bool:
        """Whether both engines run."""
        return self.kafka.state is self.postgres.state is EngineState.RUNNING


def read_engines(home: Path) -> Engines | None:
    """Return what the last `up` published, or None after `down` and before the first `up`.

    An engine may have died since; `bus.local.status` looks.

    Raises:
        DocumentError: The file is there and damaged.
    """
    path = Layout.of(home).engines_file
    try:
        return _ENGINES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DocumentError(
            message("error.local.engines_unreadable", path=path, problem=error)
        ) from error


def write_engines(layout: Layout, engines: Engines) -> None:
    """Publish a running platform to other processes of this machine."""
    document = _ENGINES.dump_json(engines, indent=2).decode()
    write_file(layout.engines_file, document, mode=READABLE_FILE)
