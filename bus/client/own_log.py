"""What the log says of a publisher's own records: sent, set aside, released. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from bus.client.ledger import LoggedRefusal, LoggedRelease, LoggedVersion
from bus.errors import DocumentError, InvariantBroken
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import RawRecord
from bus.quarantine.entry import QuarantineState
from bus.quarantine.reading import parse_entry
from bus.quarantine.receipt import parse_receipt
from bus.texts import message
from bus.wire import topics
from bus.wire.headers import Flaw, parse_envelope

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who publishes what."""

    agency: AgencyCode
    system: SystemCode
    dataset: DatasetCode

    @property
    def inbound(self) -> str:
        """Topic that it writes to."""
        return topics.inbound(self.agency, self.dataset)

    @property
    def quarantine(self) -> str:
        """Topic in which the bus sets its records aside."""
        return topics.quarantine(self.agency)

    @property
    def receipts(self) -> str:
        """Topic in which the bus tells what became of them."""
        return topics.receipts(self.agency)

    def __str__(self) -> str:
        return self.spoken("en")

    def spoken(self, language: str) -> str:
        """Say it in a language: `en` or `ru`."""
        return message(
            "doing.client.source", dataset=self.dataset, agency=self.agency, system=self.system
        ).spoken(language)


def fingerprint_of(value: bytes) -> bytes:
    """Digest a framed value: schema and content, so that an equal row gives an equal digest."""
    return sha256(value).digest()


def own_version(raw: RawRecord, source: Source) -> LoggedVersion | None:
    """Read a record of the in-topic; None where this system did not send it.

    A record that is not sound is nobody's: it was not sent from here, and it goes to quarantine.
    """
    if raw.key is None or raw.value is None:
        return None
    envelope = parse_envelope(
        raw.headers, agency=source.agency, dataset=source.dataset, key=raw.key
    )
    if isinstance(envelope, Flaw) or envelope.system != source.system:
        return None
    return LoggedVersion(
        key=raw.key.decode(),
        version=envelope.version,
        record_id=envelope.record_id,
        operation=envelope.operation,
        supersedes=envelope.supersedes,
        fingerprint=fingerprint_of(raw.value),
        partition=raw.partition,
        offset=raw.offset,
    )


def refusal_of(raw: RawRecord, source: Source) -> LoggedRefusal | None:
    """Read a record of the quarantine topic; None where it did not come from the in-topic.

    Raises:
        InvariantBroken: The bus did not write it so.
    """
    try:
        entry = parse_entry(raw)
    except (KeyError, ValueError) as problem:
        raise InvariantBroken(
            f"quarantined record {raw.topic}/{raw.partition}/{raw.offset} can't be understood "
            f"({problem!r}); the bus may be newer than this client: update the client"
        ) from problem
    if entry.topic != source.inbound:
        return None
    return LoggedRefusal(
        partition=entry.partition, offset=entry.offset, reason=entry.reason, attempt=entry.attempt
    )


def receipt_of(raw: RawRecord, source: Source) -> LoggedRefusal | LoggedRelease | None:
    """Read a record of the receipts' topic; None where it is not about the in-topic.

    The fund's refusals are told there alone, and only the latest state of an entry, so that a
    receipt of a discarded record may be the first word of its refusal.

    Raises:
        InvariantBroken: The bus did not write it so.
    """
    receipt = parse_receipt(raw)
    place = topics.parse_position(receipt.quarantine_id)
    if place.topic != source.inbound:
        return None
    partition, offset, attempt = place.partition, place.offset, receipt.attempt
    match receipt.state:
        case QuarantineState.RELEASED:
            return LoggedRelease(partition=partition, offset=offset, attempt=attempt)
        case QuarantineState.SUPERSEDED:
            # Why one more: nothing was released, and the refusal of this attempt is void.
            return LoggedRelease(partition=partition, offset=offset, attempt=attempt + 1)
        case _:
            return LoggedRefusal(
                partition=partition, offset=offset, reason=receipt.reason, attempt=attempt
            )


def starting_offsets(
    stored: Mapping[Place, int],
    beginnings: Mapping[Place, int],
    ends: Mapping[Place, int],
    *,
    memory: str,
    may_be_cut: Collection[str] = (),
) -> dict[Place, int]:
    """Decide from where to read on, so that no own record is missed.

    Args:
        stored: Up to where each topic-partition was read, as far as it is known.
        beginnings: First offset that each still holds.
        ends: One more than the last offset of each.
        memory: Name of the file that `stored` comes from.
        may_be_cut: Topics that others write to as well: what they have let go of is passed over.

    Raises:
        DocumentError: Records that were never read are gone from the own log, or it is another.
    """
    starts = {}
    for (topic, partition), beginning in beginnings.items():
        start = stored.get((topic, partition), 0)
        if topic in may_be_cut:
            start = max(start, beginning)
        place = {"memory": memory, "topic": topic, "partition": partition}
        if start < beginning:
            known = message(
                "error.client.read_to" if start else "error.client.never_read", start=start
            )
            raise DocumentError(
                message("error.client.log_lost", known=known, beginning=beginning, **place)
            )
        if start > ends[topic, partition]:
            end = ends[topic, partition]
            raise DocumentError(message("error.client.other_log", start=start, end=end, **place))
        starts[topic, partition] = start
    return starts
