"""Draw the boards from what a bus at work told a real Prometheus, for the documentation.

`python -m tests.deploy.pictures` starts engines, lets every part of the bus do something, asks each
panel's own queries and writes `docs/images/boards/<board>.svg`: what is asked, and what was
answered. Not Grafana's look, but its questions, its places and its units.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bus.local import reset, up
from bus.texts import Language
from deploy.grafana.board import Board, Form, Panel, Query, Unit
from deploy.grafana.boards import ALL
from deploy.grafana.render import TEXTS, legend_of, placed
from tests.deploy.alerting import call
from tests.deploy.busy import ending_key, filled, work
from tests.deploy.tools import find_tools
from tests.deploy.watched import watched
from tests.factories import ROOT
from tests.flow.conftest import enrolled_at

FOLDER: Final = ROOT / "docs/images/boards"
SHOWN_S: Final = 150.0
_COLUMNS: Final = 24
_INCHES_WIDE: Final = 15.0
_ROW_INCHES: Final = 0.42
_LINES_MAX: Final = 8
_ROWS_MAX: Final = 7
_COLOURS: Final = (
    "#1f6fb4",
    "#d9822b",
    "#3a9d4f",
    "#c0392b",
    "#7d5ba6",
    "#8c6d46",
    "#d36ba8",
    "#777",
)
_GREEN, _AMBER, _RED = "#2c7a3f", "#c77700", "#b3261e"


class Answer(NamedTuple):
    """One series of an answer."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]
    """Seconds since 1970 UTC, value; finite ones."""


def asked(prometheus: str, expr: str, now_s: float) -> list[Answer]:
    """Ask a query over the time shown; a number is its latest, for the bus has ended by then."""
    query = {"query": filled(expr), "start": str(now_s - SHOWN_S), "end": str(now_s), "step": "2"}
    found = call(f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(query)}")
    answers = [_answer(one) for one in found["data"]["result"]]
    return [one for one in answers if one.points]


def _answer(one: Mapping[str, Any]) -> Answer:
    points = [(float(at), float(value)) for at, value in one["values"]]
    labels = {name: value for name, value in one["metric"].items() if name != "__name__"}
    return Answer(labels, [point for point in points if math.isfinite(point[1])])


def drawn(board: Board, prometheus: str, now_s: float) -> Figure:
    """Draw one board in English."""
    places = list(placed(board))
    rows = max(place.y + place.h for _, place in places)
    height = rows * _ROW_INCHES + 0.8
    figure = Figure(figsize=(_INCHES_WIDE, height), facecolor="#f4f5f7")
    title = TEXTS.text(f"{board.uid}.title", Language.EN)
    figure.text(0.012, 1 - 0.3 / height, title, fontsize=14, fontweight="bold")
    for panel, place in places:
        top = 1 - (0.55 + place.y * _ROW_INCHES) / height
        tall = place.h * _ROW_INCHES / height
        axes = figure.add_axes(
            (
                place.x / _COLUMNS + 0.035,
                top - tall + 0.42 / height,
                place.w / _COLUMNS - 0.05,
                tall - 0.85 / height,
            )
        )
        axes.set_title(
            TEXTS.text(f"{board.uid}.{panel.name}.title", Language.EN), fontsize=9, loc="left"
        )
        answers = [one for query in panel.queries for one in asked(prometheus, query.expr, now_s)]
        match panel.form:
            case Form.NUMBER:
                _number(axes, panel, answers)
            case Form.TABLE:
                _table(axes, panel, answers)
            case Form.LINES | Form.STACK:
                _lines(axes, panel, prometheus, now_s)
    return figure


def _number(axes: Axes, panel: Panel, answers: Sequence[Answer]) -> None:
    axes.axis("off")
    latest = answers[0].points[-1][1] if answers else None
    told = "no data" if latest is None else said(panel.unit, latest)
    colour = "#777" if latest is None else colour_of(panel, latest)
    axes.text(0.5, 0.45, told, fontsize=22, ha="center", va="center", color=colour)


