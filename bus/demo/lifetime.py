"""One agreement from its draft to its end, while records flow; its reader does its worst."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from bus.catalogue.agreement import Agreement
from bus.catalogue.agreement_text import render_agreement, render_decisions
from bus.catalogue.decision import Decision, DecisionKind, Side
from bus.catalogue.lock import render
from bus.catalogue.region import Region, parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.signing import Proposal, Signer, decided, decisions_of_side
from bus.catalogue.sources import LOCK_FILE
from bus.catalogue.views import view_of
from bus.client import Asker, Question, Subscriber
from bus.demo.breaking import INSTITUTIONS
from bus.demo.decisions import apply
from bus.demo.flow import OUT_OF_FORCE_S, Lifetime
from bus.demo.parties import Clock, Providers
from bus.demo.programme import TOLYATTI_SCHOOLS, Publication
from bus.errors import DocumentError, Unavailable
from bus.kafka.closing import stop_consumer
from bus.model.identifiers import AgencyCode, SystemCode
from bus.provision.agreement_decision import agreement_of
from bus.texts import message
from bus.wire import topics
from bus.wiring import Installation

SOCIAL: Final = SystemCode("social-protection")
_CONSUMER: Final = AgencyCode("social-samara")
_PROVIDER: Final = AgencyCode("education-tolyatti")
AGREEMENT: Final = "social-institutions-tolyatti"
FIELDS: Final = ("registry_number", "full_name", "kind", "status", "oktmo")
_POSTS: Final = {
    Side.CONSUMER: "Руководитель департамента социальной поддержки",
    Side.PROVIDER: "Руководитель департамента образования",
}
_SYSTEMS: Final = {Side.CONSUMER: SOCIAL, Side.PROVIDER: TOLYATTI_SCHOOLS}
_FLOWING_S: Final = 3.0
_FIRST_S: Final = 20.0
_MS_PER_S: Final = 1_000
_PARKED_MS: Final = 6_000
"""A fetch waits for so long: Kafka looks at a right when a fetch arrives, not when it answers."""
_ENDS_WITHIN: Final = timedelta(seconds=1)
_ENDING_S: Final = _ENDS_WITHIN.total_seconds() + OUT_OF_FORCE_S + _PARKED_MS / _MS_PER_S + 0.5
"""So long is read on behind the decision: the end has come, and a fetch that was sent just in time
has been answered."""
_PARKED_BYTES: Final = 50_000_000
_AGAIN_S: Final = 0.2


@dataclass(slots=True)
class _Arrivals:
    """What reached one client of the reader."""

    moments: list[datetime] = field(default_factory=list)
    """When each record did; with fetches that wait, when the broker appended it (ADR-0025)."""
    foreign: int = 0
    """Records of another provider, or with other fields than agreed."""


async def live_through(
    installation: Installation,
    providers: Providers,
    loads: Sequence[Publication],
    documents: Mapping[str, bytes],
    clock: Clock,
) -> Lifetime:
    """Draft, approve, read, end; records are published all the while.

    Args:
        installation: With all workers and the keeper of rights at work.
        providers: Open.
        loads: What is published while the agreement is in force, and from its end on.
        documents: Those in force.
        clock: Gives the present, aware.

    Raises:
        Unavailable: No record came, or an engine does not answer.
    """
    flowing, ending = loads
    documents = _with_draft(documents, clock())
    draft = parse_region(documents)
    for side in Side:
        approval = _decision(installation, draft, side, DecisionKind.APPROVE, clock())
        documents = _with_decision(documents, draft, approval)
    approved_at = clock()
    await apply(installation, documents, clock())
    region = parse_region(documents)
    ordinary, parked = clients = (_Arrivals(), _Arrivals())
    async with _read_by_all_means(installation, region, ordinary, parked, clock):
        await providers.publish_over(flowing, _FLOWING_S)
        await _first(clients)
        end = _decision(installation, region, Side.PROVIDER, DecisionKind.END, clock())
        assert end.at is not None, "an end names its moment"
        await asyncio.gather(
            providers.publish_over(ending, _ENDING_S),
            # Why in a thread: compiling a region would hold up the clocks of the readers.
            asyncio.to_thread(
                _apply, installation, _with_decision(documents, region, end), clock()
            ),
        )
    shown = await _shown_on_request(installation, flowing, clock)
    moments = sorted(moment for one in clients for moment in one.moments)
    late = sum(one > end.at + timedelta(seconds=OUT_OF_FORCE_S) for one in moments)
    return Lifetime(
        granted_after_s=_seconds(ordinary.moments[0] - approved_at),
        revoked_after_s=max(0.0, _seconds(moments[-1] - end.at)),
        leaked=late + shown + sum(one.foreign for one in clients),
    )


def _apply(installation: Installation, documents: Mapping[str, bytes], now: datetime) -> None:
    asyncio.run(apply(installation, documents, now))


async def _shown_on_request(
    installation: Installation, published: Publication, clock: Clock
) -> int:
    """Ask the gateway for an entry that the agreement showed; count what it gives."""
    key = str(published.rows[0].values["registry_number"])
    async with Asker.open(
        installation.cluster_as(SOCIAL), installation.gateway_as(SOCIAL), clock=clock
    ) as asker:
        question = Question(dataset=INSTITUTIONS, key=key, provider=_PROVIDER)
        return len((await asker.ask(question)).records)


def _seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 1)


def _with_draft(documents: Mapping[str, bytes], now: datetime) -> Mapping[str, bytes]:
    """Add the consumer's draft, and an id for the schema of the view that it asks for."""
    documents = {**documents, f"agreements/{AGREEMENT}.yaml": _draft(now)}
    return {**documents, LOCK_FILE: render(complete_lock(parse_region(documents)))}


