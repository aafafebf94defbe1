"""What runbooks tell people to look at is shown by a live bus."""

from __future__ import annotations

import shlex

import pytest
from typer.testing import CliRunner

from bus.cli.main import app
from bus.wiring import Installation
from tests.deploy.runbooks import PAGES, commands

LOOKS = sorted(
    {
        command
        for page in PAGES
        for command in commands(page, "What to look at")
        # A connector's document is its own host's; an agency's inbox is asked of a gateway.
        if not command.startswith(("bus connector ", "bus request inbox "))
    }
)


@pytest.mark.parametrize("command", LOOKS)
def test_a_command_to_look_with_shows_something(installation: Installation, command: str) -> None:
    _, *arguments = shlex.split(command)
    runner = CliRunner(env={"BUS_HOME": str(installation.home), "COLUMNS": "200"})
    looked = runner.invoke(app, [*arguments])
    assert looked.exception is None or isinstance(looked.exception, SystemExit), looked.output
    # 1 says that something was found: no worker runs here, for one.
    assert looked.exit_code in (0, 1), looked.output
    assert looked.output.strip()
