"""The parties of the demonstration at work: providers, consumers and the careless client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus.catalogue.region import Region
from bus.catalogue.snapshot import instant_ms, locked_schema_id
from bus.client import BatchSigner, Publisher, RowGiven, Subscriber
from bus.client.sending import source_of
from bus.contracts.encode import encoder
from bus.demo.breaking import INSTITUTIONS, ORGANISATIONS
from bus.demo.careless import Means, careless_round
from bus.demo.delays import delay_ms
from bus.demo.flow import Flow, Receipts
from bus.demo.programme import EDUCATION, TOLYATTI_SCHOOLS, Programme, Publication
from bus.errors import InvariantBroken
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import DatasetCode, SystemCode
from bus.wire.delivery import Delivery
from bus.wire.topics import Inbound
from bus.wiring import Installation

Clock = Callable[[], datetime]
Role = tuple[SystemCode, DatasetCode]

PACE_PER_S: Final = 100
"""Records that all paced publications send together in a second."""
_VERDICTS_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The publishers of all systems, open over all acts."""

    publishers: dict[Role, Publisher]
    flow: Flow

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        installation: Installation,
        publications: Sequence[Publication],
        flow: Flow,
        clock: Clock,
    ) -> AsyncIterator[Providers]:
        """Connect one publisher for each publication's system and dataset."""
        async with AsyncExitStack() as stack:

            async def opened(publication: Publication) -> Publisher:
                credentials = installation.credentials(publication.system)
                return await stack.enter_async_context(
                    Publisher.open(
                        installation.cluster_with(credentials),
                        home=installation.home,
                        system=publication.system,
                        dataset=publication.dataset,
                        signer=BatchSigner(credentials.key_id, credentials.private_key),
                        clock=clock,
                        send_broken=True,
                    )
                )

            # Why faults as values: all must have come to an end before the stack is unwound.
            found = await asyncio.gather(*map(opened, publications), return_exceptions=True)
            publishers = {}
            for publication, publisher in zip(publications, found, strict=True):
                if isinstance(publisher, BaseException):
                    raise publisher
                publishers[publication.system, publication.dataset] = publisher
            yield cls(publishers=publishers, flow=flow)

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Publish all of them at the same time, as fast as the bus takes them."""
        await asyncio.gather(*(self._publish(one, self._rows(one)) for one in publications))

    async def publish_together(self, publication: Publication) -> None:
        """Publish the rows as one correction that no consumer sees half of."""
        publisher = self.publishers[publication.system, publication.dataset]
        await publisher.publish_group(list(self._rows(publication)))

    async def publish_paced(self, publications: Sequence[Publication]) -> None:
        """Publish all of them at the same time, together `PACE_PER_S` records a second."""
        count = sum(len(one.rows) for one in publications)
        await asyncio.gather(
            *(
                self._publish(one, self._paced_rows(one, count / PACE_PER_S / len(one.rows)))
                for one in publications
            )
        )

    async def publish_over(self, publication: Publication, lasting_s: float) -> None:
        """Publish the rows at a steady pace that lets them last so long."""
        each_s = lasting_s / len(publication.rows)
        await self._publish(publication, self._paced_rows(publication, each_s))

    async def learn_verdicts(self) -> None:
        """Let every publisher read which of its records were refused, so that it can answer."""
        await asyncio.gather(
            *(one.outcome(timeout_s=_VERDICTS_S) for one in self.publishers.values())
        )

    async def _publish(
        self, publication: Publication, rows: Iterator[RowGiven] | AsyncIterator[RowGiven]
    ) -> None:
        publisher = self.publishers[publication.system, publication.dataset]
        report = await publisher.publish(rows)
        if report.unsendable:
            raise InvariantBroken(
                f"{publication.system} can't send an invented row of {publication.dataset}: "
                f"{report.unsendable[0].problems[0].en}; mend bus.demo.records"
            )
        self.flow.repeats += report.repeats

    def _rows(self, publication: Publication) -> Iterator[RowGiven]:
        for row in publication.rows:
            self.flow.published[publication.system] += 1
            yield row.given

    async def _paced_rows(self, publication: Publication, each_s: float) -> AsyncIterator[RowGiven]:
        clock = asyncio.get_running_loop().time
        due = clock()
        for row in self._rows(publication):
            yield row
            due += each_s
            await asyncio.sleep(max(0.0, due - clock()))


async def receive(
    installation: Installation,
    receipts: Receipts,
    measured: frozenset[str],
    flow: Flow,
    clock: Clock,
) -> None:
    """Read one dataset as one system until cancelled.

    Args:
        installation: Where the engines are.
        receipts: What is received is noted here.
        measured: Registry numbers whose delay is noted.
        flow: The delays are noted here.
        clock: Gives the present, aware.
    """
    gateway = None
    if receipts.is_late:
        await flow.late_may_begin.wait()
        gateway = installation.gateway_as(receipts.system)
    memory = installation.home / "subscribe" / f"{receipts.system}.{receipts.dataset}.json"
    async with AsyncExitStack() as stack:
        # Why few at once: all in one process, each waits so long for its turn that Kafka gives a
        # connection up before it has said who it is.
        async with flow.connecting:
            subscriber = await stack.enter_async_context(
                Subscriber.open(
                    installation.cluster_as(receipts.system),
                    system=receipts.system,
                    dataset=receipts.dataset,
                    clock=clock,
                    gateway=gateway,
                    memory=memory,
                )
            )
        async for record in subscriber:
            receipts.counts[record.record_id] += 1
            if record.key in measured:
                sent = datetime.fromisoformat(record.event_time)
                flow.to_consumer_ms.append(delay_ms(sent, clock()))


async def be_careless(
    installation: Installation, region: Region, programme: Programme, flow: Flow, clock: Clock
) -> None:
    """Send what a client gets wrong that does not use the bus's library."""
    source = source_of(region, EDUCATION, INSTITUTIONS)
    credentials = installation.credentials(EDUCATION)
    foreign = installation.credentials(TOLYATTI_SCHOOLS)
    newest = region.contracts[INSTITUTIONS].newest
    other = region.contracts[ORGANISATIONS].newest
    schema_id = locked_schema_id(region, INSTITUTIONS, newest.number)
    means = Means(
        source=Inbound(agency=source.agency, dataset=INSTITUTIONS),
        system=EDUCATION,
        signer=BatchSigner(credentials.key_id, credentials.private_key),
        foreign_signer=BatchSigner(foreign.key_id, foreign.private_key),
        encode=encoder(newest.schema, schema_id),
        schema_id=schema_id,
        foreign_schema_id=locked_schema_id(region, ORGANISATIONS, other.number),
        now_ms=instant_ms(clock()),
    )
    cluster = installation.cluster_with(credentials)
    async with BatchProducer(cluster, client_id=f"{EDUCATION}.careless") as producer:
        for number, records in enumerate(programme.careless):
            messages = careless_round(means, records)
            flow.published[EDUCATION] += len(messages)
            await producer.deliver(
                [
                    Delivery(
                        topic=message.topic,
                        # Why one for the round: the last three are of one entry, in this order.
                        partition=number % region.partitions,
                        key=message.key,
                        value=message.value,
                        headers=list(message.headers),
                    )
                    for message in messages
                ]
            )
