"""Start engines that outlive this process, find them again, stop them.

There are no pid files, so none can go stale: an engine is recognised by its program and by the
path of its own settings or data on its command line. Only such a process is ever signalled, and
psutil refuses to signal a process that took over the number of one that ended.
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from bus.errors import Unavailable
from bus.local.owner import Owner
from bus.texts import message

_POLL_S = 0.02

# The shell gives the engine another parent, so no caller is left with a child to wait for; it
# prints the engine's number, and the engine inherits only the log as its output.
_DETACH = '"$@" >&2 & echo $!'

# Engines get no variable of the caller's: neither a secret nor a PGDATA or JAVA_TOOL_OPTIONS.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}


class Ending(StrEnum):
    """How an engine came to an end."""

    NOT_RUNNING = "not_running"
    CLEAN = "clean"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Farewell:
    """A signal and the time that a process gets to follow it."""

    number: signal.Signals
    wait_s: float


def start_detached(
    command: Sequence[str], *, folder: Path, output: Path, owner: Owner
) -> psutil.Process:
    """Start a program in its own session and return at once.

    Args:
        command: Program and arguments; everybody on the machine can read them.
        folder: Its working folder.
        output: What it writes before its own log is open; emptied first.
        owner: Who it runs as.

    Raises:
        Unavailable: The system did not start it.
    """
    with output.open("wb") as log:
        started = run(
            ["/bin/sh", "-c", _DETACH, "sh", *command],
            folder=folder,
            owner=owner,
            errors=log.fileno(),
            new_session=True,
        )
    if started.returncode != 0:
        code = started.returncode
        raise Unavailable(
            message("error.local.shell_failed", program=command[0], code=code, output=output)
        )
    try:
        return psutil.Process(int(started.stdout))
    except psutil.NoSuchProcess:
        raise Unavailable(
            message("error.local.ended_at_once", program=command[0], output=output)
        ) from None


def run(
    command: Sequence[str],
    *,
    folder: Path,
    owner: Owner,
    errors: int = subprocess.STDOUT,
    new_session: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as another user, in an empty environment."""
    another = owner.uid != Owner.caller().uid
    return subprocess.run(  # noqa: S603 - the callers build the command from our own paths
        command,
        cwd=folder,
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
        start_new_session=new_session,
        umask=0o077,
        user=owner.uid if another else None,
        group=owner.gid if another else None,
        extra_groups=[] if another else None,
    )


def find(program: str, argument: Path, *, owner: Owner) -> psutil.Process | None:
    """Return the running process of a program that was given a path as an argument, if any."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            matches = words and Path(words[0]).name == program and str(argument) in words[1:]
            if matches and process.uids().effective == owner.uid:
                return process
        except psutil.Error:  # ended meanwhile, or not ours to look at
            continue
    return None


def working_in(folder: Path, *, owner: Owner) -> Iterator[psutil.Process]:
    """Yield a user's processes whose working folder is the given one."""
    for process in psutil.process_iter():
        try:
            if process.uids().effective == owner.uid and process.cwd() == str(folder):
                yield process
        except psutil.Error:
            continue


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still works; one that only waits to be noticed by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(process: psutil.Process, farewells: Sequence[Farewell]) -> Ending:
    """Ask a process to end, ever more firmly, and say whether it had to be killed.

    Args:
        process: Ours.
        farewells: In the order to try; SIGKILL follows by itself.

    Raises:
        Unavailable: Not even SIGKILL ended it.
    """
    for farewell in farewells:
        _signal(process, farewell.number)
        _signal(process, signal.SIGCONT)  # Why: a frozen process cannot follow.
        if wait_gone(process, wait_s=farewell.wait_s):
            return Ending.CLEAN
    _signal(process, signal.SIGKILL)
    if wait_gone(process, wait_s=10):
        return Ending.KILLED
    raise Unavailable(message("error.local.unkillable", pid=process.pid))


def wait_gone(process: psutil.Process, *, wait_s: float) -> bool:
    """Wait for a process to end; say whether it did."""
    deadline = time.monotonic() + wait_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
