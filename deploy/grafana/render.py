"""Grafana's JSON of a board, by the pinned builders of its foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from bus.texts import Language, Texts
from deploy.grafana.board import VALUES_OF, Board, Form, Panel, Query, Variable

TEXTS: Final = Texts("deploy.grafana", ("texts.yaml",))
SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${source}")
_WIDTH: Final = 24
_HEIGHTS: Final = {Form.NUMBER: 5}
_HEIGHT: Final = 8
_GREEN, _AMBER, _RED = "green", "orange", "red"


def rendered(board: Board, language: Language) -> str:
    """Write a board as the JSON that Grafana provisions.

    Args:
        board: What is asked.
        language: Of titles and questions; a board of another language than English has its code
            behind the uid.
    """
    made = (
        dashboard.Dashboard(TEXTS.text(f"{board.uid}.title", language))
        .uid(uid_of(board, language))
        .description(TEXTS.text(f"{board.uid}.reader", language))
        .tags(["bus", language.value])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
        )
    )
    for variable in board.variables:
        made.with_variable(_variable(variable, language))
    made.link(_link(language))
    if board.marks_catalogues:
        made.annotation(_catalogues(language))
    for number, (panel, place) in enumerate(placed(board), start=1):
        made.with_panel(_panel(board, panel, place, number, language))
    encoded = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    return json.dumps(encoded, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def uid_of(board: Board, language: Language) -> str:
    """Name a board in a language, for good: alerts and links point at it."""
    return board.uid if language is Language.EN else f"{board.uid}-{language}"


def _variable(variable: Variable, language: Language) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(variable.value)
        .label(TEXTS.text(f"variable.{variable}", language))
        .datasource(SOURCE)
        .query(VALUES_OF[variable])
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the builder's own
        .include_all(True)  # noqa: FBT003
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def _link(language: Language) -> dashboard.DashboardLink:
    """Lead from each board to the others, with what is chosen and the time."""
    return (
        dashboard.DashboardLink(TEXTS.text("link.boards", language))
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["bus", language.value])
        .as_dropdown(True)  # noqa: FBT003
        .include_vars(True)  # noqa: FBT003
        .keep_time(True)  # noqa: FBT003
    )


def _catalogues(language: Language) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(TEXTS.text("mark.catalogue", language))
        .datasource(SOURCE)
        .enable(True)  # noqa: FBT003
        .icon_color("blue")
        .expr("changes(max(bus_catalogue_version)[5m:1m]) > 0")
    )


def placed(board: Board) -> Iterator[tuple[Panel, models.GridPos]]:
    """Place panels from left to right, row by row; a row is as high as its highest panel."""
    x = y = height = 0
    for panel in board.panels:
        if x + panel.width > _WIDTH:
            x, y, height = 0, y + height, 0
        own = _HEIGHTS.get(panel.form, _HEIGHT)
        yield panel, models.GridPos(h=own, w=panel.width, x=x, y=y)
        x, height = x + panel.width, max(height, own)


def _panel(
    board: Board, panel: Panel, place: models.GridPos, number: int, language: Language
) -> Any:  # noqa: ANN401 - the SDK's panels have no common type
    match panel.form:
        case Form.NUMBER:
            made: Any = stat.Panel().reduce_options(
                common.ReduceDataOptions().calcs(["lastNotNull"])
            )
        case Form.TABLE:
            made = table.Panel()
        case Form.LINES | Form.STACK:
            made = timeseries.Panel().legend(
                common.VizLegendOptions()
                .show_legend(True)  # noqa: FBT003
                .placement(common_models.LegendPlacement.BOTTOM)
                .display_mode(common_models.LegendDisplayMode.LIST)
            )
            if panel.form is Form.STACK:
                made.stacking(
                    common.StackingConfig().mode(common_models.StackingMode.NORMAL)
                ).fill_opacity(30)
    key = f"{board.uid}.{panel.name}"
    made.id(number).title(TEXTS.text(f"{key}.title", language)).grid_pos(place)
    made.description(TEXTS.text(f"{key}.asks", language)).datasource(SOURCE).unit(panel.unit.value)
    if (thresholds := _thresholds(panel)) is not None:
        made.thresholds(thresholds)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(_target(panel, query, letter, language))
    return made


def _target(panel: Panel, query: Query, letter: str, language: Language) -> prometheus.Dataquery:
    made = (
        prometheus.Dataquery()
        .ref_id(letter)
        .datasource(SOURCE)
        .expr(query.expr)
        .legend_format(legend_of(query, language) or "__auto")
    )
    if panel.form is Form.TABLE:
        return made.format(prometheus_models.PromQueryFormat.TABLE).instant()
    made.range()
    return made.exemplar(True) if query.shows_exemplars else made  # noqa: FBT003


def legend_of(query: Query, language: Language) -> str:
    """Give a query's legend; a word that begins with `@` is a text."""
    words = [
        TEXTS.text(f"legend.{word[1:]}", language) if word.startswith("@") else word
        for word in query.legend.split()
    ]
    return " ".join(words)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig | None:
    """Colour numbers: upwards where the alarm is above the warning, else downwards."""
    if panel.warns_at is None or panel.alarms_at is None:
        return None
    if panel.alarms_at > panel.warns_at:
        steps = [(None, _GREEN), (panel.warns_at, _AMBER), (panel.alarms_at, _RED)]
    else:
        steps = [(None, _RED), (panel.alarms_at, _AMBER), (panel.warns_at, _GREEN)]
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=cast("float", at), color=color) for at, color in steps])
    )
