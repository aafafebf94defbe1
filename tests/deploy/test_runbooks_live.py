"""What runbooks tell people to look at is shown by a live bus."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bus.cli.main import app
from bus.wiring import Installation
from tests.deploy.runbooks import PAGES, commands
from tests.factories import ROOT

LOOKS = sorted(
    {
        command
        for page in PAGES
        for command in commands(page, "What to look at")
        # An agency's inbox is asked of a gateway; `schools` reads changes of a database.
        if not (command.startswith("bus request inbox ") or command.endswith(" schools"))
    }
)
CONNECTOR = """\
connector: schools-folder
source: folder
system: edu-registry
dataset: educational-institutions
config:
  folder: {folder}
  files: ["*.csv"]
  when_done: move
"""


@pytest.mark.parametrize("command", LOOKS)
def test_a_command_to_look_with_shows_something(
    installation: Installation, tmp_path: Path, command: str
) -> None:
    documents = installation.home / "connectors"
    documents.mkdir(exist_ok=True)
    content = CONNECTOR.format(folder=shutil.copytree(ROOT / "docs/examples", tmp_path / "exports"))
    (documents / "schools-folder.yaml").write_text(content, encoding="utf-8")
    _, *arguments = shlex.split(command)
    runner = CliRunner(env={"BUS_HOME": str(installation.home), "COLUMNS": "200"})
    looked = runner.invoke(app, [*arguments])
    assert looked.exception is None or isinstance(looked.exception, SystemExit), looked.output
    # 1 says that something was found: no worker runs here, for one.
    assert looked.exit_code in (0, 1), looked.output
    assert looked.output.strip()
