"""What a runbook tells people to type is a command that there is, with options that it has."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bus.cli.main import app
from tests.deploy.rules import alerts
from tests.deploy.runbooks import PAGES, commands


def parsed(command: str) -> str:
    """Parse a command as the command line would, run nothing; give the name of what would run.

    Raises what the command line raises at a wrong option.
    """
    program, *arguments = shlex.split(command)
    assert program == "bus", command
    found: Any = typer.main.get_command(app)
    path = []
    context = None
    while True:
        context = found.make_context(program, arguments, parent=context)
        path.append(program)
        if not hasattr(found, "resolve_command"):
            return " ".join(path)
        left = [*context._protected_args, *context.args]
        program, found, arguments = found.resolve_command(context, left)


def test_there_is_a_page_for_each_alert_and_none_else() -> None:
    assert [page.stem for page in PAGES] == sorted({alert.name for alert in alerts()})


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_command_of_a_runbook_is_one(page: Path) -> None:
    names = [parsed(command) for command in commands(page)]
    assert all(name.startswith("bus ") for name in names)


def test_a_command_that_is_none_is_found() -> None:
    assert parsed("bus quarantine list --agency education-samara") == "bus quarantine list"
    for wrong in (
        "bus quarantine look",
        "bus quarantine list --provider education-samara",
        "bus key revoke edu-registry.1",
        "bus connector check",
    ):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parsed(wrong)


def test_every_page_has_something_to_type() -> None:
    assert all(list(commands(page, "What to look at")) for page in PAGES)
