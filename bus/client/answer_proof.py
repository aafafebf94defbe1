"""Proof that an answer to a data request is the bus's, and its values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bus.catalogue.granted import Grant
from bus.catalogue.parties import BUS
from bus.catalogue.snapshot import Snapshot
from bus.catalogue.views import view_of
from bus.client.proof import prove
from bus.client.subscription import feed_of
from bus.contracts.encode import NotDecodable
from bus.errors import InvariantBroken, Unavailable
from bus.model.identifiers import DatasetCode
from bus.model.record import RegistryRecord
from bus.requests.state import RequestState
from bus.texts import message
from bus.wire.frame import FRAME_BYTES
from bus.wire.headers import signed_values
from bus.wire.load_page import LoadedRecord
from bus.wire.request_answer import Answer, answer_topic
from bus.wire.signature import SignatureChecker, leaf_hash, parse_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRecord:
    """One record of an answer, proved."""

    key: str
    fields: Mapping[str, object] = field(repr=False)
    """Values by field, as Python knows them: date, datetime, Decimal, UUID…"""
    version: RegistryRecord | None
    """What the fund has: record id, version, operation, where it came from. None: the provider
    answered, and the fund does not have it."""
    accepted: str | None
    """Place in the accepted topic, `topic/partition/offset`."""
    recorded_at: datetime | None
    """When the fund took it in."""


def prove_answer(
    answer: Answer, snapshot: Snapshot, checker: SignatureChecker
) -> tuple[AnsweredRecord, ...]:
    """Read the records of an answer and prove every one of them.

    Args:
        answer: As it was read; its values for reading are not looked at.
        snapshot: A catalogue at least as new as the answer's.
        checker: Keeps known good roots between calls.

    Raises:
        InvariantBroken: One is not genuine, or can't be read.
        Unavailable: The agreement has left the catalogue meanwhile.
    """
    dataset, region = DatasetCode(answer.dataset), snapshot.region
    agreement = next((one for one in region.agreements if one.id == answer.agreement), None)
    contract = region.contracts.get(dataset)
    if agreement is None or contract is None:
        raise Unavailable(message("error.requests.agreement_gone", agreement=answer.agreement))
    view = view_of(agreement, contract)
    grant = Grant(topic=answer_topic(answer.id), view=view, agreements=(agreement.id,))
    decoders = feed_of(region, dataset, grant).decoders
    raws = [one.record for one in answer.records]
    versions: list[RegistryRecord | None] = [None] * len(raws)
    if answer.state == RequestState.ANSWERED_AUTO:
        versions = [*prove(raws, dataset=dataset, is_view=True, snapshot=snapshot, checker=checker)]
    else:
        for raw in raws:
            _check_signed(raw, snapshot, checker)
    found = []
    for one, version in zip(answer.records, versions, strict=True):
        value = one.record.value
        decode = decoders.get(int.from_bytes(value[1:FRAME_BYTES], "big"))
        if decode is None:
            raise _forged(answer.id, "the catalogue does not know its schema")
        try:
            fields = decode(value)
        except NotDecodable as problem:
            raise _forged(answer.id, "its value is not of its schema") from problem
        place = f"accepted.{dataset}/{one.record.partition}/{one.record.offset}"
        found.append(
            AnsweredRecord(
                key=one.record.key.decode(),
                fields=fields,
                version=version,
                accepted=None if version is None else place,
                recorded_at=one.recorded_at,
            )
        )
    return tuple(found)


def _check_signed(raw: LoadedRecord, snapshot: Snapshot, checker: SignatureChecker) -> None:
    """Prove what the bus signed of an answer by hand, which has no envelope of a record."""
    signature = parse_signature(dict(raw.headers).get("bus_sig", b""))
    key = None if signature is None else snapshot.region.keys.get(signature.key_id)
    if signature is None or key is None or key.system != BUS:
        raise _forged(raw.topic, "the bus has not signed it")
    leaf = leaf_hash(raw.topic, raw.key, signed_values(raw.headers), raw.value)
    if checker.check([signature], [leaf], [key.public_key]) != [True]:
        raise _forged(raw.topic, "its signature does not cover it")


def _forged(name: str, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"answer {name} is not genuine: {why}; nothing of it was used. Tell the bus's operator"
    )
