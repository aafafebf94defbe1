"""What a system is told of its own data request, under the rights of this very moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bus.audit.note import Read, Way
from bus.audit.notes import note_read
from bus.catalogue.agreement import Agreement
from bus.catalogue.granted import Grant
from bus.catalogue.snapshot import Projection, Snapshot, instant_ms
from bus.catalogue.views import View, topic_of, view_of
from bus.client.subscription import Feed, feed_of
from bus.errors import InvariantBroken
from bus.gateway.cutting import loaded_records
from bus.gateway.entered import Entered
from bus.gateway.opening import IsOpen, Openings
from bus.gateway.problems import Problem
from bus.gateway.stood import Stood, recorded
from bus.model.identifiers import DatasetCode
from bus.postgres.session import Session
from bus.requests.coverage import PROVIDERS_REASONS, RefusalReason
from bus.requests.request import DataRequest
from bus.requests.state import RequestState
from bus.wire.delivery import Delivery, sign
from bus.wire.frame import FRAME_BYTES
from bus.wire.header_forms import SCHEMA_PREFIX, SOURCE_PREFIX
from bus.wire.headers import format_time
from bus.wire.load_page import LoadedRecord
from bus.wire.request_answer import Answer, AnswerRecord, answer_topic
from bus.wire.signature import BatchSigner

_FEEDS_MAX: Final = 512


@dataclass(slots=True)
class _Feeds:
    """How values are read, by dataset and view, for one catalogue."""

    version: int = 0
    known: dict[tuple[DatasetCode, str], Feed] = field(default_factory=dict)


class Answering:
    """Cuts and signs what a request has come to."""

    def __init__(self, signer: BatchSigner, openings: Openings, audit_key: bytes) -> None:
        """Take what is needed.

        Args:
            signer: With the bus's own key.
            openings: Tell from which record on a view with a first day shows anything.
            audit_key: Marks in the audit log which entries were given.
        """
        self._signer = signer
        self._audit_key = audit_key
        self._openings = openings
        self._feeds = _Feeds()

    async def told(
        self,
        session: Session,
        request: DataRequest,
        entered: Entered,
        found: Sequence[AnswerRecord] | None = None,
    ) -> Answer:
        """Tell what a request has come to.

        Args:
            session: On the data fund.
            request: Of the system that entered.
            entered: Who asks, and under which catalogue.
            found: What the fund has for a request that came this very moment; None: it is read.

        Raises:
            Problem: The bus refused it, or its agreement does not cover it any more.
            Unavailable: An engine does not answer.
        """
        if request.state is RequestState.REFUSED and request.reason not in PROVIDERS_REASONS:
            assert request.reason is not None, "a refusal says why"
            raise refusal(request, request.reason)
        records = found or ()
        match request.state:
            case RequestState.ANSWERED_AUTO if found is None:
                view = _view_now(request, entered)
                stood = await recorded(session, request.dataset, request.record_ids)
                records = await self.shown(stood, request, view, entered)
            case RequestState.ANSWERED:
                records = self._by_hand(request, _view_now(request, entered), entered)
        if records:
            await note_read(session, _read(request, entered, records), self._audit_key)
        return Answer(
            id=request.id,
            request_id=str(request.request_id),
            state=request.state.value,
            dataset=request.dataset,
            provider=request.agency,
            agreement=request.agreement,
            reason=None if request.reason is None else request.reason.value,
            asked_at=request.asked_at,
            settled_at=request.settled_at,
            deadline_at=request.deadline_at,
            answered_by=request.answered_by,
            catalogue=entered.snapshot.version,
            records=records,
        )

    async def shown(
        self, stood: Sequence[Stood], request: DataRequest, view: View | None, entered: Entered
    ) -> list[AnswerRecord]:
        """Cut versions of the fund as the topic of the agreement's view has them, and sign them.

        Returns: Those of them that the view shows.

        Raises:
            Unavailable: An engine does not answer.
        """
        snapshot, dataset = entered.snapshot, request.dataset
        if view is not None and view.is_standing:
            stood = [one for one in stood if one.stands]  # it has no past (ADR-0026)
        projection = snapshot.cut_of(view)
        versions = [one.version for one in stood]
        records = (
            loaded_records(
                versions,
                dataset=dataset,
                topic=answer_topic(request.id),
                projection=projection,
                is_open=await self._is_open(stood, projection, entered.now),
                snapshot=snapshot,
                signer=self._signer,
            )
            if versions
            else ()
        )
        at = {(one.version.partition, one.version.offset): one.recorded_at for one in stood}
        feed = self._feed(snapshot, dataset, view)
        return [
            AnswerRecord(
                record=record,
                recorded_at=at[record.partition, record.offset],
                values=_values(feed, record.value),
            )
            for record in records
        ]

    async def _is_open(
        self, stood: Sequence[Stood], projection: Projection | None, now: datetime
    ) -> IsOpen:
        if projection is None or not projection.opens_ms:
            return lambda _: True  # no first day: Kafka need not be asked
        inbound = {one.version.inbound.topic for one in stood}
        return await self._openings.of(inbound, projection.opens_ms, instant_ms(now))

    def _by_hand(
        self, request: DataRequest, view: View | None, entered: Entered
    ) -> list[AnswerRecord]:
        """Sign what the provider answered, which was cut when it came."""
        if (None if view is None else view.code) != request.view:
            raise Problem(410, "answer_cut_otherwise", agreement=request.agreement)
        if request.answer is None or request.settled_at is None:
            raise Problem(410, "answer_forgotten")
        settled_ms = instant_ms(request.settled_at)
        deliveries = [
            Delivery(
                topic=answer_topic(request.id),
                partition=0,
                key=key.encode(),
                value=value,
                headers=[
                    (
                        "ce_source",
                        f"{SOURCE_PREFIX}{request.agency}:{request.answered_by}".encode(),
                    ),
                    ("ce_time", format_time(settled_ms).encode()),
                    ("ce_dataschema", f"{SCHEMA_PREFIX}{_schema_id(value)}".encode()),
                ],
            )
            for key, value in zip(request.answer_keys, request.answer, strict=True)
        ]
        if deliveries:
            sign(deliveries, self._signer)
        feed = self._feed(entered.snapshot, request.dataset, view)
        return [
            AnswerRecord(
                record=LoadedRecord(
                    topic=one.topic,
                    partition=0,
                    offset=number,
                    timestamp=settled_ms,
                    key=one.key or b"",
                    value=one.value or b"",
                    headers=one.headers,
                ),
                recorded_at=None,
                values=_values(feed, one.value or b""),
            )
            for number, one in enumerate(deliveries)
        ]

    def _feed(self, snapshot: Snapshot, dataset: DatasetCode, view: View | None) -> Feed:
        """Give how values of a view are read; made once for a catalogue."""
        if self._feeds.version != snapshot.version or len(self._feeds.known) > _FEEDS_MAX:
            self._feeds = _Feeds(version=snapshot.version)
        name = (dataset, "" if view is None else view.code)
        if name not in self._feeds.known:
            grant = Grant(topic=topic_of(dataset, view), view=view, agreements=())
            self._feeds.known[name] = feed_of(snapshot.region, dataset, grant)
        return self._feeds.known[name]


def refusal(request: DataRequest, reason: RefusalReason) -> Problem:
    """Say why the bus refuses a request, and how to apply."""
    return Problem(
        403,
        reason.value,
        dataset=request.dataset,
        agency=request.agency,
        system=request.system,
        agreement=request.agreement,
    )


def _read(request: DataRequest, entered: Entered, records: Sequence[AnswerRecord]) -> Read:
    """Say for the audit log who is given what."""
    return Read(
        way=Way.REQUEST,
        system=request.system,
        agency=request.consumer,
        dataset=request.dataset,
        agreements=() if request.agreement is None else (request.agreement,),
        catalogue=entered.snapshot.version,
        keys=[(one.record.key or b"").decode() for one in records],
        providers=(request.agency,),
        request=request.id,
    )


def agreement_now(request: DataRequest, entered: Entered) -> Agreement | None:
    """Give the agreement of a request if it still covers it, else None."""
    for one in entered.snapshot.region.agreements:
        if one.id == request.agreement and one.dataset == request.dataset:
            covers = one.providers is None or request.agency in one.providers
            names = request.system in one.systems
            return one if covers and names and one.is_in_force(entered.now) else None
    return None


def _view_now(request: DataRequest, entered: Entered) -> View | None:
    agreement = agreement_now(request, entered)
    if agreement is None:
        raise refusal(request, RefusalReason.AGREEMENT_NOT_IN_FORCE)
    return view_of(agreement, entered.snapshot.region.contracts[request.dataset])


def _schema_id(value: bytes) -> int:
    return int.from_bytes(value[1:FRAME_BYTES], "big")


def _values(feed: Feed, value: bytes) -> dict[str, object]:
    decode = feed.decoders.get(_schema_id(value))
    if decode is None:
        raise InvariantBroken(f"{feed.topic} can't hold a value of schema {_schema_id(value)}")
    return decode(value)
