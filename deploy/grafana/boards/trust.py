"""Keys, rights, audit logs and the gateway, for who answers for security."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit
from deploy.grafana.boards.queries import median_and_worst

TRUST: Final = Board(
    uid="bus-trust",
    panels=(
        Panel(
            name="signatures",
            form=Form.LINES,
            queries=(
                Query(
                    expr="sum by (agency, reason) (increase(bus_records_quarantined_total"
                    '{reason=~"unsigned|key_.+|signature_invalid"}[1h]))',
                    legend="{{agency}} {{reason}}",
                ),
            ),
        ),
        Panel(
            name="keys",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="sort((min by (agency) (bus_key_expiry_timestamp_seconds) - time()) "
                    "/ 86400)"
                ),
            ),
            unit=Unit.DAYS,
        ),
        Panel(
            name="certificate",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr="(min(bus_gateway_certificate_expiry_timestamp_seconds) - time()) / 86400"
                ),
            ),
            unit=Unit.DAYS,
            width=8,
            warns_at=30,
            alarms_at=7,
        ),
        Panel(
            name="checkpoint",
            form=Form.NUMBER,
            queries=(Query(expr="time() - max(bus_audit_checkpoint_timestamp_seconds)"),),
            unit=Unit.SECONDS,
            width=8,
            warns_at=60,
            alarms_at=600,
        ),
        Panel(
            name="rights_age",
            form=Form.NUMBER,
            queries=(Query(expr="time() - max(bus_rights_kept_timestamp_seconds)"),),
            unit=Unit.SECONDS,
            width=8,
            warns_at=60,
            alarms_at=120,
        ),
        Panel(
            name="drift",
            form=Form.NUMBER,
            queries=(
                Query(
                    expr="sum by (change) (increase(bus_rights_drifted_total[$__range]))",
                    legend="{{change}}",
                ),
            ),
            width=8,
            warns_at=1,
            alarms_at=10,
        ),
        Panel(
            name="answers",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (outcome) (rate(bus_gateway_requests_total[$__rate_interval]))",
                    legend="{{outcome}}",
                ),
            ),
            unit=Unit.PER_S,
        ),
        Panel(
            name="denied",
            form=Form.TABLE,
            queries=(
                Query(
                    expr="topk(20, sum by (consumer, code) "
                    "(increase(bus_gateway_refusals_total[$__range])))"
                ),
            ),
        ),
        Panel(
            name="gateway",
            form=Form.LINES,
            queries=median_and_worst("bus_gateway_request_duration_seconds"),
            unit=Unit.SECONDS,
        ),
    ),
)
