"""One command at a time works on a home."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bus.errors import Unavailable
from bus.texts import message

_POLL_S = 0.05


@contextmanager
def exclusive(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold a lock file for the time of a block, and remove it at the end.

    Args:
        path: The lock file; its folder is created.
        wait_s: How long to wait for another process that holds it.

    Raises:
        Unavailable: Another process still holds it.
    """
    descriptor = _acquire(path, wait_s=wait_s)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, *, wait_s: float) -> int:
    deadline = time.monotonic() + wait_s
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _lock(descriptor) and _is_still_at(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            unknown = message("error.local.holder_unknown")
            holder = path.read_text(encoding="utf-8") if path.exists() else unknown
            raise Unavailable(
                message("error.local.lock_held", path=path, holder=holder, wait_s=wait_s)
            )
        time.sleep(_POLL_S)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_at(path: Path, descriptor: int) -> bool:
    # Why: the holder before us removed the file, so what we locked may be a name nobody finds.
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