def _draft(now: datetime) -> bytes:
    return render_agreement(
        {
            "agreement": AGREEMENT,
            "providers": [_PROVIDER],
            "consumer": _CONSUMER,
            "systems": [SOCIAL],
            "dataset": INSTITUTIONS,
            "fields": list(FIELDS),
            "purpose": {
                "ru": "Льготы на питание и проезд учащихся Тольятти",
                "en": "Allowances for meals and travel of Tolyatti's pupils",
            },
            "legal_basis": "Федеральный закон от 17.07.1999 № 178-ФЗ, статья 6.9",
            "valid_from": now.date().isoformat(),
            "valid_to": now.date().replace(year=now.year + 1, day=1).isoformat(),
        }
    )


def _decision(
    installation: Installation, region: Region, side: Side, kind: DecisionKind, now: datetime
) -> Decision:
    """Decide for one side, with its system's key; an end is that of the second that runs."""
    agreement = _agreement(region)
    credentials = installation.credentials(_SYSTEMS[side])
    return decided(
        agreement,
        region.contracts[INSTITUTIONS],
        side,
        Proposal(
            kind=kind,
            by=_POSTS[side],
            on=now.date(),
            at=now.replace(microsecond=0) + _ENDS_WITHIN if kind is DecisionKind.END else None,
        ),
        Signer(key_id=credentials.key_id, private_key=credentials.private_key),
    )


def _with_decision(
    documents: Mapping[str, bytes], region: Region, decision: Decision
) -> Mapping[str, bytes]:
    """Add what a side decides to what it has decided before."""
    content = render_decisions([*decisions_of_side(_agreement(region), decision.side), decision])
    return {**documents, f"decisions/{AGREEMENT}.{decision.side}.yaml": content}


def _agreement(region: Region) -> Agreement:
    return agreement_of(region, AGREEMENT)


async def _first(clients: Sequence[_Arrivals]) -> None:
    """Wait until every client has got something: one that reads nothing would prove nothing."""
    clock = asyncio.get_running_loop().time
    until_s = clock() + _FIRST_S
    while not all(one.moments for one in clients):
        if clock() > until_s:
            raise Unavailable(message("error.demo.nothing_granted", wait_s=_FIRST_S))
        await asyncio.sleep(_AGAIN_S)


@asynccontextmanager
async def _read_by_all_means(
    installation: Installation,
    region: Region,
    ordinary: _Arrivals,
    parked: _Arrivals,
    clock: Clock,
) -> AsyncIterator[None]:
    """Read for the time of a block: as the library does, and with fetches that wait on purpose."""
    view = view_of(_agreement(region), region.contracts[INSTITUTIONS])
    assert view is not None, "it grants some fields of one provider"
    topic = topics.view(view.code)
    tasks = [
        asyncio.create_task(_read(installation, ordinary, clock)),
        asyncio.create_task(_read_parked(installation, topic, region.partitions, parked)),
    ]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(installation: Installation, arrivals: _Arrivals, clock: Clock) -> None:
    """Read until the right ends, which the library says once."""
    try:
        async with Subscriber.open(
            installation.cluster_as(SOCIAL), system=SOCIAL, dataset=INSTITUTIONS, clock=clock
        ) as subscriber:
            async for record in subscriber:
                arrivals.moments.append(clock())
                is_agreed = record.agency == _PROVIDER and record.fields.keys() == set(FIELDS)
                arrivals.foreign += not is_agreed
    except DocumentError:
        return


async def _read_parked(
    installation: Installation, topic: str, partitions: int, arrivals: _Arrivals
) -> None:
    """Read with fetches that wait for more bytes than ever come, until cancelled."""
    async with AsyncExitStack() as stack:
        consumer = AIOKafkaConsumer(
            client_id=f"{SOCIAL}.parked",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_PARKED_MS,
            fetch_min_bytes=_PARKED_BYTES,
            **installation.cluster_as(SOCIAL).aiokafka_options(),
        )
        stack.push_async_callback(stop_consumer, consumer)
        await consumer.start()
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        while True:
            try:
                record = await consumer.getone()
            except KafkaError:
                await asyncio.sleep(_AGAIN_S)  # its right has ended; it goes on asking
            else:
                arrivals.moments.append(datetime.fromtimestamp(record.timestamp / _MS_PER_S, UTC))
