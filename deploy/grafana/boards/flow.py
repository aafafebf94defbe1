"""How long records take, and what waits."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit, Variable
from deploy.grafana.boards.queries import median_and_worst, quantile

FLOW: Final = Board(
    uid="bus-flow",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="accept",
            form=Form.LINES,
            queries=median_and_worst(
                "bus_accept_latency_seconds", 'dataset=~"$dataset"', exemplars=True
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="fund",
            form=Form.LINES,
            queries=median_and_worst(
                "bus_fund_latency_seconds", 'dataset=~"$dataset"', exemplars=True
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="lag_seconds",
            form=Form.LINES,
            queries=(
                Query(
                    expr="max by (topic) (bus_position_lag_seconds) > 0 or "
                    "max(bus_position_lag_seconds)",
                    legend="{{topic}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="lag_records",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (topic) (max by (topic, partition) (bus_position_lag_records)) "
                    "> 0 or sum(max by (topic, partition) (bus_position_lag_records))",
                    legend="{{topic}}",
                ),
            ),
        ),
        Panel(
            name="drained_in",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum(max by (topic, partition) (bus_position_lag_records)) / "
                    "clamp_min(sum(rate(bus_records_accepted_total[$__rate_interval])) + "
                    "sum(rate(bus_records_quarantined_total[$__rate_interval])), 0.1)",
                    legend="@drained",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="batches",
            form=Form.LINES,
            queries=(
                Query(
                    expr=quantile(0.99, "bus_batch_duration_seconds", "stage"),
                    legend="{{stage}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="delivered",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (consumer) (rate(bus_records_delivered_total"
                    '{dataset=~"$dataset"}[$__rate_interval]))',
                    legend="{{consumer}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="outcomes",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (outcome) (rate(bus_fund_records_total"
                    '{dataset=~"$dataset"}[$__rate_interval]))',
                    legend="{{outcome}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="held",
            form=Form.LINES,
            queries=(
                Query(
                    expr='max by (dataset) (bus_fund_held_records{dataset=~"$dataset"})',
                    legend="{{dataset}}",
                ),
            ),
        ),
        Panel(
            name="memory",
            form=Form.LINES,
            queries=(Query(expr="bus_process_resident_memory_bytes", legend="{{instance}}"),),
            unit=Unit.BYTES,
        ),
        Panel(
            name="processor",
            form=Form.LINES,
            queries=(
                Query(
                    expr="rate(bus_process_cpu_seconds_total[$__rate_interval])",
                    legend="{{instance}}",
                ),
            ),
            unit=Unit.SHARE,
        ),
        Panel(
            name="assignments",
            form=Form.LINES,
            queries=(
                Query(
                    expr="max by (role) (increase(bus_assignments_total[1h]))",
                    legend="{{role}}",
                ),
            ),
        ),
        Panel(
            name="restarts",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (role) (increase(bus_worker_restarts_total[1h]))",
                    legend="{{role}}",
                ),
            ),
        ),
    ),
)
