"""Batches of malformed records with sound ones between them, all from one seed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from random import Random
from typing import Final

from bus.model.identifiers import DatasetCode, RecordId
from bus.model.record import Envelope, Group, Lane, Operation
from bus.wire.frame import FRAME_BYTES, frame
from bus.wire.headers import compose, format_time, with_group
from bus.wire.record_id import record_id
from tests.bad_input.cases import RECURSION_ID, ZERO_SIZE_ID
from tests.factories import Raw, signed
from tests.malformed.avro_pieces import joined, varint
from tests.malformed.bombs import WHOLE_VALUE_BYTES, bomb, wide
from tests.malformed.byte_changes import changed
from tests.malformed.header_changes import harmless, spoiled_header, tampered_headers
from tests.malformed.targets import Target

GOOD_OF_1000: Final = 10
_FRAMES: Final = (b"\x00", b"\x01\x00\x00\x00\x01", b"\x00\x00\x00", frame(0, b""), b"\xc3\x01")
_BOMBED_SCHEMAS: Final = (RECURSION_ID, ZERO_SIZE_ID, 2**32 - 1)
"""Ids that no contract has; a live bus knows schemas of the first two."""
_RUNS: Final = (1, 2, 7, 64, 256)
_TRACE: Final = b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


@unique
class Fate(StrEnum):
    """What was done to a record, and so what must become of it."""

    GOOD = "good"
    """Nothing: it is accepted."""
    HARMLESS = "harmless"
    """Changed where no signature reaches: it is accepted."""
    TAMPERED = "tampered"
    """Changed after it was signed, or never signed: it is refused, and not decoded."""
    SPOILED = "spoiled"
    """Changed, then signed by the agency: it is refused, unless it is sound after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A record, and what was done to it."""

    raw: Raw
    fate: Fate


class Mill:
    """Makes batches; each for one target, with registry numbers of their own."""

    def __init__(
        self, targets: Sequence[Target], seed: int, *, now_ms: int, only_utf_8: bool
    ) -> None:
        """Prepare.

        Args:
            targets: Chosen by chance for each batch.
            seed: Everything follows from it, but signatures of other keys.
            now_ms: Append time of the records, milliseconds since 1970 UTC.
            only_utf_8: Leave out header names that no client library can write.
        """
        self._targets = targets
        self._dice = Random(seed)
        self._now_ms = now_ms
        self._only_utf_8 = only_utf_8
        self._made: Counter[DatasetCode] = Counter()

    def batch(self, size: int) -> tuple[Target, list[Sent]]:
        """Make the next records of one partition; one in a hundred is good."""
        target = self._dice.choice(self._targets)
        fates = self._fates(size)
        raws = [self._before_signing(target, fate) for fate in fates]
        raws = self._signed(raws, target)
        sent = []
        for place, (raw, fate) in enumerate(zip(raws, fates, strict=True)):
            other = raws[place - 1]
            sent.append(Sent(raw=self._after_signing(raw, other, target, fate), fate=fate))
        return target, sent

    def _fates(self, size: int) -> list[Fate]:
        good = max(1, size * GOOD_OF_1000 // 1000)
        others = self._dice.choices(
            (Fate.TAMPERED, Fate.SPOILED, Fate.HARMLESS), (45, 50, 5), k=size - good
        )
        fates = [Fate.GOOD] * good + others
        self._dice.shuffle(fates)
        if self._dice.random() < 0.5:
            self._calm(fates)
        return fates

    def _calm(self, fates: list[Fate]) -> None:
        """Let whole runs be signed in which one record or none is tampered with.

        Why: a signed batch with two wrong leaves is proved leaf by leaf, another as a whole.
        """
        fates.sort(key=lambda fate: fate is Fate.TAMPERED)
        first = next((at for at, fate in enumerate(fates) if fate is Fate.TAMPERED), 0)
        for _ in range(len(fates) // 40 if first else 0):
            one, other = self._dice.randrange(first), self._dice.randrange(first, len(fates))
            fates[one], fates[other] = fates[other], fates[one]

    def _before_signing(self, target: Target, fate: Fate) -> Raw:
        raw = self._sound(target, fate)
        if fate is not Fate.SPOILED:
            return raw
        if self._dice.random() < 0.15:
            return replace(raw, headers=spoiled_header(raw.headers, target.source, self._dice))
        return replace(raw, value=self._spoiled_value(target, raw))

    def _sound(self, target: Target, fate: Fate) -> Raw:
        """Make a record that nothing is wrong with, if it is not one of a group."""
        dice, source = self._dice, target.source
        self._made[source.dataset] += 1
        number = self._made[source.dataset]
        key = target.key(number)
        follows = fate is not Fate.GOOD and dice.random() < 0.2
        operation = Operation.CORRECT if follows else Operation.CREATE
        version = 2 if follows else 1
        resolves = f"{source}/0/{dice.randrange(1000)}" if dice.random() < 0.1 else None
        envelope = Envelope(
            record_id=record_id(source.agency, source.dataset, key, version, operation),
            agency=source.agency,
            system=target.system,
            event_time=format_time(self._now_ms - dice.randrange(10**9)),
            schema_id=target.schema_id,
            operation=operation,
            version=version,
            supersedes=RecordId(f"{dice.getrandbits(128):032x}") if follows else None,
            lane=dice.choice((Lane.LIVE, Lane.BACKFILL)),
            resolves=resolves,
        )
        headers = compose(envelope, source.dataset)
        if fate in (Fate.TAMPERED, Fate.SPOILED) and dice.random() < 0.05:
            group = Group(id=f"{dice.getrandbits(64):016x}", index=dice.randrange(2), size=2)
            headers = with_group(headers, group)
        if dice.random() < 0.2:
            headers.append(("traceparent", _TRACE))
        return Raw(
            topic=str(source),
            partition=0,
            offset=number,
            timestamp=self._now_ms,
            key=key.encode(),
            value=frame(target.schema_id, target.datum(key)),
            headers=headers,
        )

    def _spoiled_value(self, target: Target, raw: Raw) -> bytes | None:
        dice, value = self._dice, raw.value or b""
        other = dice.choice(self._targets)
        chance = dice.random()
        if chance < 0.3:
            return changed(value, frame(other.schema_id, joined(other.pieces)), dice)
        if chance < 0.33:
            return _strange(value, other, dice)
        pieces = target.pieces_of((raw.key or b"").decode())
        if chance < 0.3306:
            return value[:FRAME_BYTES] + wide(pieces, dice)
        return value[:FRAME_BYTES] + bomb(pieces, dice)

    def _signed(self, raws: list[Raw], target: Target) -> list[Raw]:
        """Sign them a few together or many, as a publisher does that sends what it has."""
        run = self._dice.choice(_RUNS)
        done: list[Raw] = []
        while len(done) < len(raws):
            done += signed(raws[len(done) : len(done) + run], target.signer)
        return done

    def _after_signing(self, raw: Raw, other: Raw, target: Target, fate: Fate) -> Raw:
        dice = self._dice
        if fate is Fate.HARMLESS:
            return replace(raw, headers=harmless(raw.headers, dice))
        if fate is not Fate.TAMPERED:
            return raw
        chance = dice.random()
        if chance < 0.3:
            return replace(raw, value=_other_value(raw, other, dice))
        if chance < 0.4:
            return replace(raw, key=_other_key(raw, other, dice))
        if chance < 0.85:
            headers = tampered_headers(
                raw.headers, other.headers, dice, only_utf_8=self._only_utf_8
            )
            return replace(raw, headers=headers)
        value = (raw.value or b"")[:FRAME_BYTES] + bomb(target.pieces, dice)
        headers = [pair for pair in raw.headers if pair[0] != "bus_sig"]
        if dice.random() < 0.5:
            return replace(raw, value=value, headers=headers)
        forged = dict(other.headers)["bus_sig"]
        return replace(raw, value=value, headers=[*headers, ("bus_sig", forged)])


def _other_value(raw: Raw, other: Raw, dice: Random) -> bytes | None:
    before, theirs = raw.value or b"", other.value or b""
    chance = dice.random()
    if chance < 0.02:
        return None
    return theirs if chance < 0.1 and theirs != before else changed(before, theirs, dice)


def _other_key(raw: Raw, other: Raw, dice: Random) -> bytes | None:
    before, theirs = raw.key or b"", other.key or b""
    chance = dice.random()
    if chance < 0.05:
        return None
    if chance < 0.1:
        return before * 100
    return theirs if chance < 0.2 else changed(before, theirs, dice)


def _strange(value: bytes, other: Target, dice: Random) -> bytes | None:
    """Make a value that is strange as a whole: no frame, another's, nothing, too much."""
    match dice.randrange(8):
        case 0:
            return None
        case 1:
            return b""
        case 2:
            return dice.choice(_FRAMES) + value[FRAME_BYTES:]
        case 3:
            return dice.randbytes(dice.randrange(300))
        case 4:
            return value[:FRAME_BYTES] + dice.randbytes(dice.randrange(300))
        case 5:
            return frame(other.schema_id, joined(other.pieces))
        case 6:
            return _followed(dice)
        case _:
            rest = WHOLE_VALUE_BYTES + 1 if dice.random() < 0.05 else dice.randrange(200)
            return value + bytes(rest)


def _followed(dice: Random) -> bytes:
    """Make what fells a reader that follows any schema there is: deep, or long without bytes."""
    datum = dice.choice((b"\x02" * 5_000 + b"\x00", varint(50_000_000) + b"\x00"))
    return frame(dice.choice(_BOMBED_SCHEMAS), datum)
