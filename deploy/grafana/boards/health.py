"""Whether the bus does its work: the first board of an operator."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit
from deploy.grafana.boards.queries import refused_share

HEALTH: Final = Board(
    uid="bus-health",
    marks_catalogues=True,
    panels=(
        Panel(
            name="budget",
            form=Form.NUMBER,
            queries=(
                Query(expr="bus:delivery_budget:remaining30d", legend="@delivery"),
                Query(expr="bus:gateway_budget:remaining30d", legend="@gateway"),
            ),
            unit=Unit.SHARE,
            width=6,
            warns_at=0.5,
            alarms_at=0.1,
        ),
        Panel(
            name="firing",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr='count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)',
                    legend="@critical",
                ),
                Query(
                    expr='count(ALERTS{alertstate="firing",severity="warning"}) or vector(0)',
                    legend="@warning",
                ),
            ),
            width=6,
            warns_at=1,
            alarms_at=5,
        ),
        Panel(
            name="down",
            form=Form.NUMBER,
            queries=(
                Query(expr='count(up{job="bus"} == 0) or vector(0)', legend="@targets"),
                Query(expr="count(bus_worker_healthy == 0) or vector(0)", legend="@workers"),
                Query(
                    expr="count(max by (connector) (bus_connector_source_up) == 0) or vector(0)",
                    legend="@connectors",
                ),
            ),
            width=6,
            warns_at=1,
            alarms_at=2,
        ),
        Panel(
            name="oldest",
            form=Form.NUMBER,
            queries=(Query(expr="max(bus_position_lag_seconds)"),),
            unit=Unit.SECONDS,
            width=3,
            warns_at=60,
            alarms_at=300,
        ),
        Panel(
            name="law",
            form=Form.NUMBER,
            queries=(Query(expr="time() - max(bus_law_checked_timestamp_seconds)"),),
            unit=Unit.SECONDS,
            width=3,
            warns_at=90_000,
            alarms_at=180_000,
        ),
        Panel(
            name="law_holds",
            form=Form.NUMBER,
            queries=(Query(expr="min(last_over_time(bus_law_holds[1d]))"),),
            width=3,
            warns_at=1,
            alarms_at=0.5,
        ),
        Panel(
            name="probe",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr="time() - max by (leg) (bus_probe_last_back_timestamp_seconds)",
                    legend="{{leg}}",
                ),
            ),
            unit=Unit.SECONDS,
            warns_at=60,
            alarms_at=120,
        ),
        Panel(
            name="probe_lost",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr="sum by (leg) (increase(bus_probe_lost_total[1h]))",
                    legend="{{leg}}",
                ),
            ),
            warns_at=1,
            alarms_at=5,
        ),
        Panel(
            name="probe_time",
            form=Form.LINES,
            queries=(
                Query(
                    # Of five minutes: a probe comes but twice in one.
                    expr="histogram_quantile(0.99, sum by (le, leg) "
                    "(rate(bus_probe_roundtrip_seconds_bucket[5m])))",
                    legend="{{leg}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="accepted",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (dataset) (rate(bus_records_accepted_total[$__rate_interval]))",
                    legend="{{dataset}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="refused",
            form=Form.LINES,
            queries=(Query(expr=refused_share(), legend="@refused"),),
            unit=Unit.SHARE,
            width=8,
        ),
        Panel(
            name="late",
            form=Form.LINES,
            queries=(
                Query(expr="bus:delivery_late:ratio5m", legend="@late"),
                Query(expr="vector(0.01)", legend="@allowed"),
            ),
            unit=Unit.SHARE,
            width=8,
        ),
        Panel(
            name="quarantine",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (agency) (max by (agency, dataset, reason) "
                    "(bus_quarantine_open_records))",
                    legend="{{agency}}",
                ),
            ),
            width=8,
        ),
        Panel(
            name="duties",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (duty) (increase(bus_housekeeping_failures_total[30m]))",
                    legend="{{duty}}",
                ),
            ),
            width=8,
        ),
        Panel(
            name="samples",
            form=Form.LINES,
            queries=(
                Query(
                    expr='max by (instance) (scrape_samples_scraped{job="bus"})',
                    legend="{{instance}}",
                ),
            ),
            width=8,
        ),
        Panel(
            name="alerts",
            form=Form.TABLE,
            queries=(Query(expr="count by (alertname, severity, audience, alertstate) (ALERTS)"),),
        ),
        Panel(
            name="processes",
            form=Form.TABLE,
            queries=(Query(expr='max by (instance, role) (up{job="bus"})'),),
        ),
    ),
)
