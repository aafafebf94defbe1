"""Alertmanager as a process on loopback, and the two tools' APIs."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.deploy.rules import FOLDER
from tests.deploy.tools import Tools

CONFIG = FOLDER / "alertmanager.yml"
START_S = 30.0
DIRECT = build_opener(ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def call(url: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Ask an API of Prometheus or Alertmanager; a body is posted."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
    with DIRECT.open(request, timeout=10) as answer:
        content = answer.read()
        return json.loads(content) if content.strip()[:1] in (b"[", b"{") else content


def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended at once"
        try:
            call(f"{url}/-/ready")
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} is not ready after {START_S} s")


@contextmanager
def alertmanager(tools: Tools, folder: Path, config: Path = CONFIG) -> Iterator[str]:
    """Run one on loopback for the time of a block; give its address."""
    if tools.alertmanager is None:
        pytest.skip(
            "Alertmanager is not installed, and no user namespace lets it run from the cache"
        )
    url = f"http://127.0.0.1:{free_port()}"
    with (
        (folder / "alertmanager.log").open("wb") as log,
        subprocess.Popen(
            [
                *tools.alertmanager,
                f"--config.file={config}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            until_ready(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)
