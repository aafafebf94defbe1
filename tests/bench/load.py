"""Signed records made beforehand: what agencies' publishers do on machines of their own.

A file holds batches as the product's publisher sends them: up to 256 records of one partition,
signed together. Making them takes some 20 µs a record; sending them from a file, a few.
"""

from __future__ import annotations

import io
import marshal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import fastavro

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms, locked_schema_id
from bus.model.identifiers import AgencyCode, DatasetCode, KeyId, SystemCode
from bus.model.record import Envelope, Lane, Operation
from bus.wire import topics
from bus.wire.delivery import Delivery, sign
from bus.wire.frame import frame
from bus.wire.headers import compose, format_time
from bus.wire.record_id import record_id
from bus.wire.signature import BATCH_LEAVES_MAX, BatchSigner
from bus.wire.trace_context import TRACED_SHARE, trace_headers
from bus.wiring import Installation
from tests.bench.invented_contract import BAD_EACH, SCHEMA, key_of, values

Headers: TypeAlias = list[tuple[str, bytes]]
Record: TypeAlias = tuple[bytes, bytes, Headers]
"""Key, value, headers."""
Batch: TypeAlias = tuple[str, int, list[Record]]
"""Topic, partition, records that are signed together."""
_MAKERS: Final = 2
"""Processes."""
_SHARE: Final = 100 * BATCH_LEAVES_MAX
"""Records of a file where one source has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One dataset of one agency, and what its system signs with."""

    agency: AgencyCode
    system: SystemCode
    dataset: DatasetCode
    schema_id: int
    key_id: KeyId
    private_key: bytes = field(repr=False)
    partitions: int


def source_of(installation: Installation, region: Region, dataset: DatasetCode) -> Source:
    """Find who publishes a dataset."""
    (agency,) = region.providers_of(dataset)
    system = next(s.code for s in region.agencies[agency].systems if dataset in s.provides)
    credentials = installation.credentials(system)
    return Source(
        agency=agency,
        system=system,
        dataset=dataset,
        schema_id=locked_schema_id(region, dataset, 1),
        key_id=credentials.key_id,
        private_key=credentials.private_key,
        partitions=region.partitions,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Files to be sent one after the other."""

    files: tuple[Path, ...]
    records: int
    bad: int
    """Break a rule."""
    value_bytes: float
    """Of one record, on average."""


def prepare(folder: Path, sources: Sequence[Source], *, each: int, first: int = 0) -> Prepared:
    """Write the records of all sources, numbers `first` to `first + each` of each.

    With one source its records are spread over the files, so that several processes make them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shares = [share for one in sources for share in _shares(one, first, each, len(sources))]
    jobs = [(folder / f"{number:05d}.load", *share) for number, share in enumerate(shares)]
    if len(jobs) == 1:
        sizes = [_write_share(jobs[0])]
    else:
        # Why spawned: a fork would copy the event loop and the connections of this process.
        with ProcessPoolExecutor(_MAKERS, mp_context=get_context("spawn")) as pool:
            sizes = list(pool.map(_write_share, jobs))
    numbers = range(first, first + each)
    records = each * len(sources)
    return Prepared(
        files=tuple(path for path, *_ in jobs),
        records=records,
        bad=sum(number % BAD_EACH == 0 for number in numbers) * len(sources),
        value_bytes=round(sum(sizes) / records, 1),
    )


def read(file: Path) -> Iterator[Batch]:
    """Read the batches of one file."""
    with file.open("rb") as content:
        while True:
            try:
                batch = marshal.load(content)  # noqa: S302 - a file of our own
            except EOFError:
                return
            yield cast("Batch", batch)


def remove(load: Prepared) -> None:
    """Remove the files."""
    for file in load.files:
        file.unlink()


def _shares(
    source: Source, first: int, each: int, sources: int
) -> Iterator[tuple[Source, int, int]]:
    """Cut the numbers of a source into files; of many sources each has one."""
    size = _SHARE if sources == 1 else each
    for start in range(first, first + each, size):
        yield source, start, min(start + size, first + each)


def _write_share(job: tuple[Path, Source, int, int]) -> int:
    """Write one file; give the bytes of its values."""
    path, source, first, end = job
    signer = BatchSigner(source.key_id, source.private_key)
    at = format_time(instant_ms(datetime.now(UTC)))
    size_bytes = 0
    with path.open("wb") as out:
        for start, stop, partition in _trees(first, end, source.partitions):
            deliveries = [_delivery(source, n, partition, at) for n in range(start, stop)]
            sign(deliveries, signer)
            records = [(one.key, one.value, one.headers) for one in deliveries]
            size_bytes += sum(len(one.value or b"") for one in deliveries)
            marshal.dump((deliveries[0].topic, partition, records), out)
    return size_bytes


def _trees(first: int, end: int, partitions: int) -> Iterator[tuple[int, int, int]]:
    """Cut numbers into batches, in turn over the partitions, so that each has some."""
    size = min(BATCH_LEAVES_MAX, max(1, (end - first) // partitions))
    for place, start in enumerate(range(first, end, size)):
        yield start, min(start + size, end), place % partitions


def framed(schema_id: int, number: int) -> bytes:
    """Encode the record of one number."""
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, _parsed(), values(number))
    return frame(schema_id, datum.getvalue())


@cache
def _parsed() -> dict[str, Any]:
    return cast("dict[str, Any]", fastavro.parse_schema(dict(SCHEMA)))


def _delivery(source: Source, number: int, partition: int, at: str) -> Delivery:
    key = key_of(number)
    envelope = Envelope(
        record_id=record_id(source.agency, source.dataset, key, 1, Operation.CREATE),
        agency=source.agency,
        system=source.system,
        event_time=at,
        schema_id=source.schema_id,
        operation=Operation.CREATE,
        version=1,
        supersedes=None,
        lane=Lane.LIVE,
        resolves=None,
    )
    return Delivery(
        topic=topics.inbound(source.agency, source.dataset),
        partition=partition,
        key=key.encode(),
        value=framed(source.schema_id, number),
        headers=compose(envelope, source.dataset) + trace_headers(envelope, TRACED_SHARE),
    )