def _table(axes: Axes, panel: Panel, answers: Sequence[Answer]) -> None:
    axes.axis("off")
    rows = [
        [", ".join(one.labels.values()) or "all", said(panel.unit, one.points[-1][1])]
        for one in answers[:_ROWS_MAX]
    ]
    if not rows:
        axes.text(0.5, 0.5, "no data", ha="center", color="#777")
        return
    table = axes.table(rows, loc="upper left", cellLoc="left", colWidths=[0.75, 0.25], edges="B")
    table.auto_set_font_size(False)  # noqa: FBT003 - matplotlib's own
    table.set_fontsize(8)


def _lines(axes: Axes, panel: Panel, prometheus: str, now_s: float) -> None:
    lines = [
        (label(query, one.labels), one)
        for query in panel.queries
        for one in asked(prometheus, query.expr, now_s)
    ]
    lines.sort(key=lambda line: -max(value for _, value in line[1].points))
    for (name, one), colour in zip(lines[:_LINES_MAX], _COLOURS, strict=False):
        moments = [at - now_s for at, _ in one.points]
        values = [value for _, value in one.points]
        axes.plot(moments, values, linewidth=1.2, color=colour, label=name)
        if panel.form is Form.STACK:
            axes.fill_between(moments, values, alpha=0.15, color=colour)
    axes.set_xlim(-SHOWN_S, 0)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:.0f} s"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: said(panel.unit, value)))
    axes.tick_params(labelsize=7)
    axes.grid(linewidth=0.3)
    if lines:
        axes.legend(fontsize=6.5, loc="upper left", framealpha=0.7, ncols=2)


def label(query: Query, labels: Mapping[str, str]) -> str:
    """Write a legend as Grafana does."""
    form = legend_of(query, Language.EN)
    if not form:
        return ", ".join(labels.values())
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)


def said(unit: Unit, value: float) -> str:
    """Write a value in its unit."""
    match unit:
        case Unit.SHARE:
            return f"{value:.1%}"
        case Unit.SECONDS:
            return f"{value * 1000:.0f} ms" if 0 < abs(value) < 1 else f"{value:,.0f} s"
        case Unit.DAYS:
            return f"{value:,.0f} d"
        case Unit.PER_S:
            return f"{value:.3g}/s"
        case Unit.BYTES:
            return f"{value / 2**20:,.0f} MiB"
        case Unit.COUNT:
            return f"{value:,.4g}" if value < 1_000 else f"{value:,.0f}"


def colour_of(panel: Panel, value: float) -> str:
    """Colour a number by its thresholds, as the board does."""
    if panel.warns_at is None or panel.alarms_at is None:
        return "#222"
    sign = 1 if panel.alarms_at > panel.warns_at else -1
    if sign * value >= sign * panel.alarms_at:
        return _RED
    return _AMBER if sign * value >= sign * panel.warns_at else _GREEN


def main() -> int:
    """Write all pictures; give the exit code."""
    tools = find_tools()
    if tools is None:
        sys.stderr.write("pictures: no Prometheus here; install it, or let apt-get download it\n")
        return 3
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bus", "font.family": "sans-serif"}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as scratch:
        home = Path(scratch) / "home"
        up(home)
        try:
            enrolled = enrolled_at(home)
            with ending_key(enrolled), watched(tools, home, Path(scratch)) as watch:
                asyncio.run(work(enrolled, Path(scratch) / "exports", watch))
                now_s = time.time()
                for board in ALL:
                    file = FOLDER / f"{board.uid}.svg"
                    about = {"Date": datetime.now(UTC).date().isoformat()}
                    drawn(board, watch.prometheus, now_s).savefig(file, metadata=about)
                    sys.stderr.write(f"pictures: {file.relative_to(ROOT)}\n")
        finally:
            reset(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
