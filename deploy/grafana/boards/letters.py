"""Data requests that came in place of letters."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit
from deploy.grafana.boards.queries import score

_REQUESTS: Final = "max by (agency, consumer, dataset, outcome) (bus_requests_total{of})"
_AUTO: Final = _REQUESTS.replace("{of}", '{outcome="answered_auto"}')
_ANSWERED: Final = _REQUESTS.replace("{of}", '{outcome=~"answered.*"}')

LETTERS: Final = Board(
    uid="bus-letters",
    panels=(
        Panel(
            name="replaced",
            form=Form.NUMBER,
            queries=(Query(expr=f"sum({_ANSWERED})"),),
            width=6,
        ),
        Panel(
            name="auto",
            form=Form.NUMBER,
            queries=(Query(expr=f"sum({_AUTO}) / sum({_ANSWERED})"),),
            unit=Unit.SHARE,
            width=6,
        ),
        Panel(
            name="delivered",
            form=Form.NUMBER,
            queries=(Query(expr="sum(increase(bus_records_delivered_total[$__range]))"),),
            width=6,
        ),
        Panel(
            name="waiting",
            form=Form.NUMBER,
            queries=(
                Query(expr="sum(max by (agency, dataset) (bus_requests_open))", legend="@open"),
                Query(
                    expr="sum(max by (agency, dataset) (bus_requests_escalated))",
                    legend="@escalated",
                ),
            ),
            width=6,
            warns_at=1,
            alarms_at=10,
        ),
        Panel(
            name="outcomes",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="sum by (agency, consumer, dataset, outcome) "
                    f"({_REQUESTS.replace('{of}', '')}) > 0"
                ),
            ),
        ),
        Panel(
            name="league",
            form=Form.TABLE,
            queries=(Query(expr=score("$__range", "agency, score")),),
            unit=Unit.SHARE,
        ),
        Panel(
            name="silent",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="time() - max by (agency, dataset) "
                    "(bus_dataset_last_event_timestamp_seconds)"
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="ending",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="sort((min by (consumer, dataset) "
                    "(bus_agreement_expiry_timestamp_seconds) - time()) / 86400)"
                ),
            ),
            unit=Unit.DAYS,
        ),
    ),
)
