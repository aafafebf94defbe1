"""One connector, for who looks after it."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit, Variable

_OF_CONNECTOR: Final = '{connector=~"$connector"}'

CONNECTOR: Final = Board(
    uid="bus-connector",
    variables=(Variable.CONNECTOR,),
    panels=(
        Panel(
            name="up",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr=f"max by (connector) (bus_connector_source_up{_OF_CONNECTOR} or "
                    f"bus_connector_sink_up{_OF_CONNECTOR})",
                    legend="{{connector}}",
                ),
            ),
            width=8,
        ),
        Panel(
            name="age",
            form=Form.LINES,
            queries=(
                Query(
                    expr="time() - max by (connector) "
                    f"(bus_connector_last_stretch_timestamp_seconds{_OF_CONNECTOR})",
                    legend="{{connector}}",
                ),
            ),
            unit=Unit.SECONDS,
            width=8,
        ),
        Panel(
            name="failed",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (connector) (increase(bus_connector_attempts_failed_total"
                    f"{_OF_CONNECTOR}[$__rate_interval]))",
                    legend="{{connector}}",
                ),
            ),
            width=8,
        ),
        Panel(
            name="rows",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (connector, outcome) (rate(bus_connector_rows_total"
                    f"{_OF_CONNECTOR}[$__rate_interval]))",
                    legend="{{connector}} {{outcome}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="unreadable",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="sum by (connector) (bus_connector_rows_total"
                    '{connector=~"$connector",outcome="unreadable"})'
                ),
            ),
        ),
        Panel(
            name="delivered",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (connector, outcome) (rate(bus_connector_records_total"
                    f"{_OF_CONNECTOR}[$__rate_interval]))",
                    legend="{{connector}} {{outcome}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="slot",
            form=Form.LINES,
            queries=(
                Query(
                    expr=f"max by (connector) (bus_connector_slot_retained_bytes{_OF_CONNECTOR})",
                    legend="{{connector}}",
                ),
            ),
            unit=Unit.BYTES,
        ),
    ),
)
