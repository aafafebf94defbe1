"""One process at a time: a lock file that the operating system lets go of, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bus.errors import BusError


@contextmanager
def alone(path: Path, refusal: Callable[[str], BusError]) -> Iterator[None]:
    """Hold a lock file for the time of a block; the file stays when the block ends.

    Args:
        path: The lock file; its folder is created.
        refusal: Makes the error to raise, given the holder's process id, or `?`.

    Raises:
        BusError: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            file.seek(0)
            raise refusal(file.read().strip() or "?") from problem
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(path: Path) -> bool:
    """Tell whether a process holds a lock file, without touching the lock.

    Why not by trying: a process that wants it at this moment would be refused.
    """
    try:
        holder = psutil.Process(int(path.read_text(encoding="ascii")))
        if holder.uids().effective != path.stat().st_uid:
            return False  # another process has the number by now
        return str(path.resolve()) in {opened.path for opened in holder.open_files()}
    except psutil.AccessDenied:
        return True  # it is there, and whose files it has open only its own user may see
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False
