"""What a person at a terminal sees: the flow while it runs, then what to try."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bus.demo.account import Account
from bus.demo.delays import Percentiles
from bus.demo.flow import Flow
from bus.texts import Language, text

_REASONS_SHOWN: Final = 5
"""The most frequent ones; a usual terminal has 24 lines."""


def flow_view(flow: Flow, spoken: Language) -> RenderableType:
    """Show the flow as it is: what came in, what became of it, who received it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="left", min_width=44)
    table.add_column(justify="right", min_width=9)
    for label, number, style in _rows(flow, spoken):
        table.add_row(Text(label, style=style), Text(f"{number:,}".replace(",", " "), style=style))
    return Group(Text(flow.headline, style="bold"), table)


def _rows(flow: Flow, spoken: Language) -> Iterator[tuple[str, int, str]]:
    reading = flow.reading
    yield text("demo.published", spoken), flow.published.total(), "bold"
    for system, number in sorted(flow.published.items()):
        yield f"  {system}", number, ""
    yield text("demo.repeats", spoken), flow.repeats, ""
    yield text("demo.fund_rows", spoken), reading.fund_rows, "bold green"
    yield text("demo.quarantined", spoken), sum(reading.quarantined.values()), "bold yellow"
    by_number = sorted(reading.quarantined.items(), key=lambda item: -item[1])
    for reason, number in by_number[:_REASONS_SHOWN]:
        yield f"  {reason}", number, "yellow"
    others = by_number[_REASONS_SHOWN:]
    if others:
        label = text("demo.other_reasons", spoken, count=len(others))
        yield f"  {label}", sum(number for _, number in others), "yellow"
    for one in flow.receipts:
        key = "demo.delivered_masked" if one.is_masked else "demo.delivered_whole"
        label = text(key, spoken, system=one.system, dataset=one.dataset)
        yield label, len(one.counts), "cyan"
    lag = reading.enforce_lag + reading.fund_lag + reading.quarantine_lag
    yield text("demo.lag", spoken), lag, "dim"


def account_view(account: Account, spoken: Language) -> RenderableType:
    """Show what the run came to."""
    figures = account.figures
    lines = [
        text(
            "demo.account",
            spoken,
            published=figures.published,
            accepted=figures.accepted,
            repeats=figures.repeats,
            quarantined=sum(figures.quarantined.values()),
            rows=figures.fund_rows,
        ),
        text("demo.to_consumer", spoken, **_in_words(figures.publish_to_consumer_ms)),
        text("demo.to_fund", spoken, **_in_words(figures.publish_to_fund_ms)),
        text("demo.answers", spoken, **_in_words(figures.answer_ms)),
        text(
            "demo.agreement",
            spoken,
            granted=figures.granted_after_s,
            revoked=figures.revoked_after_s,
            leaked=figures.leaked,
        ),
        text("demo.lost", spoken, lost=figures.lost, duplicated=figures.duplicated),
    ]
    shown = [Text(line) for line in lines]
    if account.problems:
        shown += [Text(problem, style="bold red") for problem in account.problems]
    else:
        shown.append(Text(text("demo.law_holds", spoken), style="bold green"))
    return Group(*shown)


def _in_words(delays: Percentiles) -> dict[str, object]:
    return {"p50": "-" if delays.p50 is None else delays.p50, "p99": delays.p99}


def next_steps(
    *, home: Path, table_file: Path, example_key: str, example_entry: str | None
) -> tuple[tuple[str, str], ...]:
    """Name commands that work now, with ids that exist, each behind the key of what it is for.

    Args:
        home: Of the demonstration.
        table_file: A table of institutions that were not published yet.
        example_key: Registry number of an institution with two versions.
        example_entry: Quarantine id.
    """
    bus = f"bus --home {home}"
    entry = f"{bus} quarantine show {example_entry}"
    return (
        (
            "demo.try_get",
            f"{bus} fund get educational-institutions education-samara {example_key}",
        ),
        (
            "demo.try_history",
            f"{bus} fund history educational-institutions education-samara {example_key}",
        ),
        ("demo.try_list", f"{bus} quarantine list --agency education-samara"),
        *([("demo.try_show", entry)] if example_entry is not None else []),
        (
            "demo.try_subscribe",
            f"{bus} subscribe educational-institutions --as health-analytics --from-beginning",
        ),
        (
            "demo.try_publish",
            f"{bus} publish {table_file} --as edu-registry --dataset educational-institutions",
        ),
        ("demo.try_verify", f"{bus} verify"),
    )
