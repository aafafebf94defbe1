"""The account at the end: what was counted, held against the law and the expectation. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bus.demo.delays import Percentiles, percentiles
from bus.demo.expectation import Expectation
from bus.demo.flow import Flow
from bus.demo.outcome import Outcome
from bus.model.identifiers import SystemCode
from bus.model.record import Operation
from bus.model.verdict import Reason
from bus.quarantine.entry import QuarantineState
from bus.verify.law import Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What `bus demo` tells, in the order in which it tells it."""

    published: int
    """Attempts: rows given to publishers, and records of the careless client."""
    accepted: int
    """Distinct records in the accepted topics."""
    repeats: int
    """Rows that publishers did not send again, and records that a provider sent twice."""
    quarantined: Mapping[Reason, int]
    delivered: Mapping[SystemCode, int]
    """Distinct records for each consumer's system, over all that it reads."""
    first_loads: int
    """Consumers that began in the middle, by a load from the data fund, and then read on."""
    fund_rows: int
    """Rows of the history tables."""
    operations: Mapping[Operation, int]
    """The same by what they did."""
    rule_kinds: tuple[str, ...]
    """Kinds of the rules that were broken."""
    released: int
    """Entries of quarantine that were accepted after their rule was mended."""
    resolved: int
    """Entries that a new record of their provider answered."""
    as_of: Mapping[str, int | None]
    """Version of one institution that stood when the first act ended, and now."""
    contracts_refused: int
    """By the gate, for want of an optimised process."""
    requests: Mapping[str, int]
    """Data requests: answered from the fund, answered by the provider, refused by the bus."""
    answer_ms: Percentiles
    """Of those answered from the fund, from the question to the proved record."""
    granted_after_s: float | None
    """From an agreement's second approval to the first record that reached its reader."""
    revoked_after_s: float | None
    """From its end, under load, to the last record that reached a client of its reader."""
    leaked: int | None
    """Records that reached it later than five seconds after the end, or with more than agreed."""
    letters_replaced: int
    """By answers to data requests, and by deliveries that a process passport names."""
    lost: int
    """Records without an outcome, accepted ones without a row, granted ones not delivered."""
    duplicated: int
    """Rows of one record beyond the first, outcomes without a record, second deliveries."""
    publish_to_consumer_ms: Percentiles
    publish_to_fund_ms: Percentiles
    kafka: str
    postgresql: str
    seconds: float
    """The whole run, engines' start and stop included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Figures, and what is wrong with them."""

    figures: Figures
    problems: tuple[str, ...]
    """For people; empty when everything is as it must be."""


def draw_up(
    flow: Flow,
    found: Verification,
    outcome: Outcome,
    expected: Expectation,
    *,
    kafka: str,
    postgresql: str,
) -> Account:
    """Hold what was counted against the conservation law and against what was expected.

    Args:
        flow: Everything settled, and read after that.
        found: The law over the same records.
        outcome: Counts of the database at the end.
        expected: From the programme.
        kafka: Version.
        postgresql: Version.
    """
    quarantined = flow.reading.quarantined
    conflicts = quarantined.get(Reason.CONFLICTING_VERSION, 0)
    # Why not the fund's own count of repeats: there enforcement's redeliveries count as well.
    sent_twice = sum(law.accepted for law in found.inbound) - conflicts - found.accepted_ids
    repeats = flow.repeats + sent_twice
    published = flow.published.total()
    released = outcome.states.get(QuarantineState.RELEASED, 0)
    set_aside = sum(quarantined.values()) - released
    unaccounted = published - found.accepted_ids - repeats - set_aside
    delivered: Counter[SystemCode] = Counter()
    for receipts in flow.receipts:
        delivered[receipts.system] += len(receipts.counts)
    life = flow.lifetime
    figures = Figures(
        published=published,
        accepted=found.accepted_ids,
        repeats=repeats,
        quarantined=dict(sorted(quarantined.items(), key=lambda item: (-item[1], item[0]))),
        delivered=dict(sorted(delivered.items())),
        first_loads=sum(one.is_late for one in flow.receipts),
        fund_rows=sum(law.history for law in found.accepted),
        operations=dict(sorted(outcome.operations.items())),
        rule_kinds=outcome.rule_kinds,
        released=released,
        resolved=outcome.states.get(QuarantineState.RESOLVED, 0),
        as_of={"then": flow.version_then, "now": flow.version_now},
        contracts_refused=flow.contracts_refused,
        requests=dict(flow.requests),
        answer_ms=percentiles(flow.answer_ms),
        granted_after_s=None if life is None else life.granted_after_s,
        revoked_after_s=None if life is None else life.revoked_after_s,
        leaked=None if life is None else life.leaked,
        letters_replaced=flow.letters_replaced,
        lost=_lost(flow, found, expected) + max(0, unaccounted),
        duplicated=_duplicated(flow, found) + max(0, -unaccounted),
        publish_to_consumer_ms=percentiles(flow.to_consumer_ms),
        publish_to_fund_ms=percentiles(flow.to_fund_ms),
        kafka=kafka,
        postgresql=postgresql,
        seconds=0.0,
    )
    return Account(figures=figures, problems=tuple(_problems(figures, found, expected)))


def _lost(flow: Flow, found: Verification, expected: Expectation) -> int:
    undelivered = sum(
        max(0, expected.delivered[one.system, one.dataset] - len(one.counts))
        for one in flow.receipts
    )
    without_outcome = sum(law.lost for law in found.inbound)
    without_row = sum(law.missing for law in found.quarantine)
    return without_outcome + without_row + found.lost_in_fund + undelivered


def _duplicated(flow: Flow, found: Verification) -> int:
    invented = sum(law.invented for law in found.inbound)
    return invented + found.doubled_in_fund + sum(one.doubled for one in flow.receipts)


def _problems(figures: Figures, found: Verification, expected: Expectation) -> Iterator[str]:
    if not found.holds:
        yield "the conservation law does not hold; `bus verify` shows where"
    if figures.lost or figures.duplicated:
        yield f"{figures.lost} records lost, {figures.duplicated} duplicated"
    counts = (
        ("accepted", figures.accepted, expected.accepted),
        ("rows in the fund", figures.fund_rows, expected.accepted),
        ("repeats", figures.repeats, expected.repeats),
        *(
            (reason, figures.quarantined.get(reason, 0), expected.quarantined.get(reason, 0))
            for reason in sorted({*figures.quarantined, *expected.quarantined})
        ),
        *(
            (f"records that {operation}", figures.operations.get(operation, 0), count)
            for operation, count in sorted(expected.operations.items())
        ),
        ("released", figures.released, expected.released),
        ("resolved", figures.resolved, expected.resolved),
        ("version as of the first act", figures.as_of["then"], 1),
        ("version as of now", figures.as_of["now"], 2),
        ("contracts refused", figures.contracts_refused, 1),
        *(
            (f"data requests {name}", figures.requests.get(name, 0), count)
            for name, count in sorted(expected.requests.items())
        ),
        ("leaked to a reader whose agreement had ended", figures.leaked, 0),
        ("letters replaced", figures.letters_replaced, expected.letters),
        *(
            (f"delivered to {system}", figures.delivered.get(system, 0), count)
            for system, count in sorted(_by_system(expected).items())
        ),
    )
    for what, count, wanted in counts:
        if count != wanted:
            yield f"{what}: {count}, where the records published must come to {wanted}"


def _by_system(expected: Expectation) -> Counter[SystemCode]:
    counts: Counter[SystemCode] = Counter()
    for (system, _), count in expected.delivered.items():
        counts[system] += count
    return counts
