"""The platform runs as root, with PostgreSQL as nobody, and as a user without rights."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bus.errors import DocumentError
from bus.local import Engines, down, processes, reset, status
from bus.local.artifacts import default_cache
from bus.local.choices import read_choices
from bus.local.layout import Layout

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Why: the interpreter may lie where only root reads, so it loads all first and then gives up root.
AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from bus.local import down, reset, status, up
import psycopg
uid, gid, home, cache = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
"".encode("idna")
os.setgroups([]); os.setgid(gid); os.setuid(uid)
engines = up(home, cache=cache)
assert status(home).is_up
password = engines.postgres_password_file.read_text()
with psycopg.connect(engines.postgres_dsn, password=password) as connection:
    connection.execute("SELECT 1")
print(engines.kafka_pid, engines.postgres_pid, flush=True)
input()
down(home)
reset(home)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="bus-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_root_runs_postgres_as_nobody(shared: Engines) -> None:
    assert psutil.Process(shared.postgres_pid).uids().real == pwd.getpwnam("nobody").pw_uid
    assert psutil.Process(shared.kafka_pid).uids().real == 0


@needs_root
def test_data_lie_outside_a_home_that_nobody_cannot_reach(shared: Engines) -> None:
    layout = Layout.of(shared.kafka_ca_file.parent.parent)
    choices = read_choices(layout)
    assert choices is not None
    assert choices.postgres_root == layout.postgres_outside
    assert choices.postgres_root.parent.stat().st_uid == 0


@needs_root
def test_a_user_without_rights_runs_a_platform_of_its_own(reachable: Path) -> None:
    user = pwd.getpwnam("daemon")
    home, cache = reachable / "home", reachable / "cache"
    shutil.copytree(default_cache(), cache)
    os.chown(reachable, user.pw_uid, user.pw_gid)
    words = [sys.executable, "-c", AS_ANOTHER_USER, user.pw_uid, user.pw_gid, home, cache]
    with subprocess.Popen(
        [str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        pids = [int(word) for word in command.stdout.readline().split()]
        assert [psutil.Process(pid).uids().real for pid in pids] == [user.pw_uid, user.pw_uid]
        assert (home / "postgres/data/PG_VERSION").exists()
        for function in (status, down, reset):
            with pytest.raises(DocumentError, match=f"belongs to user id {user.pw_uid}"):
                function(home)
        command.communicate("go on\n", timeout=60)
    assert command.returncode == 0
    assert not home.exists()
    assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and processes.is_alive(psutil.Process(pid))
