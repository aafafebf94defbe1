"""What must be true of every verdict on a malformed record, and of what it is sent on as. Pure."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import fastavro

from bus.catalogue.snapshot import Snapshot
from bus.fund.layout import DatasetLayout, Layouts, layouts_of
from bus.model.identifiers import KeyId
from bus.model.verdict import Accepted, Quarantined, Reason, Stage, Verdict
from bus.quarantine.reading import parse_entry
from bus.route.plan import plan
from bus.wire.delivery import Delivery
from bus.wire.frame import FRAME_BYTES
from bus.wire.headers import SIGNED, compose, parse_delivered
from bus.wire.signature import BatchSigner
from tests.factories import Raw
from tests.malformed.avro_pieces import NotAvro, is_storable, pieces_of, written_again
from tests.malformed.mutants import Fate, Sent
from tests.malformed.targets import Target

FINDINGS_MAX: Final = 20
_UNDECODED: Final = (Stage.GUARD, Stage.ENVELOPE, Stage.SIGNATURE)
_BUS: Final = BatchSigner(KeyId("bus.1"), b"\x03" * 32)


@dataclass(slots=True)
class Tally:
    """What came of all records, and what was wrong with that."""

    refused: Counter[Reason] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)
    accepted_mutants: int = 0
    """Spoiled, but sound after all."""
    findings: list[str] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        return self.fates.total() - self.fates[Fate.GOOD]

    def note(self, finding: str) -> None:
        """Keep what is wrong, the first of it: one fault shows in thousands of records."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)


class Examiner:
    """Holds verdicts against what was done to their records."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        known = [
            contract
            for dataset, contract in snapshot.region.contracts.items()
            if snapshot.region.lock.get(dataset, 1) is not None
        ]
        self._layouts: Layouts = layouts_of(known, snapshot.region.lock)
        self._parsed: dict[int, Any] = {}

    def examine(
        self, target: Target, sent: Sequence[Sent], verdicts: Sequence[Verdict], tally: Tally
    ) -> None:
        """Count a batch, and note what must not be."""
        for one, verdict in zip(sent, verdicts, strict=True):
            tally.fates[one.fate] += 1
            if isinstance(verdict, Quarantined):
                tally.refused[verdict.reason] += 1
            elif one.fate is Fate.SPOILED:
                tally.accepted_mutants += 1
            for finding in self.faults(target, one, verdict):
                tally.note(f"{one.fate} {one.raw.topic} {one.raw.key!r}: {finding}")
        deliveries = plan(verdicts, snapshot=self._snapshot, signer=_BUS)
        for finding in delivery_faults(verdicts, deliveries):
            tally.note(finding)

    def faults(self, target: Target, sent: Sent, verdict: Verdict) -> Iterator[str]:
        """Tell what is wrong with one verdict."""
        if isinstance(verdict, Quarantined):
            if sent.fate in (Fate.GOOD, Fate.HARMLESS):
                yield f"refused as {verdict.reason}"
            if sent.fate is Fate.TAMPERED and not is_undecoded(verdict.reason, verdict.path):
                yield f"decoded before its signature was known to be good: {verdict.reason}"
            if is_disbelieved(
                sent.fate, verdict.reason, may_name_another=_names_another(target, sent)
            ):
                yield f"its signature is good, and it is refused as {verdict.reason}"
            if verdict.reason is Reason.RULE_VIOLATED and not verdict.violations:
                yield "no rule is named"
            if verdict.reason is Reason.MALFORMED_AVRO and not verdict.path:
                yield "the bus's two readings differ"
        else:
            if sent.fate is Fate.TAMPERED:
                yield "accepted"
            yield from self._accepted_faults(target, verdict)

    def _accepted_faults(self, target: Target, verdict: Accepted) -> Iterator[str]:
        """Hold what was accepted against readings that are not the one that judged it."""
        raw, value = verdict.raw, verdict.raw.value or b""
        datum = value[FRAME_BYTES:]
        try:
            pieces = pieces_of(target.schema, datum)
            if written_again(pieces) != datum:
                yield "encoded again, its value has other bytes"
            if not all(map(is_storable, pieces)):
                yield "its value holds what a database refuses"
        except (NotAvro, UnicodeDecodeError) as problem:
            yield f"its value is no Avro: {problem}"
        composed = compose(verdict.envelope, verdict.dataset)
        sent = [pair for name in SIGNED for pair in raw.headers if pair[0] == name]
        if composed != sent:
            yield "composed again, its envelope has other headers"
        if verdict.examined.key.encode() != raw.key:
            yield "its key is not its registry number"
        try:
            self._read_by_others(target, value)
        except Exception as problem:  # noqa: BLE001 - whatever a library may raise
            yield f"others can't read its value: {problem!r}"

    def _read_by_others(self, target: Target, value: bytes) -> None:
        """Read a value as consumers' libraries do, and as the fund lays it out."""
        parsed = self._parsed.get(target.schema_id)
        if parsed is None:
            parsed = self._parsed[target.schema_id] = fastavro.parse_schema(dict(target.schema))
        stream = io.BytesIO(value)
        stream.seek(FRAME_BYTES)
        fastavro.schemaless_reader(stream, parsed, None)
        assert stream.tell() == len(value), "bytes are left"
        layout: DatasetLayout | None = self._layouts.get(target.source.dataset)
        if layout is not None:
            layout.typed_row(target.schema_id, value)


