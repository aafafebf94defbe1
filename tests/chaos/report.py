"""What a run came to, in one line, and the code that its process ends with. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bus.process.exit_codes import EXIT_FENCED
from tests.chaos.anomaly import Anomaly
from tests.chaos.controls import NOTICED_AS, Broken
from tests.chaos.schedule import Kind

EXIT_CLEAN: Final = 0
EXIT_FOUND: Final = 1
EXIT_UNNOTICED: Final = 2


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run came to."""

    seed: int
    seconds: float
    faults: Counter[Kind] = field(default_factory=Counter)
    left_out: tuple[Kind, ...] = ()
    """Kinds that this machine can't do."""
    records: int = 0
    """That producers tried to send."""
    anomalies: Sequence[Anomaly] = ()
    recover_s: dict[str, float | None] = field(default_factory=dict)
    """How long the fund took to go on after faults."""
    drain_s: float | None = None
    """How long all took to come to the end once nothing more came; None: they did not."""
    missed: Counter[Kind] = field(default_factory=Counter)
    """Faults that met nothing: a process that was dead already, a link without traffic."""
    acknowledged_by: dict[str, int] = field(default_factory=dict)
    """Producer → records."""
    stopped: Counter[int] = field(default_factory=Counter)
    """Exit code → workers that ended with it by themselves (`bus.process.exit_codes`)."""
    ended_in_transaction: int = 0
    """Transactions of frozen workers that PostgreSQL ended by itself, or for their successors."""
    problems: list[str] = field(default_factory=list)
    """Why the run says less than it should; it is then no proof."""

    @property
    def is_clean(self) -> bool:
        return not (self.anomalies or self.problems)

    @property
    def fenced(self) -> int:
        """Workers that ended because another had moved their position."""
        return self.stopped[EXIT_FENCED]

    def notices(self, broken: Broken) -> bool:
        """Tell whether a control run says by name what it went without."""
        return any(one.name is NOTICED_AS[broken] for one in self.anomalies)

    def as_json(self) -> dict[str, object]:
        """Give the line that a run ends with."""
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "faults": dict(sorted(self.faults.items())),
            "faults_total": self.faults.total(),
            "missed": dict(sorted(self.missed.items())),
            "left_out": list(self.left_out),
            "records": self.records,
            "acknowledged": self.acknowledged_by,
            "stopped": {str(code): times for code, times in sorted(self.stopped.items())},
            "fenced": self.fenced,
            "ended_in_transaction": self.ended_in_transaction,
            "anomalies": dict(sorted(Counter(one.name for one in self.anomalies).items())),
            "problems": self.problems,
            "recover_s": self.recover_s,
            "drain_s": self.drain_s,
        }


def exit_code_of(report: Report, broken: Broken | None) -> int:
    """Tell what a run ends with.

    Args:
        report: Of the run.
        broken: What was taken away; None: nothing.
    """
    if broken is not None:
        return EXIT_FOUND if report.notices(broken) else EXIT_UNNOTICED
    return EXIT_CLEAN if report.is_clean else EXIT_FOUND
