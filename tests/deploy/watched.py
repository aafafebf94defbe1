"""Prometheus and Alertmanager as they stand in deploy/prometheus, hurried, beside a live bus."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from bus.observe.report import targets_folder
from tests.deploy.alerting import START_S, alertmanager, call, free_port, until_ready
from tests.deploy.hurry import EVALUATED_S, SCRAPED_S, hurried
from tests.deploy.rules import FOLDER, RULE_FILES
from tests.deploy.tools import Tools

_ABOUT: Final = ("instance", "dataset", "agency", "role")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One alert of one letter."""

    receiver: str
    alert: str
    status: str
    about: str
    """The first of instance, dataset, agency and role that the alert names."""
    at_s: float = field(default=0.0, compare=False)
    """When, on the clock of `time.monotonic`."""


@dataclass(slots=True, kw_only=True)
class Watched:
    """What the two processes are asked, and what people were told."""

    prometheus: str
    """Address."""
    told: list[Told] = field(default_factory=list)

    def up(self) -> dict[str, float]:
        """Instances that Prometheus knows, and whether they answer."""
        found = call(f"{self.prometheus}/api/v1/query?query=up")["data"]["result"]
        return {one["metric"]["instance"]: float(one["value"][1]) for one in found}

    def names(self) -> set[str]:
        """Names of all series that were scraped or recorded."""
        return set(call(f"{self.prometheus}/api/v1/label/__name__/values")["data"])

    def firing(self) -> set[str]:
        """Alerts that fire now, whoever is told."""
        found = call(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}


@contextmanager
def watched(tools: Tools, home: Path, folder: Path) -> Iterator[Watched]:
    """Watch the workers of a home for the time of a block."""
    found = Watched(prometheus=f"http://127.0.0.1:{free_port()}")
    configuration = folder / "prometheus.yml"
    with (
        _receiving(found.told) as receiver,
        alertmanager(tools, folder, _routes(folder, receiver)) as told_by,
        (folder / "prometheus.log").open("wb") as log,
    ):
        content = _configured(folder, home, told_by)
        # Without rules at first: hurried ones would miss the workers before they are found.
        configuration.write_text(yaml.safe_dump({**content, "rule_files": []}), encoding="utf-8")
        with subprocess.Popen(
            [
                tools.prometheus,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address={found.prometheus.removeprefix('http://')}",
                "--rules.alert.resend-delay=2s",
            ],
            stdout=log,
            stderr=log,
        ) as process:
            try:
                until_ready(found.prometheus, process)
                announced = len(list(targets_folder(home).glob("*.json")))
                _until(lambda: [*found.up().values()] == [1.0] * announced)
                configuration.write_text(yaml.safe_dump(content), encoding="utf-8")
                process.send_signal(signal.SIGHUP)
                _until(lambda: bool(call(f"{found.prometheus}/api/v1/rules")["data"]["groups"]))
                yield found
            finally:
                process.terminate()
                process.wait(30)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _configured(folder: Path, home: Path, told_by: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    content["global"] = {
        "scrape_interval": f"{SCRAPED_S}s",
        "evaluation_interval": f"{EVALUATED_S}s",
    }
    content["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [told_by.removeprefix("http://")]}]}
    ]
    (job,) = content["scrape_configs"]
    (discovered,) = job["file_sd_configs"]
    discovered |= {"files": [f"{targets_folder(home)}/*.json"], "refresh_interval": "1s"}
    for name in RULE_FILES:
        rules = hurried(yaml.safe_load((FOLDER / name).read_text("utf-8")))
        (folder / name).write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    return content


def _routes(folder: Path, receiver: str) -> Path:
    content = hurried(yaml.safe_load((FOLDER / "alertmanager.yml").read_text("utf-8")))
    content["receivers"] = [
        {"name": one["name"], "webhook_configs": [{"url": f"{receiver}/{one['name']}"}]}
        for one in content["receivers"]
    ]
    del content["templates"]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@contextmanager
def _receiving(told: list[Told]) -> Iterator[str]:
    """Take letters on loopback for the time of a block; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend(
                Told(
                    receiver=self.path.removeprefix("/"),
                    alert=one["labels"]["alertname"],
                    status=one["status"],
                    about=next(
                        (one["labels"][name] for name in _ABOUT if name in one["labels"]), ""
                    ),
                    at_s=time.monotonic(),
                )
                for one in letter["alerts"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.1], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
