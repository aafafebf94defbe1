"""Kafka's libraries: pinned in a lock file, fetched from Maven Central, checked on every start.

The lock names each library by its Maven coordinates and the SHA-256 of its bytes, never by an
address. Which repository serves it is jgo's knowledge: Maven Central, unless ``jgo.conf`` says
otherwise in ``[repositories]``.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bus.errors import Unavailable, Words
from bus.texts import Message, message

_DOWNLOADS_AT_ONCE = 6
_TRIES_MAX = 3
_RETRY_S = 0.5
_REQUEST_TIMEOUT_S = 15

LOCK_NAME = "kafka.lock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One library: ``group:artifact:version``, and the bytes that are expected."""

    coordinates: str
    sha256: str
    size_bytes: int

    @property
    def path(self) -> Path:
        """Where the library lies below the cache."""
        group, artifact, version = self.coordinates.split(":")
        return Path(group, version, f"{artifact}-{version}.jar")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaLock:
    """A version of Kafka and every library that it needs at run time."""

    kafka_version: str
    artifacts: tuple[Artifact, ...]


def read_lock() -> KafkaLock:
    """Return the lock that is committed beside this module."""
    document = json.loads(Path(__file__).with_name(LOCK_NAME).read_text(encoding="utf-8"))
    artifacts = tuple(Artifact(**entry) for entry in document["artifacts"])
    return KafkaLock(kafka_version=document["kafka_version"], artifacts=artifacts)


def default_cache() -> Path:
    """Return the folder of what may be downloaded again: BUS_CACHE, else below XDG's cache."""
    if chosen := os.environ.get("BUS_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bus"


def ensure_artifacts(
    lock: KafkaLock, cache: Path, *, progress: Callable[[Message], None]
) -> tuple[Path, ...]:
    """Return the verified files of all libraries, downloading what is missing or damaged.

    Raises:
        Unavailable: A library cannot be downloaded, or comes with other bytes than the lock's.
    """
    folder = cache / "maven"
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE, thread_name_prefix="artifact") as pool:
        intact = list(pool.map(lambda a: sha256_of(folder / a.path) == a.sha256, lock.artifacts))
        wanted = [a for a, good in zip(lock.artifacts, intact, strict=True) if not good]
        if wanted:
            megabytes = sum(a.size_bytes for a in wanted) / 1e6
            progress(
                message(
                    "local.downloading",
                    version=lock.kafka_version,
                    count=len(wanted),
                    megabytes=megabytes,
                )
            )
            list(pool.map(lambda a: _download(a, folder), wanted))
    return tuple(folder / a.path for a in lock.artifacts)


def sha256_of(path: Path) -> str | None:
    """Return the hex SHA-256 of a file, or None if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _download(artifact: Artifact, folder: Path) -> None:
    """Put one library into the cache, whole and verified, or say why not."""
    target = folder / artifact.path
    target.parent.mkdir(parents=True, exist_ok=True)
    failure: Words = ""
    for attempt in range(_TRIES_MAX):
        time.sleep(_RETRY_S * attempt)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            try:
                draft = fetch(artifact.coordinates, Path(scratch))
            except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
                failure = message("error.local.not_downloaded", problem=error)
                continue
            found = sha256_of(draft)
            if found == artifact.sha256:
                draft.replace(target)
                return
            failure = message("error.local.wrong_digest", expected=artifact.sha256, found=found)
    raise Unavailable(
        message(
            "error.local.download_failed",
            coordinates=artifact.coordinates,
            failure=failure,
            tries=_TRIES_MAX,
            target=target,
        )
    )


def fetch(coordinates: str, folder: Path) -> Path:
    """Download one library with jgo, the Maven client, as it is set up on this machine.

    Raises:
        OSError: The repository does not answer.
        RuntimeError: No repository has it.
    """
    # Why: imported here, since it takes 0.2 s and a warm start downloads nothing.
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    context = MavenContext(repo_cache=folder, timeout=_REQUEST_TIMEOUT_S)
    context.remote_repos.update(GlobalSettings.load().repositories)
    return Path(context.create_dependency(coordinates).artifact.resolve())
