"""`bus agreement approve`, `refuse`, `suspend`, `resume`, `end`: what a side decides, signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from bus.catalogue.decision import DecisionKind
from bus.catalogue.signing import Proposal
from bus.cli import context
from bus.cli.agreement_output import plain_agreement, state_word
from bus.cli.output import JsonOption, print_json, tell
from bus.model.identifiers import SystemCode
from bus.provision import agreement_decision
from bus.provision.agreement_decision import decide

AgreementArgument = Annotated[str, typer.Argument(help="Its id.")]
SystemOption = Annotated[
    str, typer.Option("--as", help="System whose key signs; its agency is the side that decides.")
]
PostOption = Annotated[str, typer.Option(help="Post of the person who decided, never a name.")]
AtOption = Annotated[
    datetime | None,
    typer.Option(
        help="Moment in UTC, 2026-05-01T09:00:00; else now.",
        formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
    ),
]


def approve(
    agreement: AgreementArgument,
    *,
    system: SystemOption,
    by: PostOption,
    json: JsonOption = False,
) -> None:
    """Approve an agreement as it stands, with a signature of one side.

    Example: bus agreement approve portal-municipalities --as region-portal --by "Head of services"
    """
    _decide(agreement, system, DecisionKind.APPROVE, by, json=json)


def refuse(
    agreement: AgreementArgument,
    *,
    system: SystemOption,
    by: PostOption,
    why: Annotated[str, typer.Option(help="Reason, for the other side.")],
    json: JsonOption = False,
) -> None:
    """Refuse a draft or a change; nothing is granted until its terms or the contract change.

    Example: bus agreement refuse portal-municipalities --as region-portal --by "Head" --why "Late"
    """
    _decide(agreement, system, DecisionKind.REFUSE, by, why=why.strip(), json=json)


def suspend(
    agreement: AgreementArgument,
    *,
    system: SystemOption,
    by: PostOption,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Let an agreement rest until the same side resumes it.

    Example: bus agreement suspend portal-municipalities --as region-portal --by "Head of services"
    """
    _decide(agreement, system, DecisionKind.SUSPEND, by, at=_moment(at), json=json)


def resume(
    agreement: AgreementArgument,
    *,
    system: SystemOption,
    by: PostOption,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Let an agreement go on that this side had suspended.

    Example: bus agreement resume portal-municipalities --as region-portal --by "Head of services"
    """
    _decide(agreement, system, DecisionKind.RESUME, by, at=_moment(at), json=json)


def end(
    agreement: AgreementArgument,
    *,
    system: SystemOption,
    by: PostOption,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """End an agreement before its last day, for good.

    Example: bus agreement end portal-municipalities --as region-portal --by "Head of services"
    """
    _decide(agreement, system, DecisionKind.END, by, at=_moment(at), json=json)


def approve_all(*, json: JsonOption = False) -> None:
    """Approve for both sides whatever waits for it, with all keys that lie here.

    For the sample region and for rehearsals, where one installation holds every agency's keys;
    where agencies decide, each approves for itself.

    Example: bus agreement approve-all
    """
    current = context.installation()
    region_file = current.settings.region
    written = agreement_decision.approve_all(region_file, current.home, context.now())
    if json:
        print_json({"written": written})
    else:
        tell("agreement.approved_all", count=len(written))


def _decide(
    agreement: str,
    system: str,
    kind: DecisionKind,
    by: str,
    *,
    json: bool,
    at: datetime | None = None,
    why: str | None = None,
) -> None:
    current, now = context.installation(), context.now()
    proposal = Proposal(kind=kind, by=by.strip(), on=now.astimezone(UTC).date(), at=at, why=why)
    region_file = current.settings.region
    written = decide(region_file, current.home, agreement, SystemCode(system), proposal, now)
    if json:
        after = plain_agreement(written.agreement, now)
        print_json({**after, "files": [str(file) for file in written.files]})
        return
    for file in written.files:
        tell("agreement.written", file=file)
    tell("agreement.comes_to", state=state_word(written.agreement.state_at(now)))


def _moment(at: datetime | None) -> datetime:
    """Give the moment of a decision, to the second; now where none is stated."""
    return (context.now() if at is None else at.replace(tzinfo=UTC)).replace(microsecond=0)
