"""What a worker says of itself on `/healthz`, and where it and other metrics are found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from pydantic import TypeAdapter, ValidationError

from bus.local.private_files import READABLE_FILE, write_file
from bus.observe.health import Problem

ANSWER_TIMEOUT_S: Final = 3.0
CONNECTOR: Final = "connector"
"""Role of a connector that runs here."""
_UNHEALTHY: Final = 503
_DIRECT: Final = build_opener(ProxyHandler({}))
"""Past whatever proxy the environment names: the worker is on this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """One worker now."""

    role: str
    slot: int
    pid: int
    started_at: datetime
    restarts: int
    """How often its supervisor has started it again."""
    version: str
    """Of the bus."""
    catalogue: int
    """Version of the catalogue in force in it."""
    partitions: int
    """It owns so many."""
    lag_records: int
    """Offsets behind the committed positions of all its partitions."""
    lag_s: float
    """Age of the oldest record behind them; 0 where there is none."""
    problems: tuple[Problem, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problems


REPORT: Final = TypeAdapter(WorkerReport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A worker's address, as its file names it."""

    name: str
    """`enforce-0`."""
    address: str
    """`host:port`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A page of metrics, as its file names it."""

    name: str
    """`enforce-0`, `connector-schools`."""
    address: str
    """`host:port`."""
    labels: Mapping[str, str]


def targets_folder(home: Path) -> Path:
    """Name the folder of files for Prometheus' `file_sd_configs`, one for each worker."""
    return home / "run" / "metrics"


@contextmanager
def announced(
    home: Path,
    *,
    role: str,
    slot: int | str,
    host: str,
    port: int,
    about: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[None]:
    """Say in a file where metrics are found; a process that ends otherwise leaves it, and is down.

    The label `instance` keeps its name though the port changes with each start.

    Args:
        home: Of the installation.
        role: Of a worker, or `CONNECTOR`.
        slot: Number of the worker within its role, or the connector's name.
        host: Of this machine.
        port: Of the page, on loopback.
        about: More labels.
    """
    path = targets_folder(home) / f"{role}-{slot}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = {"instance": f"{host}/{role}-{slot}", "role": role, **about}
    content = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    write_file(path, json.dumps(content), mode=READABLE_FILE)
    try:
        yield
    except Exception:
        raise  # Why it stays: who is gone by a fault would be missed by nobody.
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def announced_targets(home: Path) -> tuple[Target, ...]:
    """Find the workers of this host that run, or that ended without saying so.

    Gateway, keeper and probe are among them. Connectors are not: they have no `/healthz`.
    """
    return tuple(
        Target(name=one.name, address=one.address)
        for one in announcements(home)
        if one.labels["role"] != CONNECTOR
    )


def announcements(home: Path) -> Iterator[Announcement]:
    """Read the file of every page of this host."""
    for path in sorted(targets_folder(home).glob("*.json")):
        try:
            (announcement,) = json.loads(path.read_text(encoding="utf-8"))
            address, labels = str(announcement["targets"][0]), announcement["labels"]
            told = {str(name): str(value) for name, value in labels.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # removed a moment ago, or not ours
        if "role" in told:
            yield Announcement(name=path.stem, address=address, labels=told)


def ask(target: Target) -> WorkerReport | None:
    """Ask a worker how it is; None where nobody answers, or somebody else does."""
    try:
        report = REPORT.validate_json(fetched(target.address, "/healthz"))
    except (OSError, HTTPException, ValidationError):
        return None
    return report if f"{report.role}-{report.slot}" == target.name else None


def fetched(address: str, path: str) -> bytes:
    """Fetch a page of this host; one that says that its process is ill is a page too.

    Raises:
        OSError: Nobody answers, or there is no such page.
        HTTPException: Somebody answers who speaks otherwise.
    """
    try:
        with _DIRECT.open(f"http://{address}{path}", timeout=ANSWER_TIMEOUT_S) as answer:
            return bytes(answer.read())
    except HTTPError as problem:
        if problem.code != _UNHEALTHY:
            raise
        return bytes(problem.read())
