"""Judge malformed records by the million in this process, and measure what that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bus.catalogue.snapshot import Snapshot
from bus.enforce.judge import judge
from bus.model.record import RawRecord
from bus.model.verdict import Verdict
from bus.wire import topics
from bus.wire.signature import SignatureChecker
from tests.malformed.examination import Examiner, Tally
from tests.malformed.memory import forget_peak, own_mb, peak_mb
from tests.malformed.mutants import GOOD_OF_1000, Mill, Sent
from tests.malformed.report import Report
from tests.malformed.targets import APPENDED_MS, pure_world

BATCH_RECORDS: Final = 1_000
WARM_BATCHES_MIN: Final = 10
GROWTH_MAX_BYTES: Final = 32
"""Of memory, for each record: less than any of it kept would take."""
NOISE_MAX_MB: Final = 8.0
"""What memory may grow by without a cause that repeats: pieces that are not given back."""
PEAK_MAX_MB: Final = 64.0
"""Above what the process takes: for the largest batch, and a value that takes many objects."""
LONGEST_MAX_MS: Final = 100.0
"""Half of it is what the largest value of one-byte items takes where nobody else computes."""
_TELL_EACH_S: Final = 5.0
_TRIES: Final = 3
_LARGEST: Final = 3
"""Records of each batch that are judged for themselves, for their size."""

Pair: TypeAlias = tuple[Sent, Verdict]


def run(
    count: int,
    seed: int,
    *,
    tell: Callable[[str], None],
    longest_max_ms: float = LONGEST_MAX_MS,
) -> Report:
    """Judge `count` mutants, and the good ones between them.

    Args:
        count: Rounded up to whole batches.
        seed: Of the records.
        tell: Hears how far it is, now and then.
        longest_max_ms: What one record may take, milliseconds of the processor.
    """
    snapshot, targets = pure_world()
    mill = Mill(targets, seed, now_ms=APPENDED_MS, only_utf_8=False)
    judging = Judging(snapshot=snapshot, checker=SignatureChecker(), longest_max_ms=longest_max_ms)
    examiner, tally = Examiner(snapshot), Tally()
    mutants_each = BATCH_RECORDS * (1000 - GOOD_OF_1000) // 1000
    batches = -(-count // mutants_each)
    warm = max(WARM_BATCHES_MIN, batches // 10)
    before_mb, before, told_s = own_mb(), 0, time.monotonic()
    forget_peak()
    for number in range(1, batches + 1):
        target, sent = mill.batch(BATCH_RECORDS)
        try:
            verdicts = judging.judge(sent, target.source, tally)
            examiner.examine(target, sent, verdicts, tally)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is a finding
            tally.note(f"batch {number}, to {target.source}, ends in {problem!r}")
            break
        if number == warm:
            before_mb, before = own_mb(), judging.records
        if time.monotonic() - told_s > _TELL_EACH_S:
            told_s = time.monotonic()
            tell(f"{tally.mutants:,} of {count:,} mutants, {len(tally.findings)} findings")
    growth_mb, above_mb = own_mb() - before_mb, peak_mb() - before_mb
    for finding in memory_faults(growth_mb, above_mb, judging.records - before):
        tally.note(finding)
    if judging.longest_ms > longest_max_ms:
        tally.note(f"one record took {judging.longest_ms:.0f} ms: {judging.longest}")
    return Report.of(
        tally,
        seed=seed,
        live=False,
        rss_growth_mb=growth_mb,
        peak_mb=above_mb,
        longest_ms=judging.longest_ms,
        records_per_s=judging.records / (judging.spent_s or 1.0),
    )


def memory_faults(growth_mb: float, above_mb: float, records: int) -> Iterator[str]:
    """Tell what memory was kept that should not have been, or taken.

    Args:
        growth_mb: Since records began to be counted.
        above_mb: How much more than at that time was taken at the highest.
        records: That were judged since.
    """
    if growth_mb > NOISE_MAX_MB + records * GROWTH_MAX_BYTES / 2**20:
        bytes_each = growth_mb * 2**20 / max(records, 1)
        yield f"memory grew by {growth_mb:.0f} MB, {bytes_each:.0f} bytes a record"
    if above_mb > PEAK_MAX_MB:
        yield f"memory rose by {above_mb:.0f} MB for a while"


@dataclass(slots=True)
class Judging:
    """Judges batches and times them, by the processor's time, for others use this machine too."""

    snapshot: Snapshot
    checker: SignatureChecker
    longest_max_ms: float
    records: int = 0
    spent_s: float = 0.0
    longest_ms: float = 0.0
    longest: str = ""

    def judge(self, sent: list[Sent], source: topics.Inbound, tally: Tally) -> list[Verdict]:
        raws = [one.raw for one in sent]
        verdicts, took_s = self._timed(raws, source)
        self.records += len(raws)
        self.spent_s += took_s
        pairs = list(zip(sent, verdicts, strict=True))
        largest = sorted(pairs, key=lambda pair: len(pair[0].raw.value or b""))[-_LARGEST:]
        for one, verdict in [*largest, *self._slow(pairs, source, took_s)]:
            self._judge_alone(one, source, verdict, tally)
        return verdicts

    def _slow(self, pairs: Sequence[Pair], source: topics.Inbound, took_s: float) -> Iterator[Pair]:
        """Find the records that take too long, by halves.

        What is quicker as a whole than one record may be has none of them, whatever their size.
        """
        if took_s * 1000 <= self.longest_max_ms:
            return
        if len(pairs) == 1:
            yield pairs[0]
            return
        middle = len(pairs) // 2
        for half in (pairs[:middle], pairs[middle:]):
            _, half_s = self._timed([one.raw for one, _ in half], source)
            yield from self._slow(half, source, half_s)

    def _judge_alone(
        self, one: Sent, source: topics.Inbound, verdict: Verdict, tally: Tally
    ) -> None:
        """Judge a record for itself: how long it takes, and whether it comes to the same."""
        (again,), took_s = self._timed([one.raw], source)
        if took_s * 1000 > self.longest_ms:
            # The least of some tries: a collection of garbage is not the record's.
            tries = [took_s, *(self._timed([one.raw], source)[1] for _ in range(_TRIES - 1))]
            if min(tries) * 1000 > self.longest_ms:
                self.longest_ms = min(tries) * 1000
                self.longest = f"{one.fate} of {len(one.raw.value or b'')} bytes to {source}"
        if again != verdict:
            tally.note(f"{one.raw.topic} {one.raw.key!r}: judged alone, it comes to another")

    def _timed(
        self, raws: Sequence[RawRecord], source: topics.Inbound
    ) -> tuple[list[Verdict], float]:
        began_s = time.thread_time()
        verdicts = judge(raws, source=source, snapshot=self.snapshot, checker=self.checker)
        return verdicts, time.thread_time() - began_s
