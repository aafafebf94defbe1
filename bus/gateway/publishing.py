"""`POST /records/{dataset}`: publishing over HTTP, accepted when all in-sync replicas have it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bus.audit.note import Note, signed_note
from bus.catalogue.snapshot import Snapshot, instant_ms
from bus.gateway.admission import Admission
from bus.gateway.authentication import Caller
from bus.gateway.carrier import Carrier
from bus.gateway.encoding import RecordEncoding, Sender, Trace, encode_records, parse_records
from bus.gateway.endpoint import JSON, Answer, Endpoint
from bus.gateway.given import RecordsGiven, RecordsTaken, RecordTaken
from bus.gateway.idempotency import AnsweredOnce
from bus.gateway.places import Places
from bus.gateway.problems import Problem
from bus.gateway.signed_record import AVRO, SignedHeaders, signed_record
from bus.model.identifiers import DatasetCode, KeyId
from bus.tracing.exporting import UNKEPT, Spans
from bus.tracing.sent import sent_spans
from bus.tracing.span import Side, Span
from bus.wire.delivery import Delivery, sign
from bus.wire.header_names import TRACEPARENT
from bus.wire.topics import Inbound
from bus.wire.trace_context import TRACED_SHARE, TraceContext, parse_trace_context

AT_ONCE_MAX: Final = 32
AT_ONCE_OF_ONE_MAX: Final = 8
BODIES_MAX: Final = 128
"""Bodies that are being read or published at one time, 1 MiB each."""
IDEMPOTENCY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEY_PATTERN: Final = r"^[A-Za-z0-9_.:-]{1,128}$"
IdempotencyKey = Annotated[str, StringConstraints(pattern=_KEY_PATTERN)]


class PublishingHeaders(SignedHeaders):
    """Headers that publishing reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    idempotency_key: IdempotencyKey | None = Field(
        default=None,
        alias=IDEMPOTENCY,
        description="the same key and request give the same receipt for 24 hours",
    )


