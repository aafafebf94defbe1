"""The catalogue on its way to every process: documents first, then the manifest that names them.

Topic `control.catalogue` has one partition and is compacted. A document's key is its digest, so
an unchanged one is not written again; the manifest's key is always the same, so the last one
stands. A reader swaps its snapshot when it has read a manifest: all it names lie before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from bus.catalogue.manifest import Manifest, parse_manifest, render_manifest
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import Snapshot, build_snapshot
from bus.errors import DocumentError, InvariantBroken, Unavailable
from bus.kafka.closing import stop_consumer
from bus.kafka.cluster import Cluster
from bus.kafka.reading import SHORT_WAIT_MS, is_fetching
from bus.texts import message
from bus.wire import topics

logger = logging.getLogger(__name__)

_PARTITION: Final = TopicPartition(topics.CATALOGUE, 0)
_MANIFEST_KEY: Final = b"manifest"
_DOCUMENT_PREFIX: Final = b"document/"
_READ_TIMEOUT_S: Final = 20.0
_FOLLOWING_WAIT_MS: Final = 500
"""How long a fetch of who follows waits for news, which come at once. Why not longer: the end of a
process waits behind it. Why not `SHORT_WAIT_MS`: every process of a bus follows, day and night."""


def digest(document: bytes) -> str:
    """Name a document by its content."""
    return sha256(document).hexdigest()


class CatalogueReader:
    """Reads the catalogue topic from its beginning and keeps the documents of the last manifest."""

    def __init__(self, cluster: Cluster, *, wait_ms: int = SHORT_WAIT_MS) -> None:
        """Prepare a reader; entering it connects.

        Args:
            cluster: Reached as a principal that may read the topic.
            wait_ms: How long a fetch waits for the first record.
        """
        self._cluster = cluster
        self._wait_ms = wait_ms
        self._documents: dict[str, bytes] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self.manifest: Manifest | None = None
        self.position = 0
        """Offset behind the last record taken in."""

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._wait_ms,
            **self._cluster.aiokafka_options(),
        )
        try:
            await self._consumer.start()
            self._consumer.assign([_PARTITION])
            await self._consumer.seek_to_beginning(_PARTITION)
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await stop_consumer(self._consumer)

    async def read_to_end(self) -> None:
        """Read what the topic holds now.

        Raises:
            Unavailable: It could not be read in time.
        """
        assert self._consumer is not None, "entered first"
        end = (await self._consumer.end_offsets([_PARTITION]))[_PARTITION]
        deadline = asyncio.get_running_loop().time() + _READ_TIMEOUT_S
        while await self._consumer.position(_PARTITION) < end:
            await self.read(timeout_ms=500)
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    message(
                        "error.kafka.end_not_reached",
                        topic=topics.CATALOGUE,
                        end=end,
                        wait_s=_READ_TIMEOUT_S,
                    )
                )

    async def read(self, *, timeout_ms: int) -> bool:
        """Wait for news and take it in.

        Returns: Whether a new manifest came.

        Raises:
            Unavailable: Nothing can come any more.
        """
        assert self._consumer is not None, "entered first"
        before = self.manifest
        fetched = await self._consumer.getmany(_PARTITION, timeout_ms=timeout_ms)
        for record in fetched.get(_PARTITION, []):
            if record.key == _MANIFEST_KEY:
                self.manifest = parse_manifest(record.value)
            elif record.key.startswith(_DOCUMENT_PREFIX):
                self._documents[record.key[len(_DOCUMENT_PREFIX) :].decode()] = record.value
            self.position = record.offset + 1
        if not fetched and not is_fetching(self._consumer):
            raise Unavailable(message("error.kafka.fetching_ended"))
        return self.manifest is not before

    @property
    def digests(self) -> frozenset[str]:
        """Digests of all documents that the topic holds."""
        return frozenset(self._documents)

    def documents(self) -> Mapping[str, bytes]:
        """Give the documents that the last manifest names, by path.

        Raises:
            InvariantBroken: One is missing or differs from its digest.
        """
        if self.manifest is None:
            return {}
        named = {}
        for path, sha in self.manifest.documents.items():
            document = self._documents.get(sha)
            if document is None or digest(document) != sha:
                raise InvariantBroken(
                    f"catalogue version {self.manifest.version} names {path} with digest {sha}, "
                    f"which topic {topics.CATALOGUE} does not hold; apply the catalogue again"
                )
            named[path] = document
        return named

    def documents_held(self) -> Mapping[str, bytes]:
        """Give those documents of the last manifest that the topic holds: it may have lost some."""
        named = {} if self.manifest is None else self.manifest.documents
        return {path: self._documents[sha] for path, sha in named.items() if sha in self._documents}

    def snapshot(self, earlier: Snapshot | None = None) -> Snapshot | None:
        """Compile the last manifest's documents; None before the first manifest.

        Args:
            earlier: Compiled before; what is as it was then is taken over.
        """
        if self.manifest is None:
            return None
        return build_snapshot(parse_region(self.documents()), self.manifest.version, earlier)


class CatalogueFollower:
    """Keeps one process's snapshot current."""

    def __init__(
        self, cluster: Cluster, on_fault: Callable[[BaseException], None] | None = None
    ) -> None:
        """Prepare; `start` reads the catalogue and goes on following it.

        Args:
            cluster: Reached as a principal that may read the topic.
            on_fault: Told when following has ended in a fault, for then the snapshot grows old;
                None: only logged.
        """
        self._reader = CatalogueReader(cluster, wait_ms=_FOLLOWING_WAIT_MS)
        self._on_fault = on_fault
        self._snapshot: Snapshot | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The catalogue in force; take it once for a whole batch."""
        assert self._snapshot is not None, "start() comes first"
        return self._snapshot

    @property
    def position(self) -> int:
        """Offset behind the last record of the topic that was taken in."""
        return self._reader.position

    @property
    def version_read(self) -> int:
        """Version of the last manifest; above the snapshot's where this bus can't read it."""
        manifest = self._reader.manifest
        return 0 if manifest is None else manifest.version

    @property
    def applied_at(self) -> datetime:
        """When the last manifest was brought into force."""
        manifest = self._reader.manifest
        assert manifest is not None, "start() comes first"
        return manifest.applied_at

    async def start(self) -> None:
        """Read the catalogue and follow it from then on.

        Raises:
            Unavailable: None was applied yet, or another version of the bus wrote one that this
                version can't read.
        """
        await self._reader.__aenter__()
        await self._reader.read_to_end()
        try:
            self._snapshot = self._reader.snapshot()
        except DocumentError as problem:
            # Why not as it is: nothing on this host is set wrongly, and starting again helps once
            # its code is as new as whoever applied the catalogue.
            told = {"version": self.version_read, "why": problem.message}
            raise Unavailable(message("error.kafka.catalogue_unreadable", **told)) from problem
        if self._snapshot is None:
            raise Unavailable(message("error.kafka.no_catalogue", topic=topics.CATALOGUE))
        self._task = asyncio.create_task(self._follow(), name="catalogue")
        self._task.add_done_callback(self._tell_fault)

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.__aexit__()

    async def at_least(self, version: int) -> Snapshot:
        """Wait for a snapshot of `version` or later: a record says which catalogue judged it."""
        while self.snapshot.version < version:
            self._changed.clear()
            await self._changed.wait()
        return self.snapshot

    def _tell_fault(self, task: asyncio.Task[None]) -> None:
        problem = None if task.cancelled() else task.exception()
        if problem is None:
            return
        logger.error("catalogue.unfollowed problem=%r", problem)
        if self._on_fault is not None:
            self._on_fault(problem)

    async def _follow(self) -> None:
        while True:
            try:
                is_new = await self._reader.read(timeout_ms=1000)
            except KafkaError as problem:
                logger.warning("catalogue.no_answer problem=%r", problem)
                await asyncio.sleep(1)
                continue
            if not is_new:
                continue
            try:
                snapshot = self._reader.snapshot(self._snapshot)
            except DocumentError as problem:
                # Why go on: `bus catalogue apply` refuses such documents; another version of the
                # bus may have written them, and the old snapshot still judges rightly.
                logger.error("catalogue.refused problem=%s", problem)  # noqa: TRY400
                continue
            if snapshot is not None:
                self._snapshot = snapshot
                self._changed.set()
                logger.info("catalogue.swapped version=%d", snapshot.version)


async def publish_catalogue(
    cluster: Cluster, documents: Mapping[str, bytes], manifest: Manifest, known: frozenset[str]
) -> None:
    """Write documents that the topic does not hold yet, then the manifest.

    Args:
        cluster: Reached as a principal that may write to the topic.
        documents: By path; all that the manifest names.
        manifest: Of the next version.
        known: Digests that the topic holds already.
    """
    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        max_request_size=1_572_864,
        **cluster.aiokafka_options(),
    )
    try:
        await producer.start()
        written = [
            await producer.send(
                topics.CATALOGUE,
                key=_DOCUMENT_PREFIX + sha.encode(),
                value=documents[path],
                partition=0,
            )
            for path, sha in manifest.documents.items()
            if sha not in known
        ]
        await asyncio.gather(*written)
        await producer.send_and_wait(
            topics.CATALOGUE, key=_MANIFEST_KEY, value=render_manifest(manifest), partition=0
        )
    finally:
        await producer.stop()
