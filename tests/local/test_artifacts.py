"""Kafka's libraries, served by a real HTTP repository on this machine."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bus.errors import Unavailable
from bus.local.artifacts import Artifact, KafkaLock, ensure_artifacts, read_lock
from bus.texts import Message

BYTES = b"the library as it was pinned"
ARTIFACT = Artifact(
    coordinates="gov.example:library:1.0",
    sha256=hashlib.sha256(BYTES).hexdigest(),
    size_bytes=len(BYTES),
)
LOCK = KafkaLock(kafka_version="4.4.0", artifacts=(ARTIFACT,))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - inherited
        return


@pytest.fixture
def served_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The library's file in a Maven repository that jgo is set up to use."""
    repository = tmp_path / "repository"
    file = repository / "gov/example/library/1.0/library-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=repository))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setattr("bus.local.artifacts._RETRY_S", 0.01)
    yield file
    server.shutdown()
    thread.join()
    server.server_close()


def ensure(cache: Path) -> tuple[Path, list[str]]:
    said: list[Message] = []
    (path,) = ensure_artifacts(LOCK, cache, progress=said.append)
    return path, list(map(str, said))


def test_a_library_is_downloaded_once(served_file: Path, tmp_path: Path) -> None:
    path, said = ensure(tmp_path)
    assert path.read_bytes() == BYTES
    assert said == ["Kafka 4.4.0: 1 libraries, 0.0 MB"]
    served_file.unlink()
    assert ensure(tmp_path) == (path, [])


def test_a_damaged_library_in_the_cache_is_downloaded_again(
    served_file: Path, tmp_path: Path
) -> None:
    path, _ = ensure(tmp_path)
    path.write_bytes(b"damaged")
    again, said = ensure(tmp_path)
    assert again.read_bytes() == BYTES
    assert said


def test_a_library_with_other_bytes_is_refused_and_never_reaches_the_cache(
    served_file: Path, tmp_path: Path
) -> None:
    served_file.write_bytes(b"somebody else's library")
    with pytest.raises(Unavailable) as refusal:
        ensure(tmp_path)
    message = str(refusal.value)
    assert ARTIFACT.coordinates in message
    assert f"expected SHA-256 {ARTIFACT.sha256}" in message
    assert hashlib.sha256(served_file.read_bytes()).hexdigest() in message
    assert "Check the network" in message
    assert not list((tmp_path / "maven").rglob("*.jar"))


def test_a_library_that_is_not_served_is_named(served_file: Path, tmp_path: Path) -> None:
    served_file.unlink()
    with pytest.raises(Unavailable, match=r"gov\.example:library:1\.0: expected a file from"):
        ensure(tmp_path)


def test_the_committed_lock_pins_each_library_and_names_no_host() -> None:
    lock = read_lock()
    versions = {a.coordinates.rpartition(":")[2] for a in lock.artifacts if "kafka" in str(a.path)}
    assert versions == {lock.kafka_version}
    assert len({a.path for a in lock.artifacts}) == len(lock.artifacts)
    assert all(len(bytes.fromhex(a.sha256)) == 32 for a in lock.artifacts)
    assert all(a.coordinates.count(":") == 2 and "/" not in a.coordinates for a in lock.artifacts)
