"""Each board is drawn for the documentation, as it is now."""

from __future__ import annotations

from html import unescape

import pytest

from bus.texts import Language
from deploy.grafana.board import Board
from deploy.grafana.boards import ALL
from deploy.grafana.render import TEXTS
from tests.deploy.pictures import FOLDER
from tests.factories import ROOT

PAGE = (ROOT / "docs/how-to/see-the-boards.md").read_text(encoding="utf-8")
_BYTES_MAX = 300_000
AGAIN = "draw it again: `python -m tests.deploy.pictures`"


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_a_board_is_drawn_with_every_panel_that_it_has_now(board: Board) -> None:
    file = FOLDER / f"{board.uid}.svg"
    picture = unescape(file.read_text(encoding="utf-8"))
    for key in ("title", *(f"{panel.name}.title" for panel in board.panels)):
        assert f">{TEXTS.text(f'{board.uid}.{key}', Language.EN)}<" in picture, AGAIN
    assert "no data" not in picture, AGAIN
    assert file.stat().st_size < _BYTES_MAX
    assert f"(../images/boards/{file.name})" in PAGE


def test_nothing_else_is_drawn() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {board.uid for board in ALL}
