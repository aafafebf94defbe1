from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from bus.catalogue.parties import BUS
from bus.client import BadRow, Publisher, RowGiven
from bus.client.own_log import Source, own_version
from bus.errors import DocumentError, Unavailable
from bus.kafka.administration import connect_admin
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import DatasetCode
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineState
from bus.quarantine.receipt import Receipt, receipt_delivery
from bus.tables.problems import Problem, ProblemKind
from bus.wire.signature import BATCH_LEAVES_MAX, parse_signature
from tests.client.conftest import Installation
from tests.client.publishing import rows
from tests.client.routing import read_topic, route
from tests.factories import AGENCY, DATASET, ROOT, SYSTEM, VALID

SOURCE = Source(agency=AGENCY, system=SYSTEM, dataset=DATASET)
Open = Callable[[], AbstractAsyncContextManager[Publisher]]


@pytest.fixture
def opening(installation: Installation) -> Open:
    return lambda: Publisher.open(
        installation.cluster(SYSTEM),
        home=installation.home,
        system=SYSTEM,
        dataset=DATASET,
        signer=installation.signer(SYSTEM),
        clock=lambda: datetime.now(UTC),
        send_broken=True,
    )


async def sent(installation: Installation) -> list[ConsumerRecord]:
    found = await read_topic(installation, SOURCE.inbound)
    return [record for records in found.values() for record in records]


def row(number: int, **changed: object) -> dict[str, object]:
    return {**VALID, "registry_number": f"row-{number}", **changed}


def memory(installation: Installation) -> Path:
    return installation.home / "publish" / SYSTEM / f"{DATASET}.sqlite"


def forget(installation: Installation) -> None:
    for path in memory(installation).parent.glob(f"{DATASET}.sqlite*"):
        path.unlink()


async def test_the_same_rows_again_are_all_repeats_also_after_the_memory_was_lost(
    installation: Installation, opening: Open
) -> None:
    given = [row(number) for number in range(300)]
    async with opening() as publisher:
        first = await publisher.publish(given)
        at_once = await publisher.publish(given)
    assert (first.rows, first.sent, first.created, first.repeats) == (300, 300, 300, 0)
    assert (at_once.sent, at_once.repeats) == (0, 300)
    async with opening() as publisher:
        assert (await publisher.publish(given)).repeats == 300
    forget(installation)
    async with opening() as publisher:
        assert (await publisher.publish(given)).repeats == 300


async def test_a_changed_row_is_the_next_version_and_supersedes_the_one_before(
    installation: Installation, opening: Open
) -> None:
    async with opening() as publisher:
        assert publisher.newest("row-1000") is None
        await publisher.publish([row(1000), row(1001)])
        report = await publisher.publish([row(1000, places=601), row(1001)])
        newest = publisher.newest("row-1000")
    assert (report.sent, report.corrected, report.repeats) == (1, 1, 1)
    first, second = [
        version
        for record in await sent(installation)
        if (version := own_version(record, SOURCE)) and version.key == "row-1000"
    ]
    assert (first.version, second.version) == (1, 2)
    assert second.supersedes == first.record_id
    assert newest == second.record_id


async def test_rows_of_one_key_in_one_file_become_versions_in_their_order(
    installation: Installation, opening: Open
) -> None:
    given = [row(1100, places=places) for places in (1, 2, 2, 3, 1)]
    async with opening() as publisher:
        report = await publisher.publish([*given, row(1101)])
    assert (report.created, report.corrected, report.repeats) == (2, 3, 1)
    assert report.keys_more_than_once == 1
    versions = [
        version.version
        for record in await sent(installation)
        if (version := own_version(record, SOURCE)) and version.key == "row-1100"
    ]
    assert versions == [1, 2, 3, 4]


async def test_rows_that_cannot_be_sent_are_reported_and_the_others_sent(opening: Open) -> None:
    bad = BadRow(number=3, problems=(Problem(kind=ProblemKind.NUL_BYTE),))
    large = row(1202, address="я" * 500_000)
    given: list[RowGiven] = [row(1200), row(1201, places="many"), bad, large]
    async with opening() as publisher:
        report = await publisher.publish(given)
    assert report.rows == report.sent + report.repeats + report.unsendable_count
    assert [problem.number for problem in report.unsendable] == [2, 3, 4]
    assert report.unsendable[0].problems[0].field == "places"
    assert "bytes" in report.unsendable[2].problems[0].en


