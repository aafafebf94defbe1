"""`bus connector`: writing, checking, running and proving connectors; a plug-in of the bus's CLI.

Composes: it reads settings, credentials and documents, and hands them over.
"""

from __future__ import annotations

import typer

from connectors.cli import beginning, looking, offsets, proving, running

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Bring an agency's source onto the bus.\n\nExample: bus connector list",
)
app.add_typer(offsets.app, name="offsets")
app.command("list")(looking.list_)
app.command("docs")(looking.docs)
app.command("new")(beginning.new)
app.command("discover")(beginning.discover)
app.command("check")(looking.check_)
app.command("run")(running.run)
app.command("backfill")(running.backfill)
app.command("pause")(running.pause)
app.command("resume")(running.resume)
app.command("test")(proving.prove)
