"""The one JSON object that a run ends with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from tests.malformed.examination import Tally
from tests.malformed.mutants import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run."""

    seed: int
    live: bool
    count: int
    """Mutants, of every fate."""
    refused: dict[str, int]
    """Reason → records."""
    accepted_mutants: int
    """Spoiled before they were signed, and sound after all."""
    harmless: int
    """Changed where no signature reaches, and accepted."""
    good: int
    rss_growth_mb: float
    """Since the first tenth of the run; live: of the worker that grew most."""
    peak_mb: float
    """At the highest: in process above what it took then; live of the worker that took most."""
    longest_ms: float | None
    """The longest judgement of one record, of the processor's time; live: not measured."""
    records_per_s: int
    """In process: of the judging alone; live: from the first send to the last entry."""
    findings: tuple[str, ...]

    @classmethod
    def of(
        cls,
        tally: Tally,
        *,
        seed: int,
        live: bool,
        rss_growth_mb: float,
        peak_mb: float,
        longest_ms: float | None,
        records_per_s: float,
    ) -> Self:
        return cls(
            seed=seed,
            live=live,
            count=tally.mutants,
            refused={reason.value: number for reason, number in tally.refused.most_common()},
            accepted_mutants=tally.accepted_mutants,
            harmless=tally.fates[Fate.HARMLESS],
            good=tally.fates[Fate.GOOD],
            rss_growth_mb=round(rss_growth_mb, 1),
            peak_mb=round(peak_mb, 1),
            longest_ms=None if longest_ms is None else round(longest_ms, 1),
            records_per_s=round(records_per_s),
            findings=tuple(tally.findings),
        )

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)
