"""The `bus` command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys

from bus.wiring import Installation
from tests.factories import ROOT


def bus(installation: Installation, *arguments: str) -> tuple[int, str, str]:
    """Run a command; give its exit code, results and talk."""
    ended = subprocess.run(
        [sys.executable, "-c", "from bus.cli.main import run; run()", *arguments],
        env={**os.environ, "BUS_HOME": str(installation.home), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ended.returncode, ended.stdout, ended.stderr
