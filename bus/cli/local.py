"""`bus local`: Kafka and PostgreSQL on this machine."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from bus import local as platform
from bus.cli.context import installation, language
from bus.cli.output import JsonOption, headings, print_json, print_table, talk, tell
from bus.texts import Message, message, text

app = typer.Typer(no_args_is_help=True, help="Kafka and PostgreSQL on this machine.")


@app.command()
def up(*, json: JsonOption = False) -> None:
    """Start both engines, or do nothing where they run. Data survive a restart.

    Example: bus local up
    """
    engines = platform.up(installation().home, progress=_say)
    if json:
        print_json(engines)
    else:
        print_table(
            headings("engine", "version", "address", "log"),
            [
                ["Kafka", engines.kafka_version, engines.kafka_bootstrap, engines.kafka_log],
                [
                    "PostgreSQL",
                    engines.postgres_version,
                    engines.postgres_dsn,
                    engines.postgres_log_folder,
                ],
            ],
        )


def _say(told: Message) -> None:
    talk.print(told.spoken(language()), markup=False)


@app.command()
def status(*, json: JsonOption = False) -> None:
    """Tell what runs; exit 3 when an engine does not.

    Example: bus local status --json
    """
    found = platform.status(installation().home)
    if json:
        print_json(found)
    else:
        print_table(
            headings("engine", "state", "process", "port", "log"),
            [
                [name, engine.state, engine.pid, engine.port, engine.log]
                for name, engine in (("Kafka", found.kafka), ("PostgreSQL", found.postgres))
            ],
        )
    if not found.is_up:
        raise typer.Exit(3)


@app.command()
def down(*, json: JsonOption = False) -> None:
    """Stop both engines cleanly; data stay.

    Example: bus local down
    """
    stopped = platform.down(installation().home)
    if json:
        print_json(stopped)
    else:
        tell(
            "local.ended",
            kafka=message(f"local.ending.{stopped.kafka}"),
            postgres=message(f"local.ending.{stopped.postgres}"),
        )


@app.command()
def reset(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Stop both engines and remove all their data, secrets and logs.

    Example: bus local reset --yes
    """
    home = installation().home
    if not yes:
        typer.confirm(text("local.confirm", language(), home=home), abort=True, err=True)
    platform.reset(home)
    # What clients remember of topics that are gone would mislead the next ones.
    for memory in ("publish", "subscribe"):
        shutil.rmtree(home / memory, ignore_errors=True)
    if json:
        print_json({"removed": home})
    else:
        tell("local.removed", home=home)
