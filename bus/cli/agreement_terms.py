"""`bus agreement draft` and `change`: the terms, before anybody approves them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from bus.cli import context
from bus.cli.agreement_output import plain_agreement, state_word
from bus.cli.output import JsonOption, print_json, tell
from bus.provision import agreement_terms
from bus.texts import text

_PARTS: int = 3
_DAY = ["%Y-%m-%d"]

NewArgument = Annotated[str, typer.Argument(help="Its id, also the file's name.")]
AgreementArgument = Annotated[str, typer.Argument(help="Its id.")]
ProviderOption = Annotated[
    list[str] | None, typer.Option(help="Providing agency; again for more; none: all of them.")
]
FieldOption = Annotated[
    list[str] | None, typer.Option(help="Field; again for more; none: all, now and later.")
]
RowOption = Annotated[
    list[str] | None,
    typer.Option(help="Demand on a row, 'FIELD OPERATOR VALUE,VALUE'; all must hold."),
]
HistoryOption = Annotated[
    datetime | None, typer.Option(formats=_DAY, help="First day of history; none: all.")
]


def draft(
    agreement: NewArgument,
    *,
    system: Annotated[list[str], typer.Option(help="Reading system of the consumer; or several.")],
    dataset: Annotated[str, typer.Option(help="What is to be received.")],
    provider: ProviderOption = None,
    field: FieldOption = None,
    row: RowOption = None,
    history_from: HistoryOption = None,
    purpose_ru: Annotated[str, typer.Option(help="What for, in Russian.")],
    purpose_en: Annotated[str, typer.Option(help="What for, in English.")],
    legal_basis: Annotated[str, typer.Option(help="Act and article.")],
    valid_from: Annotated[datetime, typer.Option(formats=_DAY, help="First day, UTC.")],
    valid_to: Annotated[datetime, typer.Option(formats=_DAY, help="Last day, UTC.")],
    json: JsonOption = False,
) -> None:
    """Draft an agreement, as the consumer; it grants nothing until both sides approve it.

    Example: bus agreement draft portal-births --system region-portal --dataset births
    --purpose-ru "Показ" --purpose-en "Showing" --legal-basis "Article 7.1"
    --valid-from 2027-01-01 --valid-to 2028-12-31
    """
    members = {
        "systems": system,
        "dataset": dataset,
        "providers": provider or None,
        "fields": field or None,
        "rows": _rows(row),
        "history_from": _day(history_from),
        "purpose": {"ru": purpose_ru, "en": purpose_en},
        "legal_basis": legal_basis,
        "valid_from": _day(valid_from),
        "valid_to": _day(valid_to),
    }
    current = context.installation()
    _tell(
        agreement_terms.draft(current.settings.region, current.home, agreement, members), json=json
    )


def change(
    agreement: AgreementArgument,
    *,
    system: Annotated[list[str] | None, typer.Option(help="Reading system; or several.")] = None,
    provider: ProviderOption = None,
    field: FieldOption = None,
    row: RowOption = None,
    history_from: HistoryOption = None,
    legal_basis: Annotated[str | None, typer.Option(help="Act and article.")] = None,
    valid_from: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="First day, UTC.")
    ] = None,
    valid_to: Annotated[datetime | None, typer.Option(formats=_DAY, help="Last day, UTC.")] = None,
    json: JsonOption = False,
) -> None:
    """Change terms of an agreement, or renew it; both sides have to approve it again.

    What is given takes the place of what stands there. To take a limit away, edit the document.

    Example: bus agreement change portal-municipalities --valid-to 2030-12-31
    """
    members = {
        "systems": system,
        "providers": provider,
        "fields": field,
        "rows": _rows(row),
        "history_from": _day(history_from),
        "legal_basis": legal_basis,
        "valid_from": _day(valid_from),
        "valid_to": _day(valid_to),
    }
    given = {name: value for name, value in members.items() if value}
    current = context.installation()
    _tell(
        agreement_terms.change(current.settings.region, current.home, agreement, given), json=json
    )


def _rows(given: list[str] | None) -> list[dict[str, object]] | None:
    if not given:
        return None
    rows: list[dict[str, object]] = []
    for one in given:
        parts = one.split(maxsplit=_PARTS - 1)
        if len(parts) != _PARTS:
            raise typer.BadParameter(text("error.agreement.row_parts", context.language(), row=one))
        rows.append({"field": parts[0], "op": parts[1], "values": parts[2].split(",")})
    return rows


def _day(given: datetime | None) -> str | None:
    return None if given is None else given.date().isoformat()


def _tell(written: agreement_terms.WrittenTerms, *, json: bool) -> None:
    now = context.now()
    state = written.agreement.state_at(now)
    if json:
        print_json({**plain_agreement(written.agreement, now), "file": str(written.file)})
    else:
        tell("agreement.terms_written", file=written.file, state=state_word(state))