PUBLISH: Final = Endpoint(
    name="publishRecords",
    method="POST",
    path="/records/{dataset}",
    says="Publish records of a dataset: as JSON, or one that the system signed itself",
    headers=PublishingHeaders,
    body={JSON: RecordsGiven, AVRO: None},
    answers={
        202: Answer(
            says="all in-sync replicas have the records; they are judged next",
            content={JSON: RecordsTaken},
            headers={REPLAYED: "`true`: the receipt of an earlier request"},
        )
    },
    problems={
        400: ("no_json", "body_broken", "bad_idempotency_key"),
        401: ("body_not_signed", "other_body", "replayed"),
        403: ("not_provided", "not_delegated"),
        408: ("body_too_slow",),
        409: ("under_way",),
        413: ("body_too_large",),
        415: ("encoded_body", "other_media_type"),
        422: ("not_encodable", "not_well_formed", "not_signed_by_you", "key_used"),
        429: ("busy_for_you",),
        503: ("busy", "not_durable", "not_permitted_yet"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What the request works with."""

    admission: Admission
    carrier: Carrier
    once: AnsweredOnce
    clock: Callable[[], datetime]
    put_on_record: Callable[[Note], Awaitable[None]]
    """Writes a note of the audit log; done when it is durable."""
    traced_share: float = TRACED_SHARE
    """Of live records, those that begin a trace, 0 to 1."""
    spans: Spans = UNKEPT
    bodies: Places = field(default_factory=lambda: Places(BODIES_MAX, AT_ONCE_OF_ONE_MAX))
    places: Places = field(default_factory=lambda: Places(AT_ONCE_MAX, AT_ONCE_OF_ONE_MAX))
    _encodings: dict[DatasetCode, RecordEncoding] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [PUBLISH.route(self._publish)]

    async def _publish(self, request: web.Request) -> web.Response:
        caller = self.admission.caller(request)
        snapshot = self.admission.catalogue()
        sender = _sender(snapshot, caller, DatasetCode(request.match_info["dataset"]))
        if request.content_type not in {JSON, AVRO}:
            raise Problem(415, "other_media_type", wanted=f"{JSON}, {AVRO}")
        key = _idempotency_key(request)
        with self.bodies.taken(caller.system):
            body = await self.admission.body(request, caller)
            with self.places.taken(caller.system):
                return await self._traced(request, body, sender, key)

    async def _traced(
        self, request: web.Request, body: bytes, sender: Sender, key: str | None
    ) -> web.Response:
        """Answer, and tell the request's span where its sender traces its own work."""
        asked = _asked(request, sender.dataset)
        if asked is None or not (self.spans.are_kept and asked.context.is_sampled):
            given = None if asked is None else asked.context
            return await self._answer(request, body, sender, key, given)
        failed = None
        try:
            return await self._answer(request, body, sender, key, asked.inner)
        except Problem as problem:
            failed = problem.code
            raise
        finally:
            self.spans.tell([replace(asked, ended_ns=time.time_ns(), failed=failed)])

    async def _answer(
        self,
        request: web.Request,
        body: bytes,
        sender: Sender,
        key: str | None,
        given: TraceContext | None,
    ) -> web.Response:
        snapshot = self.admission.catalogue()
        deliveries, key_id = self._records(request, body, sender, snapshot, given)

        async def send() -> str:
            if request.content_type == JSON:  # else the system has signed itself
                await self.put_on_record(_signed(sender, key_id, body, deliveries))
            begun_ns = time.time_ns()
            offsets = await self.carrier.send(deliveries)
            if self.spans.are_kept:
                now_ns = time.time_ns()
                self.spans.tell(sent_spans(deliveries, begun_ns=begun_ns, ended_ns=now_ns))
            return _receipt(sender, key_id, snapshot, deliveries, offsets)

        if key is None:
            receipt, is_replayed = await send(), False
        else:
            digest = _digest(request, body)
            receipt, is_replayed = await self.once.answer(sender.system, key, digest, send)
        headers = {REPLAYED: "true"} if is_replayed else None
        return web.Response(status=202, text=receipt, content_type=JSON, headers=headers)

    def _records(
        self,
        request: web.Request,
        body: bytes,
        sender: Sender,
        snapshot: Snapshot,
        given: TraceContext | None,
    ) -> tuple[list[Delivery], KeyId]:
        """Make signed records of a body, and tell by whose key."""
        now = self.clock()
        # Why first for both: only the gateway's own user can write, and only where it may.
        signer = self.carrier.signer(snapshot, sender.system, instant_ms(now))
        partitions = snapshot.region.partitions

        def partition_of(key: bytes) -> int:
            return self.carrier.partition_of(key, partitions)

        if request.content_type == AVRO:
            delivery, key_id = signed_record(
                request.headers,
                body,
                sender,
                snapshot,
                partition_of=partition_of,
                now_ms=instant_ms(now),
            )
            return [delivery], key_id
        deliveries = encode_records(
            parse_records(body),
            sender,
            self._encoding(snapshot, sender.dataset),
            partition_of=partition_of,
            now=now,
            trace=Trace(self.traced_share, given),
        )
        by_partition = defaultdict[int, list[Delivery]](list)
        for delivery in deliveries:
            by_partition[delivery.partition].append(delivery)
        for together in by_partition.values():
            sign(together, signer)
        return deliveries, signer.key_id

    def _encoding(self, snapshot: Snapshot, dataset: DatasetCode) -> RecordEncoding:
        known = self._encodings.get(dataset)
        if known is None or known.contract is not snapshot.region.contracts[dataset]:
            known = self._encodings[dataset] = RecordEncoding.of(snapshot, dataset)
        return known


def _sender(snapshot: Snapshot, caller: Caller, dataset: DatasetCode) -> Sender:
    """Find for which agency a system publishes; the request has no say in it."""
    agency = snapshot.region.agency_of(caller.system)
    provides = () if agency is None else agency.systems
    if agency is None or not any(
        one.code == caller.system and dataset in one.provides for one in provides
    ):
        raise Problem(403, "not_provided", system=caller.system, dataset=dataset)
    source = Inbound(agency=agency.code, dataset=dataset)
    return Sender(source=source, system=caller.system, dataset=dataset)


def _asked(request: web.Request, dataset: DatasetCode) -> Span | None:
    """Begin the request's span, where its sender traces its own work."""
    context = parse_trace_context(request.headers.get(TRACEPARENT, ""))
    if context is None:
        return None
    now_ns = time.time_ns()
    return Span(
        context=context,
        name=f"{PUBLISH.method} {PUBLISH.path}",
        side=Side.SERVER,
        begun_ns=now_ns,
        ended_ns=now_ns,
        attributes={
            "http.request.method": PUBLISH.method,
            "http.route": PUBLISH.path,
            "bus.dataset": dataset,
        },
    )


def _idempotency_key(request: web.Request) -> str | None:
    try:
        return _OnlyKey.model_validate({"key": request.headers.get(IDEMPOTENCY)}).key
    except ValueError:
        raise Problem(400, "bad_idempotency_key") from None


def _signed(sender: Sender, key_id: KeyId, body: bytes, deliveries: Sequence[Delivery]) -> Note:
    return signed_note(
        sender.dataset,
        system=sender.system,
        key_id=key_id,
        body=body,
        record_ids=[dict(one.headers)["ce_id"].decode() for one in deliveries],
    )


class _OnlyKey(BaseModel):
    key: IdempotencyKey | None


def _digest(request: web.Request, body: bytes) -> bytes:
    """Digest what was asked: two requests with one digest ask the same."""
    named = sorted(
        (name.lower(), value)
        for name, value in request.headers.items()
        if name.lower().startswith(("ce-", "bus-"))
    )
    head = "\n".join([request.method, request.raw_path, request.content_type, *map(str, named)])
    return sha256(sha256(head.encode("utf-8", "surrogateescape")).digest() + body).digest()


def _receipt(
    sender: Sender,
    key_id: KeyId,
    snapshot: Snapshot,
    deliveries: Sequence[Delivery],
    offsets: Sequence[int | None],
) -> str:
    records = []
    for delivery, offset in zip(deliveries, offsets, strict=True):
        record_id = dict(delivery.headers)["ce_id"].decode()
        path = f"/records/{sender.dataset}/{record_id}"
        place = f"?position={delivery.topic}/{delivery.partition}/{offset}"
        records.append(
            RecordTaken(
                record_id=record_id,
                topic=delivery.topic,
                partition=delivery.partition,
                offset=offset,
                status=path if offset is None else path + place,
            )
        )
    return RecordsTaken(
        dataset=sender.dataset,
        agency=sender.source.agency,
        key_id=key_id,
        catalogue=snapshot.version,
        records=records,
    ).model_dump_json()
