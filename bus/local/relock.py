"""Make the lock of Kafka's libraries anew: ``python -m bus.local.relock 4.4.0``.

Run it to change Kafka's version, read the difference, and commit it.
"""

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from bus.local.artifacts import LOCK_NAME, Artifact, KafkaLock, fetch, sha256_of

_KAFKA = "org.apache.kafka:kafka_2.13"
_LOG_ENGINE = "org.apache.logging.log4j:log4j-core"
# Why: Kafka speaks slf4j 1.7, whose binding is log4j-slf4j-impl; with log4j-slf4j2-impl the broker
# writes no log at all, and says so nowhere.
_LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl"
_SCOPES = frozenset({None, "compile", "runtime"})


def make_lock(kafka_version: str) -> KafkaLock:
    """Resolve a version of Kafka with jgo, and pin what it needs by the bytes served now."""
    with tempfile.TemporaryDirectory() as scratch:
        coordinates = _resolve(kafka_version, Path(scratch))
        with ThreadPoolExecutor(6) as pool:
            artifacts = tuple(pool.map(lambda c: _pin(c, Path(scratch)), coordinates))
    return KafkaLock(kafka_version=kafka_version, artifacts=artifacts)


def _resolve(kafka_version: str, folder: Path) -> list[str]:
    context = MavenContext(repo_cache=folder)
    context.remote_repos.update(GlobalSettings.load().repositories)
    # Why: Kafka alone. Resolved together, the binding's parent would manage Kafka's own
    # dependencies, and kafka-clients would come in another version than the broker.
    roots, dependencies = context.resolver.resolve(
        [context.create_dependency(f"{_KAFKA}:{kafka_version}")]
    )
    found = sorted(
        f"{d.groupId}:{d.artifactId}:{d.version}"
        for d in (*roots, *dependencies)
        if d.scope in _SCOPES
    )
    log_version = next(c for c in found if c.startswith(f"{_LOG_ENGINE}:")).rpartition(":")[2]
    return sorted([*found, f"{_LOG_BINDING}:{log_version}"])


def _pin(coordinates: str, folder: Path) -> Artifact:
    path = fetch(coordinates, folder)
    digest = sha256_of(path)
    assert digest is not None
    return Artifact(coordinates=coordinates, sha256=digest, size_bytes=path.stat().st_size)


def main(arguments: list[str]) -> int:
    """Write the lock beside this module."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m bus.local.relock KAFKA_VERSION\n")
        return 2
    document = json.dumps(asdict(make_lock(arguments[0])), indent=2)
    Path(__file__).with_name(LOCK_NAME).write_text(document + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
