"""One publisher for each system and dataset on a host: two would number versions twice."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bus.errors import Unavailable


@contextmanager
def single_writer(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; the operating system lets go of it when the process ends, however.

    Args:
        path: The lock file, which stays when the block ends.
        what: Whose it is, for the message.

    Raises:
        Unavailable: Another process holds it.
    """
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            file.seek(0)
            raise Unavailable(
                f"{what} is being published already, by process {file.read().strip() or '?'}; "
                "wait until it ends, or end it, then start again"
            ) from problem
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
