"""Malformed records by the ten thousand: refused, each with a reason, and nothing else happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import pytest

from bus.model.record import RawRecord
from bus.wire.signature import SignatureChecker
from tests.malformed import in_process
from tests.malformed.examination import Tally
from tests.malformed.in_process import (
    GROWTH_MAX_BYTES,
    NOISE_MAX_MB,
    PEAK_MAX_MB,
    Judging,
    memory_faults,
    run,
)
from tests.malformed.memory import forget_peak, own_mb, peak_mb
from tests.malformed.mutants import Mill
from tests.malformed.targets import APPENDED_MS, pure_world

LIMIT_MS: Final = 10.0
LOADED_MAX_MS = 500.0
"""For a machine that runs other tests; a run by itself allows a fifth."""


def test_mutants_are_refused_with_reasons_while_good_records_pass() -> None:
    report = run(30_000, seed=1, tell=lambda _: None, longest_max_ms=LOADED_MAX_MS)
    assert report.findings == ()
    assert report.count >= 30_000
    assert sum(report.refused.values()) == report.count - report.accepted_mutants - report.harmless
    assert len(report.refused) >= 20
    assert min(report.good, report.harmless, report.accepted_mutants) >= 100
    assert report.longest_ms is not None
    assert report.longest_ms > 5, "the widest values were among them, and were timed"


def spin(milliseconds: float) -> None:
    end_s = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end_s:
        pass


def test_a_slow_small_record_is_found_behind_a_batch_that_was_slower_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot, targets = pure_world()
    target, sent = Mill(targets[:1], 1, now_ms=APPENDED_MS, only_utf_8=False).batch(200)
    small = min(sent, key=lambda one: len(one.raw.value or b""))
    costs_ms = dict.fromkeys((one.raw.offset for one in sent), 0.2)

    def judge(raws: Sequence[RawRecord], **_: object) -> list[int]:
        spin(sum(costs_ms[raw.offset] for raw in raws))
        return [raw.offset for raw in raws]

    monkeypatch.setattr(in_process, "judge", judge)
    judging = Judging(snapshot=snapshot, checker=SignatureChecker(), longest_max_ms=LIMIT_MS)
    judging.judge(sent, target.source, Tally())
    assert judging.longest_ms < LIMIT_MS
    costs_ms = dict.fromkeys(costs_ms, 0.05) | {small.raw.offset: 2 * LIMIT_MS}
    judging.judge(sent, target.source, Tally())
    assert LIMIT_MS < judging.longest_ms < 3 * LIMIT_MS
    assert judging.longest.startswith(f"{small.fate} of {len(small.raw.value or b'')} bytes")


def test_memory_that_grows_with_the_records_or_rises_for_a_while_is_found() -> None:
    records = 2**20
    allowed_mb = NOISE_MAX_MB + GROWTH_MAX_BYTES
    assert list(memory_faults(allowed_mb, PEAK_MAX_MB, records)) == []
    (grown,) = memory_faults(allowed_mb + 1, PEAK_MAX_MB, records)
    assert grown == "memory grew by 41 MB, 41 bytes a record"
    (risen,) = memory_faults(0.0, PEAK_MAX_MB + 1, 0)
    assert risen == "memory rose by 65 MB for a while"


def test_what_a_process_took_for_a_while_is_seen_until_it_is_forgotten() -> None:
    forget_peak()
    before_mb = own_mb()
    taken = bytearray(100 * 2**20)
    taken[::4096] = bytes(len(taken[::4096]))
    del taken
    assert own_mb() < before_mb + 50
    assert peak_mb() > before_mb + 50
    forget_peak()
    assert peak_mb() < before_mb + 50
