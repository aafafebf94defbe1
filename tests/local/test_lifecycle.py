"""The platform's life, with the real engines."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from bus.errors import DocumentError, Unavailable
from bus.local import (
    Ending,
    Engines,
    EngineState,
    down,
    processes,
    read_engines,
    reset,
    status,
    up,
)
from bus.local.broker import new_cluster_id
from bus.local.choices import LOOPBACK, read_choices
from bus.local.home_lock import exclusive
from bus.local.layout import Layout
from tests.local.clients import admin, create_topic, login, produce, read_all, sql

TOPIC = "in.civil.birth"
VALUES = [b"first", b"second", b"third"]


def fill(engines: Engines) -> None:
    create_topic(engines, TOPIC)
    assert produce(login(engines), TOPIC, VALUES) == []
    sql(engines, "CREATE TABLE history AS SELECT generate_series(1, 1000) AS number")


def assert_full(engines: Engines) -> None:
    assert read_all(engines, TOPIC) == VALUES
    assert sql(engines, "SELECT count(*) FROM history") == [(1000,)]


def test_records_and_rows_survive_down_and_an_up_that_finds_its_ports_taken(home: Path) -> None:
    before = up(home)
    fill(before)
    assert down(home).kafka is Ending.CLEAN
    with ExitStack() as stack:
        choices = read_choices(Layout.of(home))
        assert choices is not None
        for port in (choices.kafka_client_port, choices.postgres_port):
            stack.enter_context(listening_on(port))
        after = up(home)
    assert after.kafka_bootstrap != before.kafka_bootstrap
    assert after.postgres_dsn != before.postgres_dsn
    advertised = {b.port for b in admin(after).list_topics(timeout=10).brokers.values()}
    assert advertised == {int(after.kafka_bootstrap.rpartition(":")[2])}
    assert_full(after)


def test_records_and_rows_survive_kill_9_of_both_engines(home: Path) -> None:
    before = up(home)
    fill(before)
    for pid in (before.kafka_pid, before.postgres_pid):
        os.kill(pid, signal.SIGKILL)
    after = up(home)
    assert after.kafka_pid != before.kafka_pid
    assert after.postgres_pid != before.postgres_pid
    assert after.kafka_bootstrap == before.kafka_bootstrap
    assert_full(after)
    assert read_engines(home) == after


def test_up_restarts_only_the_engine_that_died(home: Path) -> None:
    before = up(home)
    assert up(home) == before
    os.kill(before.postgres_pid, signal.SIGKILL)
    wait_gone(before.postgres_pid)
    assert status(home).postgres.state is EngineState.STOPPED
    assert not status(home).is_up
    after = up(home)
    assert after.kafka_pid == before.kafka_pid
    assert status(home).postgres.pid == after.postgres_pid != before.postgres_pid
    assert status(home).is_up


def test_down_ends_frozen_engines_and_leaves_no_process_no_socket_and_no_lock(home: Path) -> None:
    engines = up(home)
    children = psutil.Process(engines.postgres_pid).children(recursive=True)
    assert children
    assert list(engines.postgres_socket_folder.iterdir())
    for pid in (engines.kafka_pid, engines.postgres_pid):
        os.kill(pid, signal.SIGSTOP)
    stopped = down(home)
    assert (stopped.kafka, stopped.postgres) == (Ending.CLEAN, Ending.CLEAN)
    assert not processes_that_mention(home, "java", "postgres")
    assert not [c for c in children if processes.is_alive(c)]
    assert not engines.postgres_socket_folder.exists()
    assert read_engines(home) is None
    assert not Layout.of(home).lock_file.exists()
    assert not list(home.rglob("*.pid"))
    assert down(home).kafka is Ending.NOT_RUNNING


def test_two_ups_at_once_start_one_platform_and_reset_leaves_nothing_of_it(home: Path) -> None:
    script = "import sys; from pathlib import Path; from bus.local import up; up(Path(sys.argv[1]))"
    commands = [subprocess.Popen([sys.executable, "-c", script, home]) for _ in range(2)]
    assert [command.wait(60) for command in commands] == [0, 0]
    assert len(processes_that_mention(home, "java", "postgres")) == 2
    engines, choices = read_engines(home), read_choices(Layout.of(home))
    assert engines == up(home)
    assert engines is not None
    assert choices is not None

    (home / "notes.txt").write_text("the operator's own")
    reset(home)
    assert not processes_that_mention(home, "java", "postgres")
    assert [p.name for p in home.iterdir()] == ["notes.txt"]
    assert not choices.postgres_root.exists()
    assert not engines.postgres_socket_folder.exists()
    (home / "notes.txt").unlink()


def test_reset_refuses_a_folder_that_never_held_a_platform(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DocumentError, match="expected the home of a local platform"):
        reset(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_home_that_kafka_cannot_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="choose a folder without"):
        up(tmp_path / "one,two")


def test_a_clusters_name_never_looks_like_an_option() -> None:
    assert not [name for _ in range(2_000) if (name := new_cluster_id()).startswith("-")]


def test_an_up_that_fails_stops_what_it_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://{LOOPBACK}:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    with pytest.raises(Unavailable, match="expected a file from the Maven repository"):
        up(home, cache=tmp_path / "empty")
    assert not processes_that_mention(home, "java", "postgres")
    assert read_engines(home) is None


def test_a_second_command_says_who_holds_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.local.platform._LOCK_WAIT_S", 0.1)
    with (
        exclusive(Layout.of(home).lock_file, wait_s=0),
        pytest.raises(Unavailable, match=f"held by process {os.getpid()}"),
    ):
        down(home)


@contextmanager
def listening_on(port: int) -> Iterator[None]:
    with socket.create_server((LOOPBACK, port)):
        yield


def processes_that_mention(home: Path, *programs: str) -> list[psutil.Process]:
    """Engines' main processes, found without the code under test."""
    choices = read_choices(Layout.of(home))
    places = {str(home), *([str(choices.postgres_root)] if choices else [])}
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (words := process.info["cmdline"])
        and Path(words[0]).name in programs
        and any(place in word for place in places for word in words)
    ]


def wait_gone(pid: int) -> None:
    if psutil.pid_exists(pid):
        assert processes.wait_gone(psutil.Process(pid), wait_s=10)
