from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client.exposition import generate_latest

from bus.kafka.cluster import Cluster
from bus.local.certificates import make_ca
from bus.observe.health import Ailment
from bus.observe.log_ends import LogEnds
from bus.observe.meter import Meter
from bus.observe.watch import CatalogueProgress, Watch, Watched
from tests.observe.test_page import WELL

LIMIT_S = 0.3


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watch that never looks."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(make_ca(datetime.now(UTC)).certificate.public_bytes(Encoding.PEM))
    nowhere = Cluster(bootstrap="127.0.0.1:9", ca_file=ca_file, principal="bus", password="x")
    return Watch(
        Watched(
            progress=dict,
            catalogue=lambda: CatalogueProgress(position=0, read=1, version=1),
            assignments=lambda: 0,
        ),
        log_ends=LogEnds(nowhere, "bus.enforce"),
        board=Meter().board,
        start=WELL,
        limit_s=LIMIT_S,
    )


def test_a_worker_whose_loop_and_watch_have_just_begun_is_well(watch: Watch) -> None:
    assert watch.report().is_healthy


def test_a_loop_that_does_not_turn_and_a_watch_that_does_not_look_are_told(watch: Watch) -> None:
    threading.Event().wait(LIMIT_S + 0.1)
    found = {problem.ailment for problem in watch.report().problems}
    assert found == {Ailment.LOOP_BLOCKED, Ailment.WATCH_SILENT}
    with watch.running():
        page = generate_latest(watch._board.registry).decode()
        assert "bus_worker_healthy 0.0" in page.splitlines(), "the page says what /healthz says"
    watch.beat()
    found = {problem.ailment for problem in watch.report().problems}
    assert Ailment.LOOP_BLOCKED not in found