async def test_records_lie_in_batches_that_were_signed_once(
    installation: Installation, opening: Open
) -> None:
    given = [row(number) for number in range(2000, 4000)]
    async with opening() as publisher:
        await publisher.publish(given)
    mine = [record for record in await sent(installation) if record.key.startswith(b"row-2")]
    signatures = [parse_signature(dict(record.headers)["bus_sig"]) for record in mine]
    sizes = [signature.tree_size for signature in signatures if signature is not None]
    assert len(sizes) == len(mine)
    assert max(sizes) <= BATCH_LEAVES_MAX
    assert sum(sizes) / len(sizes) > 30


async def test_what_the_bus_refused_is_answered_by_the_mended_row(
    installation: Installation, opening: Open
) -> None:
    async with opening() as publisher:
        await publisher.publish([row(5000, kind="castle"), row(5001), row(5002, inn="1")])
        await route(installation, SOURCE.inbound)
        outcome = await publisher.outcome(timeout_s=20)
        assert (outcome.sent, outcome.accepted, outcome.pending) == (3, 1, 0)
        assert outcome.quarantined == {Reason.RULE_VIOLATED: 2}
        again = await publisher.publish([row(5000, kind="castle")])
        assert again.repeats == 1
        mended = await publisher.publish([row(5000)])
    assert (mended.created, mended.corrected) == (1, 0)
    versions = {
        version.version: (version, dict(record.headers))
        for record in await sent(installation)
        if (version := own_version(record, SOURCE)) and version.key == "row-5000"
    }
    refused, _ = versions[1]
    _, headers = versions[2]
    place = f"{SOURCE.inbound}/{refused.partition}/{refused.offset}"
    assert headers["bus_resolves"].decode() == place
    assert headers["bus_op"] == b"create"


async def test_what_was_released_from_quarantine_is_corrected_by_the_next_row(
    installation: Installation, opening: Open
) -> None:
    async with opening() as publisher:
        await publisher.publish([row(5100, kind="castle"), row(5101, kind="castle")])
        await route(installation, SOURCE.inbound)
        assert (await publisher.outcome(timeout_s=20)).quarantined == {Reason.RULE_VIOLATED: 2}
    await tell_released(installation, "row-5100")
    async with opening() as publisher:
        again = await publisher.publish([row(5100, kind="castle")])
        assert again.repeats == 1
        report = await publisher.publish([row(5100), row(5101)])
    assert (report.corrected, report.created) == (1, 1)
    first, second = await versions_of(installation, "row-5100")
    headers = dict(second.headers)
    assert headers["bus_op"] == b"correct"
    assert headers["bus_supersedes"] == dict(first.headers)["ce_id"]
    assert "bus_resolves" not in headers
    forget(installation)
    async with opening() as publisher:
        assert (await publisher.publish([row(5100), row(5101)])).repeats == 2
        assert (await publisher.publish([row(5100, places=601)])).corrected == 1


async def tell_released(installation: Installation, key: str) -> None:
    """Write the receipt that housekeeping writes when a record has come out of quarantine."""
    (record,) = await versions_of(installation, key)
    receipt = Receipt(
        quarantine_id=f"{record.topic}/{record.partition}/{record.offset}",
        agency=AGENCY,
        dataset=DATASET,
        state=QuarantineState.RELEASED,
        state_at=datetime.now(UTC),
        reason=Reason.RULE_VIOLATED,
        path="kind",
        rules=("kind-known",),
        attempt=1,
        record_id=None,
        because="rule mended",
    )
    async with BatchProducer(installation.cluster(BUS), client_id="bus.receipts") as producer:
        await producer.deliver([receipt_delivery(receipt)])


async def versions_of(installation: Installation, key: str) -> list[ConsumerRecord]:
    return [record for record in await sent(installation) if record.key == key.encode()]


async def test_what_is_not_judged_in_time_is_pending(opening: Open) -> None:
    async with opening() as publisher:
        await publisher.publish([row(6000)])
        outcome = await publisher.outcome(timeout_s=0.5)
    assert (outcome.sent, outcome.accepted, outcome.pending) == (1, 0, 1)


