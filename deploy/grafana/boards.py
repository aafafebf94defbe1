"""The seven boards: for whom, what they ask first, and by which queries."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Board, Form, Panel, Query, Unit, Variable

_OF_CHOSEN: Final = 'agency=~"$agency",dataset=~"$dataset"'
_REFUSED_SHARE: Final = (
    "sum{by}(rate(bus_records_quarantined_total{of}[$__rate_interval])) / "
    "(sum{by}(rate(bus_records_quarantined_total{of}[$__rate_interval])) + "
    "sum{by}(rate(bus_records_accepted_total{of}[$__rate_interval])))"
)


def _refused_share(by: str = "", of: str = "") -> str:
    grouped = f" by ({by}) " if by else ""
    return _REFUSED_SHARE.replace("{by}", grouped).replace("{of}", f"{{{of}}}" if of else "")


def _quantile(share: float, histogram: str, by: str = "", of: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    chosen = f"{{{of}}}" if of else ""
    rate = f"sum by ({labels}) (rate({histogram}_bucket{chosen}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


def _median_and_worst(
    histogram: str, of: str = "", *, exemplars: bool = False
) -> tuple[Query, ...]:
    return (
        Query(expr=_quantile(0.5, histogram, of=of), legend="p50"),
        Query(expr=_quantile(0.99, histogram, of=of), legend="p99", shows_exemplars=exemplars),
    )


def _score(window: str, by: str, of: str = "") -> str:
    """Share of what was due that was kept, by score and what else."""
    chosen = f"{{{of}}}" if of else ""
    missed, due = (
        f"sum by ({by}) (sum_over_time(agency_dataset_score:bus_promise_{what}:increase5m"
        f"{chosen}[{window}]))"
        for what in ("missed", "due")
    )
    return f"1 - {missed} / {due}"


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
            queries=(Query(expr=_refused_share(), legend="@refused"),),
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

FLOW: Final = Board(
    uid="bus-flow",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="accept",
            form=Form.LINES,
            queries=_median_and_worst(
                "bus_accept_latency_seconds", 'dataset=~"$dataset"', exemplars=True
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="fund",
            form=Form.LINES,
            queries=_median_and_worst(
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
                    expr=_quantile(0.99, "bus_batch_duration_seconds", "stage"),
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

STANDARDS: Final = Board(
    uid="bus-standards",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="share",
            form=Form.LINES,
            queries=(Query(expr=_refused_share("agency", _OF_CHOSEN), legend="{{agency}}"),),
            unit=Unit.SHARE,
        ),
        Panel(
            name="reasons",
            form=Form.STACK,
            queries=(
                Query(
                    expr="sum by (reason) (increase(bus_records_quarantined_total"
                    f"{{{_OF_CHOSEN}}}[$__rate_interval]))",
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
                    f"(bus_quarantine_open_records{{{_OF_CHOSEN}}})"
                ),
            ),
        ),
        Panel(
            name="oldest",
            form=Form.LINES,
            queries=(
                Query(
                    expr="time() - min by (agency) "
                    f"(bus_quarantine_open_oldest_timestamp_seconds{{{_OF_CHOSEN}}})",
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
                    f"(bus_quarantine_open_records{{{_OF_CHOSEN}}}))",
                    legend="{{dataset}}",
                ),
            ),
        ),
    ),
)

DATASET: Final = Board(
    uid="bus-dataset",
    variables=(Variable.AGENCY, Variable.DATASET),
    marks_catalogues=True,
    panels=(
        Panel(
            name="scores",
            form=Form.NUMBER,
            queries=(Query(expr=_score("$__range", "score", _OF_CHOSEN), legend="{{score}}"),),
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
                    f"{{{_OF_CHOSEN}}})",
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
            queries=(Query(expr=_score("1h", "score", _OF_CHOSEN), legend="{{score}}"),),
            unit=Unit.SHARE,
        ),
        Panel(
            name="fresh",
            form=Form.LINES,
            queries=(
                Query(
                    expr="time() - max by (agency, dataset) "
                    f"(bus_dataset_last_event_timestamp_seconds{{{_OF_CHOSEN}}})",
                    legend="{{agency}} {{dataset}}",
                ),
                Query(
                    expr="max by (dataset) "
                    f"(bus_dataset_expected_interval_seconds{{{_OF_CHOSEN}}})",
                    legend="@interval {{dataset}}",
                ),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="delay",
            form=Form.LINES,
            queries=_median_and_worst("bus_source_delay_seconds", 'dataset=~"$dataset"'),
            unit=Unit.SECONDS,
        ),
        Panel(
            name="volume",
            form=Form.LINES,
            queries=(
                Query(
                    expr=f"agency_dataset:bus_live_accepted:increase1h{{{_OF_CHOSEN}}}",
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
                    f"(bus_quarantine_open_records{{{_OF_CHOSEN}}}))"
                ),
            ),
        ),
        Panel(
            name="asked",
            form=Form.TABLE,
            queries=(Query(expr=f"max by (agency, dataset) (bus_requests_open{{{_OF_CHOSEN}}})"),),
        ),
    ),
)

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
            queries=(Query(expr=_score("$__range", "agency, score")),),
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
            queries=_median_and_worst("bus_gateway_request_duration_seconds"),
            unit=Unit.SECONDS,
        ),
    ),
)

ALL: Final = (HEALTH, FLOW, STANDARDS, DATASET, LETTERS, CONNECTOR, TRUST)
