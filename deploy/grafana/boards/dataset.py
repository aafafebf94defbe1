"""One agency's dataset, for its steward."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit, Variable
from deploy.grafana.boards.queries import OF_CHOSEN, median_and_worst, score

DATASET: Final = Board(
    uid="bus-dataset",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="scores",
            form=Form.NUMBER,
            queries=(Query(expr=score("$__range", "score", OF_CHOSEN), legend="{{score}}"),),
            unit=Unit.SHARE,
            width=8,
        ),
        Panel(
            name="promised",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr='max by (score) (bus_dataset_target_ratio{dataset=~"$dataset"})',
                    legend="{{score}}",
                ),
            ),
            unit=Unit.SHARE,
            width=8,
        ),
        Panel(
            name="budget",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr="min by (score) (agency_dataset_score:bus_promise_budget:remaining30d"
                    f"{{{OF_CHOSEN}}})",
                    legend="{{score}}",
                ),
            ),
            unit=Unit.SHARE,
            width=8,
            warns_at=0.5,
            alarms_at=0.1,
        ),
        Panel(
            name="trend",
            form=Form.LINES,
            queries=(Query(expr=score("1h", "score", OF_CHOSEN), legend="{{score}}"),),
            unit=Unit.SHARE,
        ),
        Panel(
            name="fresh",
            form=Form.LINES,
            queries=(
                Query(
                    expr="time() - max by (agency, dataset) "
                    f"(bus_dataset_last_event_timestamp_seconds{{{OF_CHOSEN}}})",
                    legend="{{agency}} {{dataset}}",
                ),
                Query(
                    expr=f"max by (dataset) (bus_dataset_expected_interval_seconds{{{OF_CHOSEN}}})",
                    legend="@interval {{dataset}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="delay",
            form=Form.LINES,
            queries=median_and_worst("bus_source_delay_seconds", 'dataset=~"$dataset"'),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="volume",
            form=Form.LINES,
            queries=(
                Query(
                    expr=f"agency_dataset:bus_live_accepted:increase1h{{{OF_CHOSEN}}}",
                    legend="{{agency}} {{dataset}}",
                ),
            ),
        ),
        Panel(
            name="quarantine",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="sum by (dataset, reason) (max by (agency, dataset, reason) "
                    f"(bus_quarantine_open_records{{{OF_CHOSEN}}}))"
                ),
            ),
        ),
        Panel(
            name="asked",
            form=Form.TABLE,
            queries=(Query(expr=f"max by (agency, dataset) (bus_requests_open{{{OF_CHOSEN}}})"),),
        ),
    ),
)
