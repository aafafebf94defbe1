"""What each duty of enforcement costs, in microseconds of CPU per record, in this process.

The real functions are timed on signed records as aiokafka hands them over, with and without a
duty, in interleaved rounds; a duty's cost is the difference of two minima, since other work on the
machine only adds. No engine is needed: what sockets, TLS, Faust and the event loops take is the
rest of the worker's CPU in part `enforce`.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.producer.message_accumulator import BatchBuilder
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bus.agents.enforce import IN_FLIGHT_BATCHES_MAX
from bus.agents.worker import OBJECTS_PER_LOOK_FOR_CYCLES
from bus.audit.leaf import outcomes, outcomes_root
from bus.catalogue.documents import read_documents, render_key
from bus.catalogue.parties import BUS, SigningKey
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.contracts.compile import compile_schema
from bus.enforce.judge import judge
from bus.kafka.cluster import Cluster
from bus.kafka.producer import BatchProducer
from bus.kafka.tolerant_records import read_tolerantly
from bus.model.identifiers import KeyId, SystemCode
from bus.model.record import Operation
from bus.route.plan import plan
from bus.wire import topics
from bus.wire.delivery import Delivery, sign
from bus.wire.record_id import record_id
from bus.wire.signature import BatchSigner, SignatureChecker
from tests.bench.figures import spread
from tests.bench.options import Options
from tests.bench.resident_documents import (
    AGENCY,
    DATASET,
    INBOUND,
    PARTITIONS,
    REGION,
    SCHEMA_ID,
    SYSTEM,
    signed_batches,
)
from tests.factories import approved

RECORDS: Final = 2_048
"""Of a batch, as the transport cuts them: 8 signed trees."""
_ROUNDS: Final = 15
_PYTHONS_LOOKS: Final = 700
_SOURCE: Final = topics.Inbound(agency=AGENCY, dataset=DATASET)
_SEED: Final = b"\x07" * 32


async def run(options: Options) -> dict[str, Any]:
    """Measure every duty."""
    return await asyncio.to_thread(_measured, 3 if options.quick else _ROUNDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """Records and catalogues with more or less in them."""

    fetched: bytes
    """What the broker answers."""
    signed: Sequence[Any]
    unsigned: Sequence[Any]
    whole: Snapshot
    without_schemas: Snapshot
    without_rules: Snapshot
    without_views: Snapshot
    signer: BatchSigner


def _measured(rounds: int) -> dict[str, Any]:
    given = _material()
    steps = _steps(given)
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            began = time.process_time()
            step()
            if number:  # the first round only warms up
                taken[name].append((time.process_time() - began) / RECORDS * 1e6)
    found = {name: spread(times, 2) for name, times in taken.items()}
    return {"us_per_record": _duties(found), "steps_us_per_record": found}


def _duties(steps: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Tell each duty's cost from the steps with and without it."""
    at = {name: step["min"] for name, step in steps.items()}
    differences = {
        "consume: parse what was fetched": at["parse"],
        "guard, headers, envelope, record id": at["judge unsigned"],
        "of it the record id": at["record id"],
        "signature check": at["judge up to the schema"] - at["judge unsigned"],
        "frame and decode": at["judge without rules"] - at["judge up to the schema"],
        "seven rules": at["judge"] - at["judge without rules"],
        "plan what is accepted": at["plan without views"],
        "cut the view for half": at["plan"] - at["plan without views"] - at["sign half"],
        "sign the view for half": at["sign half"],
        "outcomes and root for the audit log": at["leaf"],
        "produce: build Kafka's batches": at["produce"],
        "looks for cycles of garbage": at["all, with the worker's looks"]
        - at["all, without looks"],
        "the same, as Python is set": at["all, with Python's looks"] - at["all, without looks"],
    }
    total = at["parse"] + at["judge"] + at["plan"] + at["leaf"] + at["produce"]
    return {name: round(cost, 2) for name, cost in {**differences, "all": total}.items()}


def _steps(given: _Material) -> dict[str, Callable[[], object]]:
    """Name what is timed; every call does all of its work, nothing is remembered."""
    verdicts = _judge(given.signed, given.whole)
    deliveries = _planned(verdicts, given, given.whole)
    view = [one for one in deliveries if one.topic.startswith("view.")]
    bare_view = [replace(one, headers=one.headers[:-1]) for one in view]
    keys = [one.key.decode() for one in given.signed]
    producer = _Nowhere.producer()
    loop = asyncio.new_event_loop()
    in_flight: deque[object] = deque(maxlen=IN_FLIGHT_BATCHES_MAX)

    def whole() -> None:
        """Do all, and keep as much as a worker has on its way."""
        judged = _judge(given.signed, given.whole)
        planned = _planned(judged, given, given.whole)
        _leaf(judged)
        loop.run_until_complete(producer.send(planned))
        in_flight.append((judged, planned))

    return {
        "parse": lambda: _parsed(given.fetched),
        "record id": lambda: [record_id(AGENCY, DATASET, key, 1, Operation.CREATE) for key in keys],
        "judge unsigned": lambda: _judge(given.unsigned, given.whole),
        "judge up to the schema": lambda: _judge(given.signed, given.without_schemas),
        "judge without rules": lambda: _judge(given.signed, given.without_rules),
        "judge": lambda: _judge(given.signed, given.whole),
        "plan without views": lambda: _planned(verdicts, given, given.without_views),
        "plan": lambda: _planned(verdicts, given, given.whole),
        "sign half": lambda: sign(_copies(bare_view), given.signer),
        "leaf": lambda: _leaf(verdicts),
        "produce": lambda: loop.run_until_complete(producer.send(deliveries)),
        "all, without looks": partial(_looking, 0, whole),
        "all, with the worker's looks": partial(_looking, OBJECTS_PER_LOOK_FOR_CYCLES, whole),
        "all, with Python's looks": partial(_looking, _PYTHONS_LOOKS, whole),
    }


