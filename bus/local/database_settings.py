"""The settings of the local PostgreSQL, as pure functions of paths and ports."""

from pathlib import Path

from bus.local.choices import LOOPBACK, Choices
from bus.local.layout import Layout, PostgresPlace

SUPERUSER = "bus_admin"
DATABASE = "bus"


def dsn(choices: Choices) -> str:
    """Return how to reach the database; the password is in its own file."""
    return f"postgresql://{SUPERUSER}@{LOOPBACK}:{choices.postgres_port}/{DATABASE}"


def initdb_arguments(*, data: Path, password_file: Path) -> list[str]:
    """Return what initdb gets.

    The locale is PostgreSQL's own C.UTF-8, which no update of the C library can reorder.
    """
    return [
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth-host=scram-sha-256",
        "--auth-local=scram-sha-256",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]


def postgresql_conf(layout: Layout, place: PostgresPlace, choices: Choices) -> str:
    """Return the server's settings file, which includes what initdb found for this machine."""
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(choices.postgres_port),
        "unix_socket_directories": str(layout.socket_folder),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        # For the bus, which is the superuser here: readers of marts have what is left.
        "superuser_reserved_connections": "120",
        "password_encryption": "scram-sha-256",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "timezone": "UTC",
        **_log_settings(place),
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    return "\n".join([f"include {_quoted(str(place.data / 'postgresql.conf'))}", *lines, ""])


def _log_settings(place: PostgresPlace) -> dict[str, str]:
    # A file for each day of the week, overwritten a week later. No statement and no detail, since
    # both repeat a row's values, and a log line must not carry a person's data. Only what readers
    # of marts ask is logged (`bus.marts.wanted`): who read what must be told.
    return {
        "logging_collector": "on",
        "log_directory": str(place.log_folder),
        "log_filename": "postgres-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
    }


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
