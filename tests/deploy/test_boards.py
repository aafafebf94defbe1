"""Boards as they are committed: of the code that makes them, whole, and told in two languages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from bus.texts import Language
from deploy.grafana.board import VALUES_OF, Board, Form, Panel, Query
from deploy.grafana.boards import ALL
from deploy.grafana.boards.health import HEALTH
from deploy.grafana.generate import FOLDER, files
from deploy.grafana.render import TEXTS, rendered, uid_of
from tests.deploy.rules import BOARDS, Alert, alerts, groups, metrics_in
from tests.factories import ROOT

every_board = pytest.mark.parametrize("board", ALL, ids=[board.uid for board in ALL])


def panels(board: Board, language: Language = Language.EN) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rendered(board, language))["panels"]
    return found


def test_what_is_committed_is_what_the_code_makes() -> None:
    written = {
        str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*.json")
    }
    assert written == files(), "run `make reference`"


def test_every_board_that_an_alert_leads_to_is_there_and_no_other() -> None:
    assert {board.uid for board in ALL} == set(BOARDS)


RECORDED = {
    rule["record"]: rule["expr"]
    for group in groups()
    for rule in group["rules"]
    if "record" in rule
}


def scraped(expr: str) -> set[str]:
    """Name the series of the bus behind an expression, those behind recorded ones too."""
    found = set[str]()
    for name in metrics_in(expr):
        found |= scraped(RECORDED[name]) if name in RECORDED else {name}
    return {re.sub("_(bucket|count|sum)$", "", name) for name in found if name != "ALERTS"}


@pytest.mark.parametrize(
    "alert", alerts(), ids=lambda alert: f"{alert.name}-{alert.labels['severity']}"
)
def test_an_alert_leads_to_a_board_that_shows_what_it_looks_at(alert: Alert) -> None:
    uid = alert.annotations["dashboard"].removeprefix("/d/").partition("?")[0]
    (board,) = [one for one in ALL if one.uid == uid]
    shown = set[str]().union(
        *(scraped(query.expr) for panel in board.panels for query in panel.queries)
    )
    assert scraped(alert.expr) - shown == set()


def test_no_two_boards_have_one_uid() -> None:
    uids = [uid_of(board, language) for board in ALL for language in Language]
    assert len(set(uids)) == len(uids)


@every_board
def test_a_panel_says_what_it_answers_and_can_be_asked(board: Board) -> None:
    for language in Language:
        found = panels(board, language)
        assert len({panel["id"] for panel in found}) == len(found)
        for panel in found:
            assert panel["title"]
            assert panel["description"].endswith((".", "?")), panel["title"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
            assert panel["fieldConfig"]["defaults"]["unit"]
            letters = [target["refId"] for target in panel["targets"]]
            assert letters == list("ABCDEFGH"[: len(letters)])
            assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@every_board
def test_panels_stand_side_by_side_within_the_grid(board: Board) -> None:
    places = [panel["gridPos"] for panel in panels(board)]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y


@every_board
def test_both_languages_ask_the_same(board: Board) -> None:
    asked = [
        [[target["expr"] for target in panel["targets"]] for panel in panels(board, language)]
        for language in Language
    ]
    assert asked[0] == asked[1]


def test_every_text_is_used_and_russian_is_russian() -> None:
    used = {"link.boards", "mark.catalogue"}
    for board in ALL:
        used |= {f"{board.uid}.title", f"{board.uid}.reader"}
        used |= {f"variable.{one}" for one in board.variables}
        for panel in board.panels:
            used |= {f"{board.uid}.{panel.name}.title", f"{board.uid}.{panel.name}.asks"}
            for query in panel.queries:
                used |= {f"legend.{one[1:]}" for one in query.legend.split() if one[0] == "@"}
    assert used == set(TEXTS.all)
    for key, said in TEXTS.all.items():
        assert set(said) == set(Language), key
        assert re.search("[а-яё]", said["ru"]), key


def unknown_metrics(board: Board) -> set[str]:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    known = {
        *re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE),
        "up",
        "ALERTS",
        "scrape_samples_scraped",
    }
    known |= {"bus_process_resident_memory_bytes", "bus_process_cpu_seconds_total"}
    known |= {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    asked = {query.expr for panel in board.panels for query in panel.queries}
    named = set().union(*map(metrics_in, asked))
    return {name for name in named if re.sub("_(bucket|count)$", "", name) not in known}


@every_board
def test_a_board_asks_for_what_the_bus_exports(board: Board) -> None:
    assert unknown_metrics(board) == set()


def test_a_misspelt_metric_is_caught() -> None:
    wrong = Panel(
        name="accepted",
        form=Form.LINES,
        queries=(Query(expr="rate(bus_record_accepted_total[5m])"),),
    )
    assert unknown_metrics(replace(HEALTH, panels=(wrong,))) == {"bus_record_accepted_total"}


@every_board
def test_a_board_narrows_by_no_variable_that_it_does_not_have(board: Board) -> None:
    exprs = [query.expr for panel in board.panels for query in panel.queries]
    asked = " ".join([*exprs, *(VALUES_OF[variable] for variable in board.variables)])
    used = set(re.findall(r"\$(\w+)", asked)) - {"__rate_interval", "__range"}
    assert used == {variable.value for variable in board.variables}
