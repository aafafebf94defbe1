from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.lint import lint
from bus.catalogue.region import Region, parse_region
from bus.catalogue.snapshot import build_snapshot, locked_schema_id
from bus.enforce.judge import judge
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from bus.model.record import Headers
from bus.model.verdict import Accepted
from bus.route.plan import plan
from bus.wire import topics
from bus.wire.signature import SignatureChecker
from tests.bench.figures import percentiles, spread
from tests.bench.gaps import Progress
from tests.bench.invented_region import dataset, write_region
from tests.bench.load import Source, prepare, read
from tests.bench.usage import Usage, compared
from tests.bench.watching import Watched
from tests.factories import SEEDS, approved, signer, signing_key

RECORDS = 600


@pytest.fixture
def region_file(tmp_path: Path) -> Path:
    return write_region(tmp_path / "region", agencies=3, datasets=2)


def region_with_key(region_file: Path) -> Region:
    """Read a region in which the first provider signs with a known key."""
    key = replace(
        signing_key("bus"), key_id=KeyId("register-00.1"), system=SystemCode("register-00")
    )
    documents = read_documents(region_file, None)
    return parse_region(approved({**documents, f"keys/{key.key_id}.yaml": render_key(key)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """A record as it lies in a topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Headers


def test_percentiles_are_of_the_nearest_rank() -> None:
    found = percentiles([float(n) for n in range(1, 201)])
    assert found == {"p50": 100.0, "p99": 198.0, "max": 200.0, "count": 200}


def test_a_spread_tells_the_extremes_beside_the_median() -> None:
    assert spread([3, 1, 8]) == {"median": 3, "min": 1, "max": 8, "runs": 3}


def test_the_rate_of_a_tenth_is_of_the_time_in_which_it_arrived() -> None:
    slow_then_fast = Watched(times=[0.0, 5.0, 15.0, 20.0], counts=[0, 0, 100, 1_000])
    assert slow_then_fast.tenth(0) == pytest.approx(100 / 10)
    assert slow_then_fast.tenth(9) == pytest.approx(900 / 5)


def test_cpu_time_is_told_for_the_records_between_two_looks() -> None:
    before = {"kafka": Usage(cpu_s=2.0, rss_mb=300), "gone": Usage(cpu_s=1.0, rss_mb=1)}
    after = {"kafka": Usage(cpu_s=5.0, rss_mb=320)}
    assert compared(before, after, 200_000) == {
        "kafka": {"cpu_s_per_100k": 1.5, "rss_mb_start": 300, "rss_mb_end": 320}
    }


def test_a_gap_of_one_partition_is_seen_while_others_move() -> None:
    progress = Progress()
    for moment in range(20):
        progress.note(0, moment + 1, float(moment))
        if not 5 < moment < 14:
            progress.note(1, moment + 1, float(moment))
    assert progress.longest_of_all(since=4.0) == 1.0
    assert progress.longest_of_one(since=4.0) == 9.0


def test_the_gap_that_counts_ended_after_the_fault() -> None:
    progress = Progress()
    for count, moment in enumerate((0.0, 7.0, 8.0, 12.0, 13.0), start=1):
        progress.note(0, count, moment)
    assert progress.longest_of_all(since=9.0) == 4.0


def test_a_generated_region_has_no_findings(region_file: Path) -> None:
    assert lint(read_documents(region_file, None)) == ()


def test_schemas_keep_their_ids_when_a_region_grows(region_file: Path) -> None:
    before = parse_region(read_documents(region_file, None)).lock.entries
    write_region(region_file.parent, agencies=3, datasets=4)
    after = parse_region(read_documents(region_file, None)).lock.entries
    assert {subject: after[subject] for subject in before} == before
    assert len(after) > len(before)


def test_prepared_records_are_accepted_but_for_the_bad_ones(
    region_file: Path, tmp_path: Path
) -> None:
    region = region_with_key(region_file)
    source = Source(
        agency=AgencyCode("office-00"),
        system=SystemCode("register-00"),
        dataset=dataset(0),
        schema_id=locked_schema_id(region, dataset(0), 1),
        key_id=KeyId("register-00.1"),
        private_key=SEEDS["bus"],
        partitions=4,
    )
    load = prepare(tmp_path / "load", [source], each=RECORDS)
    snapshot, checker = build_snapshot(region, 1), SignatureChecker()
    accepted, shown, partitions = 0, 0, set[int]()
    for file in load.files:
        for topic, partition, records in read(file):
            partitions.add(partition)
            verdicts = judge(
                [
                    Lying(
                        topic=topic,
                        partition=partition,
                        offset=offset,
                        timestamp=1_900_000_000_000,
                        key=key,
                        value=value,
                        headers=headers,
                    )
                    for offset, (key, value, headers) in enumerate(records)
                ],
                source=topics.parse_inbound(topic),
                snapshot=snapshot,
                checker=checker,
            )
            accepted += sum(isinstance(verdict, Accepted) for verdict in verdicts)
            planned = plan(verdicts, snapshot=snapshot, signer=signer("bus"))
            shown += sum(delivery.topic.startswith("view.") for delivery in planned)
    assert (load.records, load.bad) == (RECORDS, 6)
    assert accepted == RECORDS - load.bad
    assert shown == RECORDS // 2
    assert partitions == {0, 1, 2, 3}
    assert source.dataset == DatasetCode("documents-000")
