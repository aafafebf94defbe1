"""What the first `up` chose for a home, and every later one keeps while it can."""

import random
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bus.errors import DocumentError, Unavailable
from bus.local.layout import Layout
from bus.local.owner import Owner
from bus.local.private_files import READABLE_FILE, write_file
from bus.texts import message

LOOPBACK = "127.0.0.1"

# Why: above 32767 the system hands out ports to outgoing connections, which would take ours.
_PORTS = range(15_000, 32_000)
_TRIES_MAX = 200
# Why: a process killed a moment ago holds its ports until the system has taken it apart, and
# clients know the old port.
_RELEASE_S = 3
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Loopback ports, and the folder of PostgreSQL."""

    kafka_client_port: int
    kafka_broker_port: int
    kafka_controller_port: int
    postgres_port: int
    postgres_root: Path


_CHOICES = TypeAdapter(Choices)


def choose(layout: Layout, *, kafka_runs: bool, postgres_runs: bool) -> Choices:
    """Return the choices of a home, made anew where a port is taken by somebody else.

    Args:
        layout: The home, whose folders exist.
        kafka_runs: Its broker runs, so its ports are in use by itself and stay.
        postgres_runs: The same of its database.
    """
    deadline_s = time.monotonic() + _RELEASE_S
    known = read_choices(layout)
    chosen = known or _first_choices(layout)
    if not kafka_runs:
        chosen = replace(
            chosen,
            kafka_client_port=_kept_if_free(chosen.kafka_client_port, deadline_s=deadline_s),
            kafka_broker_port=_kept_if_free(chosen.kafka_broker_port, deadline_s=deadline_s),
            kafka_controller_port=_kept_if_free(
                chosen.kafka_controller_port, deadline_s=deadline_s
            ),
        )
    if not postgres_runs:
        chosen = replace(
            chosen, postgres_port=_kept_if_free(chosen.postgres_port, deadline_s=deadline_s)
        )
    if chosen != known:
        document = _CHOICES.dump_json(chosen, indent=2).decode()
        write_file(layout.choices_file, document, mode=READABLE_FILE)
    return chosen


def read_choices(layout: Layout) -> Choices | None:
    """Return what was chosen for a home, or None if no `up` came that far.

    Raises:
        DocumentError: The file is there and damaged.
    """
    try:
        return _CHOICES.validate_json(layout.choices_file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DocumentError(
            message("error.local.choices_unreadable", path=layout.choices_file, problem=error)
        ) from error


def _first_choices(layout: Layout) -> Choices:
    client, broker, controller, postgres = random.sample(_PORTS, 4)
    owner = Owner.of_postgres()
    inside = owner == Owner.caller() or owner.can_reach(layout.home)
    return Choices(
        kafka_client_port=client,
        kafka_broker_port=broker,
        kafka_controller_port=controller,
        postgres_port=postgres,
        postgres_root=layout.postgres_inside if inside else layout.postgres_outside,
    )


def _kept_if_free(port: int, *, deadline_s: float) -> int:
    while not is_free(port):
        if time.monotonic() > deadline_s:
            return free_port()
        time.sleep(_POLL_S)
    return port


def free_port() -> int:
    """Choose a free port of those that the system does not hand out itself.

    Raises:
        Unavailable: None was found.
    """
    for port in random.sample(_PORTS, _TRIES_MAX):
        if is_free(port):
            return port
    raise Unavailable(
        message(
            "error.local.no_free_port",
            host=LOOPBACK,
            tries=_TRIES_MAX,
            first=_PORTS.start,
            end=_PORTS.stop,
        )
    )


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
