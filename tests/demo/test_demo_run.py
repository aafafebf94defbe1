"""The demonstration as people and machines start it, on engines of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from bus import local as platform
from bus.cli import demo as command
from bus.demo import programme
from bus.demo.careless import CARELESS
from bus.demo.flow import OUT_OF_FORCE_S

ROOT = Path(__file__).parent.parent.parent
BUS = [sys.executable, "-c", "from bus.cli.main import run; run()"]
RECORDS = "500"
LIMIT_S = 240.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("installation")
    yield folder
    platform.reset(folder / "demo")


def environment(home: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BUS_")}
    local = {"BUS_CACHE", "BUS_JAVA_OPTIONS"}
    engines = {name: text for name, text in os.environ.items() if name in local}
    return {**kept, **engines, "BUS_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def start(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*BUS, "demo", "--records", RECORDS],
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_running(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), process.environ().get("BUS_HOME", "")])
        except psutil.Error:
            continue
        if str(home) in told and process.pid != os.getpid():
            found.append(told)
    return found


def wait_for(true: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.1)


def test_demo_without_a_terminal_ends_with_figures_that_add_up(home: Path) -> None:
    running = start(home)
    out, err = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0, err
    assert len(out.splitlines()) == 1, out
    figures = json.loads(out)
    assert figures["published"] == int(RECORDS)
    set_aside = figures["quarantined"]
    outcomes = figures["accepted"] + figures["repeats"] + sum(set_aside.values())
    assert figures["published"] == outcomes - figures["released"]
    assert set_aside.keys() >= {reason.value for reason in CARELESS}
    assert figures["fund_rows"] == figures["accepted"]
    assert figures["lost"] == figures["duplicated"] == 0
    assert {"region-portal", "health-analytics", "social-protection"} <= set(figures["delivered"])
    assert set(figures["operations"]) == {"create", "correct", "annul", "cease"}
    assert figures["released"] >= 1
    assert figures["resolved"] >= 1
    assert figures["contracts_refused"] == 1
    assert figures["as_of"] == {"then": 1, "now": 2}
    assert figures["requests"] == {"answered_auto": 100, "answered_by_provider": 1, "refused": 1}
    assert figures["letters_replaced"] > 101
    assert figures["granted_after_s"] > 0
    assert 0 <= figures["revoked_after_s"] <= OUT_OF_FORCE_S
    assert figures["leaked"] == 0
    for name in ("publish_to_consumer_ms", "publish_to_fund_ms", "answer_ms"):
        delays = figures[name]
        assert 0 < delays["p50"] <= delays["p99"]
    assert figures["kafka"]
    assert figures["postgresql"]
    assert "Traceback" not in err
    assert left_running(home) == []


def test_interrupted_demo_leaves_nothing_running(home: Path) -> None:
    running = start(home)
    assert running.stderr is not None
    told = ""
    while "registers" not in told:
        told = running.stderr.readline()
        assert told, "it ended before its first act"
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode != 0
    assert out == ""
    assert "Traceback" not in err
    assert left_running(home) == []


def test_demo_that_loses_its_broker_says_so_and_stops(home: Path) -> None:
    running = start(home)
    assert running.stderr is not None
    told = ""
    while "steady pace" not in told:
        told = running.stderr.readline()
        assert told, "it ended before its last act"
    engines = platform.read_engines(home / "demo")
    assert engines is not None
    os.kill(engines.kafka_pid, signal.SIGKILL)
    out, err = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 3, err
    assert out == ""
    assert "Kafka" in err
    assert "Traceback" not in err
    assert left_running(home) == []


def test_two_demos_do_not_share_a_home(home: Path) -> None:
    running = start(home)
    wait_for((home / "demo" / "run" / "engines.json").exists)
    second = subprocess.run(
        [*BUS, "demo", "--records", RECORDS],
        cwd=ROOT,
        env=environment(home),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=LIMIT_S)
    assert second.returncode == 3
    assert str(running.pid) in second.stderr


def test_external_engines_are_refused(tmp_path: Path) -> None:
    external = {"BUS_POSTGRES__DSN": "host=db", "BUS_POSTGRES__PASSWORD_FILE": "/nowhere"}
    refused = subprocess.run(
        [*BUS, "demo"],
        cwd=ROOT,
        env={**environment(tmp_path), **external},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "unset" in refused.stderr
    assert list(tmp_path.iterdir()) == []


class Terminal:
    """A process that believes that a person is looking."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            size = {"COLUMNS": "150", "LINES": "50", "TERM": "xterm"}
            os.execve(arguments[0], arguments, {**environment(home), **size})  # noqa: S606 - a child
        self.shown = ""
        self._has_ended = False

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown[-2000:]
            assert self._read(), self.shown[-2000:]

    def press_ctrl_c(self) -> None:
        os.write(self._descriptor, b"\x03")

    def wait(self) -> int:
        while self._read():
            pass
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self._has_ended = True
        return os.waitstatus_to_exitcode(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Why: a demonstration that stays up would hold the home of the next one.
        if not self._has_ended:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], LIMIT_S)
        try:
            content = os.read(self._descriptor, 65536) if ready else b""
        except OSError:
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", content.decode(errors="replace"))
        return bool(content)


def test_demo_in_a_terminal_stays_up_and_its_commands_work(home: Path) -> None:
    with Terminal([*BUS, "--lang", "ru", "demo", "--records", RECORDS], home) as terminal:
        terminal.read_until("Ctrl-C остановит")
        assert "Закон сохранения выполняется" in terminal.shown
        commands = re.findall(r"^  bus (--home .*?)\s*$", terminal.shown, re.MULTILINE)
        assert len(commands) == 7
        codes = {}
        for line in commands:
            tried = subprocess.run(
                [*BUS, *shlex.split(line)],
                cwd=ROOT,
                env=environment(home),
                check=False,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
            )
            codes[line.split()[2]] = tried.returncode
            assert tried.stdout, (line, tried.stderr)
        # One of the three rows to publish has a wrong ИНН, which `bus publish` tells by its code.
        assert {name for name, code in codes.items() if code} == {"publish"}
        terminal.press_ctrl_c()
        terminal.press_ctrl_c()
        assert terminal.wait() == 0
    assert left_running(home) == []


def test_limits_of_the_command_are_those_of_the_programme() -> None:
    assert command._RECORDS_MIN == programme.RECORDS_MIN
    assert command._RECORDS_MAX == programme.RECORDS_MAX
