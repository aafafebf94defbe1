from __future__ import annotations

from pathlib import Path

import pytest

from bus.agents.consumer_thread import Reading
from bus.agents.pace import PROMPT
from bus.agents.transport import BatchApp
from bus.kafka.cluster import Cluster


def test_faust_makes_no_folder_where_the_worker_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_in, run = tmp_path / "anywhere", tmp_path / "home"
    started_in.mkdir()
    run.mkdir()
    monkeypatch.chdir(started_in)
    cluster = Cluster(
        bootstrap="127.0.0.1:1", ca_file=tmp_path / "ca.pem", principal="bus", password=""
    )
    app = BatchApp(
        Reading(
            group="g",
            instance="g.0",
            pattern="^in",
            cluster=cluster,
            folder=run / "faust",
            positions=None,
            pace=PROMPT,
        )
    )
    app._create_directories()
    assert (run / "faust").is_dir()
    assert not list(started_in.iterdir())
