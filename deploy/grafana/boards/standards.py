"""What the exchange standards refuse, and what lies in quarantine."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit, Variable
from deploy.grafana.boards.queries import OF_CHOSEN, refused_share

STANDARDS: Final = Board(
    uid="bus-standards",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="share",
            form=Form.LINES,
            queries=(Query(expr=refused_share("agency", OF_CHOSEN), legend="{{agency}}"),),
            unit=Unit.SHARE,
        ),
        Panel(
            name="reasons",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (reason) (increase(bus_records_quarantined_total"
                    f"{{{OF_CHOSEN}}}[$__rate_interval]))",
                    legend="{{reason}}",
                ),
            ),
        ),
        Panel(
            name="rules",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="topk(20, sum by (dataset, rule, severity) "
                    '(increase(bus_rule_violations_total{dataset=~"$dataset"}[$__range])))'
                ),
            ),
        ),
        Panel(
            name="open",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="max by (agency, dataset, reason) "
                    f"(bus_quarantine_open_records{{{OF_CHOSEN}}})"
                ),
            ),
        ),
        Panel(
            name="oldest",
            form=Form.LINES,
            queries=(
                Query(
                    expr="time() - min by (agency) "
                    f"(bus_quarantine_open_oldest_timestamp_seconds{{{OF_CHOSEN}}})",
                    legend="{{agency}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="depth",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (dataset) (max by (agency, dataset, reason) "
                    f"(bus_quarantine_open_records{{{OF_CHOSEN}}}))",
                    legend="{{dataset}}",
                ),
            ),
        ),
    ),
)
