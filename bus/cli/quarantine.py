"""`bus quarantine`: what was set aside, why, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, TypeVar

import typer
from rich.markup import escape

from bus.audit.note import act_note
from bus.audit.notes import note_at
from bus.cli.context import installation, language, region
from bus.cli.output import (
    JsonOption,
    heading,
    headings,
    plain,
    print_json,
    print_table,
    results,
    tell,
)
from bus.cli.quarantine_decisions import discard, release
from bus.client.own_quarantine import OwnCause, by_cause, read_own_quarantine
from bus.contracts.rules import Rule
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.verdict import Reason
from bus.quarantine.decision import Decision, DecisionKind, Grounds, grounds_of
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.entry import QuarantineState
from bus.quarantine.sight import Sight, see
from bus.quarantine.store import QuarantineDetail, QuarantineFilter, QuarantineStore
from bus.texts import text

app = typer.Typer(no_args_is_help=True, help="Records that were set aside, and why.")
app.command()(release)
app.command()(discard)
T = TypeVar("T")


@app.command("list")
def list_(
    *,
    agency: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset's.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only with this reason.")] = None,
    state: Annotated[QuarantineState, typer.Option(help="Only in this state.")] = (
        QuarantineState.OPEN
    ),
    system: Annotated[
        str | None,
        typer.Option("--as", help="As a provider's system: its own, in every state, from Kafka."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List entries grouped by cause, most frequent first.

    Example: bus quarantine list --agency education-samara

    Example: bus quarantine list --as edu-registry
    """
    wanted = QuarantineFilter(
        agency=AgencyCode(agency) if agency else None,
        dataset=DatasetCode(dataset) if dataset else None,
        reason=reason,
        state=state,
    )
    if system is not None:
        _print_own(_own(SystemCode(system), wanted), json=json)
        return
    causes = _ask(lambda store: store.causes(wanted))
    if json:
        print_json(causes)
    else:
        print_table(
            headings("number", "agency", "dataset", "reason", "where", "rules", "newest"),
            [
                [c.count, c.agency, c.dataset, c.reason, c.path, ", ".join(c.rules), c.example]
                for c in causes
            ],
        )


def _own(system: SystemCode, wanted: QuarantineFilter) -> list[OwnCause]:
    entries = asyncio.run(read_own_quarantine(installation().cluster_as(system), system))
    return by_cause(
        one
        for one in entries
        if (wanted.dataset is None or one.dataset == wanted.dataset)
        and (wanted.reason is None or one.reason is wanted.reason)
    )


def _print_own(causes: Sequence[OwnCause], *, json: bool) -> None:
    if json:
        print_json(causes)
        return
    print_table(
        headings("number", "dataset", "reason", "where", "rules", "state", "because", "newest"),
        [
            [
                *(c.count, c.dataset, c.reason, c.path, ", ".join(c.rules), c.state, c.because),
                c.example,
            ]
            for c in causes
        ],
    )


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="Quarantine id: topic/partition/offset.")],
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data; who asks is recorded first.")
    ] = False,
    by: Annotated[str, typer.Option(help="With --reveal: the post that looks.")] = "",
    because: Annotated[str, typer.Option(help="With --reveal: what for.")] = "",
    json: JsonOption = False,
) -> None:
    """Explain one entry: reasons, decisions, and the record with personal fields masked.

    Example: bus quarantine show in.education-samara.educational-institutions/0/17
    """
    grounds = grounds_of(DecisionKind.REVEAL, by=by, because=because) if reveal else None
    found = asyncio.run(_look(entry, grounds))
    if found is None:
        tell("quarantine.holds_no", entry=entry)
        raise typer.Exit(1)
    if json:
        print_json(found)
    else:
        _print_detail(found.entry)
        _print_fate(found)
        _print_sight(found.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """All that is shown of one entry."""

    entry: QuarantineDetail
    decisions: Sequence[Decision]
    answered_by: str | None
    """Record id of the fund's record that names the entry."""
    record: Sight


async def _look(entry: str, grounds: Grounds | None) -> _Found | None:
    dsn = installation().fund_dsn()
    store = await QuarantineStore.open(dsn)
    try:
        detail, original = await store.show(entry), await store.original(entry)
    finally:
        await store.close()
    if detail is None or original is None:
        return None
    decisions = await DecisionStore.open(dsn)
    try:
        if grounds is not None:
            noted = act_note("quarantine_reveal", id=entry, **asdict(grounds))
            await note_at(dsn, [noted])
            await decisions.record_reveal(entry, grounds)
        return _Found(
            entry=detail,
            decisions=await decisions.decisions_of(entry),
            answered_by=await decisions.resolved_by(entry),
            record=see(original, detail.dataset, region(), reveal=grounds is not None),
        )
    finally:
        await decisions.close()


def _print_fate(found: _Found) -> None:
    spoken = language()
    for one in found.decisions:
        said = text(
            "quarantine.decided_by" if one.second is None else "quarantine.decided_by_two",
            spoken,
            at=one.decided_at,
            kind=one.kind,
            by=one.by,
            second=one.second,
            because=one.because,
            number=one.number,
            count=one.count,
        )
        results.print(said, markup=False)
    if found.answered_by is not None:
        said = text("quarantine.answered_by", spoken, record=found.answered_by)
        results.print(said, markup=False)


def _print_sight(sight: Sight) -> None:
    spoken = language()
    if sight.fields is None:
        results.print(
            text(
                "quarantine.undecodable",
                spoken,
                value_bytes=sight.value_bytes,
                key_bytes=sight.key_bytes,
                headers_bytes=sight.headers_bytes,
            ),
            markup=False,
        )
        return
    masked = text("quarantine.masked", spoken)
    print_table(
        headings("field", "class", "value"),
        [
            [one.name, one.classification, masked if one.is_masked else _printable(one.value)]
            for one in sight.fields
        ],
    )


def _printable(value: object) -> str:
    """Write a stranger's value so that it can't steer the terminal or be taken for markup."""
    written = escape(str(plain(value)))
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in written)


def _print_detail(detail: QuarantineDetail) -> None:
    print_table(
        ["", ""],
        [
            [heading("id"), detail.id],
            [heading("agency"), detail.agency],
            [heading("dataset"), detail.dataset],
            [heading("reason"), detail.reason],
            [heading("where"), detail.path],
            [heading("appended"), detail.appended_at],
            [heading("catalogue"), detail.catalogue],
            [heading("state"), detail.state],
        ],
    )
    spoken = language()
    results.print(text(f"reason.{detail.reason}", spoken), markup=False)
    rules = _rules(detail.dataset)
    for violation in detail.violations:
        rule = rules.get(violation.rule)
        demanded = "" if rule is None else getattr(rule.text, spoken.value)
        results.print(
            f"- {violation.path}: {demanded} [{violation.rule}, {violation.severity}]", markup=False
        )


def _rules(dataset: DatasetCode) -> dict[str, Rule]:
    contract = region().contracts.get(dataset)
    if contract is None:
        return {}
    return {rule.id: rule for version in contract.schema_versions for rule in version.rules}


def _ask(ask: Callable[[QuarantineStore], Awaitable[T]]) -> T:
    async def asked() -> T:
        store = await QuarantineStore.open(installation().fund_dsn())
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(asked())