def is_undecoded(reason: Reason, path: str) -> bool:
    """Tell whether a record was stopped before its value was looked into."""
    return (reason, path) == (Reason.KEY_MISMATCH, "key") or reason.stage in _UNDECODED


def is_disbelieved(fate: Fate, reason: Reason, *, may_name_another: bool) -> bool:
    """Tell whether a record that was signed as it is was refused for its signature.

    Args:
        fate: What was done to it.
        reason: Why it was refused.
        may_name_another: Whether its source, spoiled, may be another system than that which signed.
    """
    if fate is not Fate.SPOILED or reason.stage is not Stage.SIGNATURE:
        return False
    return not (may_name_another and reason is Reason.KEY_FOREIGN)


def _names_another(target: Target, sent: Sent) -> bool:
    own = f"urn:bus:{target.source.agency}:{target.system}".encode()
    return dict(sent.raw.headers).get("ce_source") != own


def delivery_faults(verdicts: Sequence[Verdict], deliveries: Sequence[Delivery]) -> Iterator[str]:
    """Read what goes on to quarantine and to the fund as those two do."""
    kept: Mapping[str, Verdict] = {_place(verdict): verdict for verdict in verdicts}
    went_on: Counter[str] = Counter()
    for delivery in deliveries:
        arrived = Raw(
            topic=delivery.topic,
            partition=delivery.partition,
            key=delivery.key,
            value=delivery.value,
            headers=delivery.headers,
        )
        if delivery.topic.startswith("quarantine."):
            entry = parse_entry(arrived)
            raw = kept[entry.id].raw
            went_on[entry.id] += 1
            if (entry.key, entry.value, entry.headers) != (raw.key, raw.value, list(raw.headers)):
                yield f"{entry.id}: quarantine has other bytes than were sent"
        elif delivery.topic.startswith("accepted."):
            place = dict(delivery.headers)["bus_in"].decode()
            verdict = kept[place]
            assert isinstance(verdict, Accepted)
            record = parse_delivered(arrived, verdict.dataset)
            went_on[place] += 1
            if record.record_id != verdict.envelope.record_id or record.value != verdict.raw.value:
                yield f"{record.bus_in}: the fund takes it for another record"
    for place in kept:
        if went_on[place] != 1:
            yield f"{place}: goes on {went_on[place]} times"


def _place(verdict: Verdict) -> str:
    return f"{verdict.raw.topic}/{verdict.raw.partition}/{verdict.raw.offset}"