def _looking(objects_per_look: int, step: Callable[[], object]) -> None:
    """Do a step while Python looks for cycles of garbage each so many objects; 0: never."""
    before = gc.get_threshold()
    gc.set_threshold(objects_per_look)
    try:
        step()
    finally:
        gc.set_threshold(*before)


def _judge(records: Sequence[Any], snapshot: Snapshot) -> list[Any]:
    return judge(records, source=_SOURCE, snapshot=snapshot, checker=SignatureChecker())


def _planned(verdicts: Sequence[Any], given: _Material, snapshot: Snapshot) -> list[Delivery]:
    return plan(verdicts, snapshot=snapshot, signer=given.signer)


def _leaf(verdicts: Sequence[Any]) -> str:
    return outcomes_root(_SEED, f"{INBOUND}/0/0", outcomes(INBOUND, 0, verdicts))


def _copies(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [replace(one, headers=[*one.headers]) for one in deliveries]


def _parsed(fetched: bytes) -> list[Any]:
    """Parse as the product's consumer does."""
    place = TopicPartition(INBOUND, 0)
    records = fetcher.PartitionRecords(
        tp=place,
        records=fetcher.MemoryRecords(fetched),
        aborted_transactions=[],
        fetch_offset=0,
        key_deserializer=None,
        value_deserializer=None,
        check_crcs=True,
        isolation_level=fetcher.READ_COMMITTED,
    )
    found = list(records)
    assert len(found) == RECORDS, "a part was not parsed"
    return found


def _material() -> _Material:
    read_tolerantly()
    signer = BatchSigner(KeyId(f"{SYSTEM}.1"), _SEED)
    batches = signed_batches(RECORDS * PARTITIONS, signer)
    signed = [batch for batch in batches if batch[0].partition == 0]
    unsigned = [[replace(one, headers=one.headers[:-1]) for one in batch] for batch in signed]
    fetched = _fetched(signed)
    whole = _snapshot()
    return _Material(
        fetched=fetched,
        signed=_parsed(fetched),
        unsigned=_parsed(_fetched(unsigned)),
        whole=whole,
        without_schemas=replace(whole, schemas={}),
        without_rules=replace(whole, schemas=_schemas_without_rules(whole)),
        without_views=replace(whole, projections={}),
        signer=BatchSigner(KeyId(f"{BUS}.1"), _SEED),
    )


def _snapshot() -> Snapshot:
    key = SigningKey(
        key_id=KeyId(f"{SYSTEM}.1"),
        system=SystemCode(SYSTEM),
        algorithm="ed25519",
        public_key=Ed25519PrivateKey.from_private_bytes(_SEED).public_key().public_bytes_raw(),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
    )
    documents = {**read_documents(REGION, None), f"keys/{key.key_id}.yaml": render_key(key)}
    return build_snapshot(parse_region(approved(documents)), 1)


def _schemas_without_rules(whole: Snapshot) -> dict[int, Any]:
    contract = whole.region.contracts[DATASET]
    compiled = compile_schema(
        dataset=DATASET,
        key_field=contract.key_field,
        version=replace(contract.newest, rules=()),
        schema_id=SCHEMA_ID,
        wanted=frozenset({"oktmo"}),
    )
    return {SCHEMA_ID: replace(whole.schemas[SCHEMA_ID], compiled=compiled)}


def _fetched(batches: Sequence[Sequence[Delivery]]) -> bytes:
    """Write batches as Kafka keeps them, one behind the other."""
    written, offset = [], 0
    for batch in batches:
        builder = BatchBuilder(1024 * 1024, 0)
        for one in batch:
            builder.append(key=one.key, value=one.value, timestamp=None, headers=one.headers)
        # The broker gives a batch its first offset; its checksum doesn't cover it.
        written.append(offset.to_bytes(8, "big") + bytes(builder._build())[8:])
        offset += len(batch)
    return b"".join(written)


class _Nowhere:
    """Stands for the connected producer: builds real batches and sends them nowhere."""

    @classmethod
    def producer(cls) -> BatchProducer:
        nobody = Cluster(bootstrap="", ca_file=Path(), principal="", password="")
        producer = BatchProducer(nobody, client_id="bench")
        producer._producer = cls()
        return producer

    @staticmethod
    def create_batch() -> BatchBuilder:
        return BatchBuilder(512 * 1024, 0)

    @staticmethod
    async def send_batch(batch: BatchBuilder, *_: object, **__: object) -> object:
        batch._build()
        return None
