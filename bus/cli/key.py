"""`bus key`: systems' signing keys over time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bus.access.keys import keys_of, rotate
from bus.cli.context import installation, now, region
from bus.cli.output import JsonOption, headings, print_json, print_table, tell
from bus.errors import DocumentError
from bus.model.identifiers import KeyId, SystemCode
from bus.provision.key_revocation import revoke_key
from bus.texts import message

app = typer.Typer(no_args_is_help=True, help="Signing keys over time.")

_OVERLAP_DAYS = 7


@app.command("list")
def list_(
    system: Annotated[str | None, typer.Argument(help="Only those of this system.")] = None,
    *,
    json: JsonOption = False,
) -> None:
    """List keys with the time in which each may sign.

    Example: bus key list edu-registry
    """
    found = [key for key in keys_of(installation().home) if system in {None, key.system}]
    if json:
        print_json(
            [
                {
                    "key": key.key_id,
                    "system": key.system,
                    "valid_from": key.valid_from,
                    "valid_to": key.valid_to,
                    "revoked_at": key.revoked_at,
                }
                for key in found
            ]
        )
        return
    print_table(
        headings("signing_key", "system", "valid_from", "valid_to", "revoked"),
        [[key.key_id, key.system, key.valid_from, key.valid_to, key.revoked_at] for key in found],
    )


@app.command("rotate")
def rotate_(
    system: Annotated[str, typer.Argument(help="Code of the system.")],
    *,
    overlap_days: Annotated[
        int, typer.Option(min=1, max=365, help="Days in which the present key may still sign.")
    ] = _OVERLAP_DAYS,
    json: JsonOption = False,
) -> None:
    """Make a system's next signing key; nothing stands still meanwhile.

    Programs that start ten minutes from now on sign with it; apply the catalogue before.

    Example: bus key rotate edu-registry && bus catalogue apply
    """
    known = [one.code for agency in region().agencies.values() for one in agency.systems]
    if system not in known:
        listed = ", ".join(sorted(known))
        raise DocumentError(message("error.cli.no_such_system", systems=system, known=listed))
    home = installation().home
    rotation = rotate(home, SystemCode(system), now(), timedelta(days=overlap_days))
    if json:
        print_json(rotation)
        return
    tell(
        "key.rotated",
        key=rotation.key_id,
        used_from=rotation.used_from,
        former=rotation.former,
        until=rotation.former_until,
    )


@app.command("revoke")
def revoke_(
    key: Annotated[str, typer.Argument(help="Key id, e.g. edu-registry.1.")],
    *,
    since: Annotated[
        datetime,
        typer.Option(
            help="Moment in UTC from which others may have had it, 2026-05-01T09:00:00.",
            formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Take a key out of force, list what it signed since a moment, and note that as doubted.

    Applies the catalogue. Exit 1 where anything is in doubt: its provider has to decide.

    Example: bus key revoke edu-registry.1 --since 2026-05-01T09:00:00
    """
    current = installation()
    tell("key.revoking", key=key)
    revocation = asyncio.run(
        revoke_key(
            current.settings.region,
            current.home,
            KeyId(key),
            since.replace(tzinfo=UTC),
            cluster=current.cluster_as_admin(),
            fund_dsn=current.fund_dsn(),
            clock=now,
        )
    )
    if json:
        print_json(revocation)
    else:
        print_table(
            headings("agency", "dataset", "key", "version", "record_id", "from"),
            [
                [one.agency, one.dataset, one.key, one.version, one.record_id, one.place]
                for one in revocation.signed
            ],
        )
        counts = {"count": len(revocation.signed), "new": revocation.newly_doubted}
        tell("key.revoked", key=key, at=revocation.revoked_at, **counts)
    if revocation.signed:
        raise typer.Exit(1)
