from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.anomaly import Name
from tests.chaos.fake_bus import clean_run
from tests.chaos.probe import read_probed


def told(*lines: object) -> bytes:
    return b"\n" + b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"


def test_what_the_probe_got_is_leaked_and_what_was_refused_is_known(tmp_path: Path) -> None:
    run = clean_run(1)
    record = run.accepted[0]
    got = {"place": [*record.place], "record_id": record.record_id, "key": record.key}
    path = tmp_path / "got"
    path.write_bytes(
        told({"refused": ["in.north.roads"]}, got, got, {"refused": ["quarantine.north"]})
        + b'{"place": ["accep'
    )
    rows, refused = read_probed(path)
    assert refused == {"in.north.roads", "quarantine.north"}
    assert [row.place for row in rows] == [record.place]
    run.delivered += rows
    assert run.names() == {Name.LEAKED}, run.check()