async def test_rows_that_come_one_by_one_do_not_wait_for_each_other(
    installation: Installation, opening: Open
) -> None:
    seen: list[float] = []

    async def slowly() -> AsyncIterator[RowGiven]:
        for number in range(3):
            yield row(7000 + number)
            began = time.monotonic()
            await arrival(installation, f"row-{7000 + number}".encode())
            seen.append(time.monotonic() - began)

    async with opening() as publisher:
        report = await publisher.publish(slowly())
    assert report.sent == 3
    assert len(seen) == 3


async def arrival(installation: Installation, key: bytes) -> None:
    while key not in {record.key for record in await sent(installation)}:
        pass


async def test_a_second_publisher_of_the_same_dataset_names_the_first(opening: Open) -> None:
    async with opening():
        with pytest.raises(Unavailable, match=rf"by process {os.getpid()};"):
            async with opening():
                pass


async def test_a_publisher_that_stopped_at_a_fault_must_be_opened_anew(opening: Open) -> None:
    def failing() -> Iterable[RowGiven]:
        yield row(8000)
        raise ZeroDivisionError

    async with opening() as publisher:
        with pytest.raises(ZeroDivisionError):
            await publisher.publish(failing())
        with pytest.raises(Unavailable, match="open a new one"):
            await publisher.publish([row(8000)])
    async with opening() as publisher:
        report = await publisher.publish([row(8000)])
    assert report.rows == 1


async def test_a_system_publishes_only_what_its_agencys_document_names(
    installation: Installation,
) -> None:
    with pytest.raises(DocumentError, match="it provides: educational-institutions"):
        async with Publisher.open(
            installation.cluster(SYSTEM),
            home=installation.home,
            system=SYSTEM,
            dataset=DatasetCode("organisations"),
            signer=installation.signer(SYSTEM),
            clock=lambda: datetime.now(UTC),
        ):
            pass


async def test_gaps_that_transactions_leave_in_the_log_are_read_over(
    installation: Installation, opening: Open
) -> None:
    producer = AIOKafkaProducer(
        transactional_id=f"{SYSTEM}.stranger", **installation.cluster(SYSTEM).aiokafka_options()
    )
    await producer.start()
    try:
        for ending in (producer.commit_transaction, producer.abort_transaction):
            await producer.begin_transaction()
            for partition in range(4):
                await producer.send_and_wait(SOURCE.inbound, b"x", b"x", partition=partition)
            await ending()
    finally:
        await producer.stop()
    async with opening() as publisher:
        assert (await publisher.publish([row(8100), row(8101)])).sent == 2
    async with opening() as publisher:
        assert (await publisher.publish([row(8100), row(8101)])).repeats == 2


async def test_a_topic_made_anew_is_not_taken_for_the_one_that_was_read(
    installation: Installation, opening: Open
) -> None:
    async with opening() as publisher:
        await publisher.publish([row(9000)])
    admin = connect_admin(installation.admin)
    for future in admin.client.delete_topics([SOURCE.inbound]).values():
        await asyncio.to_thread(future.result, 20)
    await installation.apply(installation.documents())
    with pytest.raises(DocumentError, match=r"made anew.*remove the file"):
        async with opening():
            pass
    forget(installation)
    async with opening() as publisher:
        assert (await publisher.publish([row(9000)])).sent == 1


COUNT = 12_000


async def test_a_publisher_killed_at_any_time_goes_on_without_a_gap_or_a_double(
    installation: Installation, opening: Open
) -> None:
    chance = random.Random(20261124)
    killed_at = []
    for _ in range(4):
        process = start(installation)
        assert process.stdout is not None
        wanted = chance.randrange(1, COUNT // 1000)
        for line in process.stdout:
            rows_done, sent_now = map(int, line.split())
            if sent_now >= 1000 and rows_done >= wanted * 1000:
                break
        await asyncio.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        killed_at.append(sum(1 for record in await sent(installation) if of_the_run(record)))
    async with opening() as publisher:
        report = await publisher.publish(rows(COUNT))
    assert report.sent + report.repeats == COUNT
    versions = Counter(
        (version.key, version.version)
        for record in await sent(installation)
        if of_the_run(record) and (version := own_version(record, SOURCE))
    )
    assert len(versions) == COUNT
    assert set(versions.values()) == {1}
    assert {version for _, version in versions} == {1}
    assert 0 < killed_at[0] < COUNT, "the first kill fell into the work"


def of_the_run(record: ConsumerRecord) -> bool:
    key: bytes = record.key
    return key.startswith(b"63-")


def start(installation: Installation) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.client.publishing", str(installation.home), str(COUNT)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
