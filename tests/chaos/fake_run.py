"""A run that never was: who may get what, a history, and evidence that tests may spoil."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.chaos.checker import Anomaly, Name, check
from tests.chaos.evidence import (
    CurrentRow,
    Delivered,
    Entitled,
    Evidence,
    FundRow,
    HeldRow,
    LawBalance,
    LogRecord,
    QuarantineRow,
    RefusedRow,
)
from tests.chaos.history import Event, Sent, history_of

EVERYTHING: Final = frozenset({"number", "stamp", "size"})
ENTITLED: Final = (
    Entitled(
        consumer="archive",
        topic="accepted.roads",
        may_see=lambda sent: sent.dataset == "roads",
        fields=EVERYTHING,
    ),
    Entitled(
        consumer="ministry",
        topic="view.schools-of-two",
        may_see=lambda sent: sent.dataset == "schools" and sent.agency != "west",
        fields=frozenset({"number", "stamp"}),
    ),
    Entitled(
        consumer="city",
        topic="view.even-roads",
        may_see=lambda sent: sent.dataset == "roads" and int(sent.key) % 2 == 0,
        fields=frozenset({"number"}),
    ),
    Entitled(
        consumer="archive",
        topic="view.even-roads",
        may_see=lambda sent: sent.dataset == "roads" and int(sent.key) % 2 == 0,
        fields=frozenset({"number"}),
    ),
)


@dataclass(slots=True, kw_only=True)
class Run:
    """A history and its evidence, still open to change."""

    events: list[Event] = field(default_factory=list)
    accepted: list[LogRecord] = field(default_factory=list)
    views: list[LogRecord] = field(default_factory=list)
    history: list[FundRow] = field(default_factory=list)
    current: list[CurrentRow] = field(default_factory=list)
    held: list[HeldRow] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    entitled: list[Entitled] = field(default_factory=lambda: list(ENTITLED))
    law: list[LawBalance] = field(default_factory=list)

    def check(self) -> list[Anomaly]:
        return check(history_of(self.events), self.evidence())

    def names(self) -> set[Name]:
        return {anomaly.name for anomaly in self.check()}

    def evidence(self) -> Evidence:
        return Evidence(
            accepted=self.accepted,
            views=self.views,
            history=self.history,
            current=self.current,
            held=self.held,
            refused=self.refused,
            quarantine=self.quarantine,
            delivered=self.delivered,
            entitled=self.entitled,
            law=self.law,
        )

    def sent(self) -> dict[str, Sent]:
        """By mark."""
        return dict(history_of(self.events).sent)
