"""Every series that the bus exports: name, kind, labels, meaning. The reference is made of it.

Labels come from closed lists: codes of agencies and datasets in the catalogue, rule ids, members
of enumerations; topic and partition stand for lag alone. Nothing that a record holds is a label.
Moments are exported as timestamps, so that a stuck exporter can't freeze an age.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

LATENCY_BUCKETS_S: Final = (
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    *(30.0, 60.0, 300.0),  # 30: half of what is promised for two hops together
)
SOURCE_BUCKETS_S: Final = (0.1, 10.0, 60.0, 600.0, 3_600.0, 86_400.0)
WORK_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)


PROBE_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


@unique
class Kind(StrEnum):
    """Prometheus' kind of a series."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@unique
class Work(StrEnum):
    """What a worker does with a batch; label `stage` of its duration."""

    JUDGE = "judge"
    PLAN = "plan"
    DELIVER = "deliver"
    """Until all in-sync replicas have every output."""
    FUND = "fund"
    QUARANTINE = "quarantine"


@unique
class Duty(StrEnum):
    """What is done by the clock beside the fund's work; label `duty` of its failures."""

    TELL_NOTES = "tell_notes"
    SIGN_CHECKPOINT = "sign_checkpoint"
    REFUSE_HELD = "refuse_held"
    TELL_REFUSALS = "tell_refusals"
    CLOSE_ENTRIES = "close_entries"
    GIVE_RECEIPTS = "give_receipts"
    MIND_REQUESTS = "mind_requests"
    """Remind, escalate and end data requests, and tell agencies of them."""
    NOTE_WATERMARKS = "note_watermarks"
    MEASURE = "measure"
    CATCH_UP = "catch_up"
    """Telling standing views what stands when they come into force."""
    SEND_STANDING = "send_standing"
    """Sending records of standing views; each fund worker does it, at any time."""


@unique
class Change(StrEnum):
    """What became of a right on Kafka; label `change`."""

    GRANTED = "granted"
    TAKEN = "taken"


@unique
class Leg(StrEnum):
    """On which way a probe is awaited; label `leg`."""

    RECEIVED = "received"
    """By its sender's own subscription, as by any consumer."""
    RECORDED = "recorded"
    """By the data fund, as the gateway tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric."""

    name: str
    """As it is scraped, without the suffixes of a histogram."""
    kind: Kind
    labels: tuple[str, ...] = ()
    meaning: str
    buckets_s: tuple[float, ...] = ()
    """Upper limits of a histogram's buckets."""


ACCEPTED: Final = Series(
    name="bus_records_accepted_total",
    kind=Kind.COUNTER,
    labels=("agency", "dataset", "lane"),
    meaning="Records that met their contract, once all their outputs are durable.",
)
QUARANTINED: Final = Series(
    name="bus_records_quarantined_total",
    kind=Kind.COUNTER,
    labels=("agency", "dataset", "reason"),
    meaning="Records set aside, by enforcement or by the fund.",
)
VIOLATIONS: Final = Series(
    name="bus_rule_violations_total",
    kind=Kind.COUNTER,
    labels=("dataset", "rule", "severity"),
    meaning="Broken rules; severity `observe` counts here and stops no record.",
)
DELIVERED: Final = Series(
    name="bus_records_delivered_total",
    kind=Kind.COUNTER,
    labels=("consumer", "dataset"),
    meaning="Records written where a consumer's agreement lets it read.",
)
ACCEPT_LATENCY: Final = Series(
    name="bus_accept_latency_seconds",
    kind=Kind.HISTOGRAM,
    labels=("dataset",),
    meaning="From the broker's append of a live record to its durable acceptance.",
    buckets_s=LATENCY_BUCKETS_S,
)
SOURCE_DELAY: Final = Series(
    name="bus_source_delay_seconds",
    kind=Kind.HISTOGRAM,
    labels=("dataset",),
    meaning="From the event (`ce_time`) that an accepted live record tells of to the broker's "
    "append: the agency's own part of the delay.",
    buckets_s=SOURCE_BUCKETS_S,
)
IN_TIME: Final = Series(
    name="bus_records_in_time_total",
    kind=Kind.COUNTER,
    labels=("agency", "dataset"),
    meaning="Accepted live records whose source delay is within the latency that the contract "
    'promises; of `bus_records_accepted_total{lane="live"}`.',
)
FIELDS_DUE: Final = Series(
    name="bus_fields_due_total",
    kind=Kind.COUNTER,
    labels=("agency", "dataset"),
    meaning="Optional top-level fields of accepted records: what a contract's completeness is a "
    "share of.",
)
FIELDS_FILLED: Final = Series(
    name="bus_fields_filled_total",
    kind=Kind.COUNTER,
    labels=("agency", "dataset"),
    meaning="Of them, those that are not null.",
)
LAST_EVENT: Final = Series(
    name="bus_dataset_last_event_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("agency", "dataset"),
    meaning="When the broker appended the newest accepted record; at a worker's start, the newest "
    "that came in. Of all workers the greatest counts; no series where there is none.",
)
EXPECTED_INTERVAL: Final = Series(
    name="bus_dataset_expected_interval_seconds",
    kind=Kind.GAUGE,
    labels=("agency", "dataset"),
    meaning="Within which the contract promises a record, or a sign of life.",
)
TARGET: Final = Series(
    name="bus_dataset_target_ratio",
    kind=Kind.GAUGE,
    labels=("dataset", "score"),
    meaning="What the contract promises: `completeness` of fields, `validity` and `timeliness` of "
    "records; 0 to 1.",
)
AGREEMENT_EXPIRY: Final = Series(
    name="bus_agreement_expiry_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("consumer", "dataset"),
    meaning="When the last of a consumer's agreements on a dataset ends, of those in force.",
)
KEY_EXPIRY: Final = Series(
    name="bus_key_expiry_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("agency",),
    meaning="When the first of an agency's systems is without a signing key, by the newest key of "
    "each; no series where none of these has an end.",
)
LAW_HOLDS: Final = Series(
    name="bus_law_holds",
    kind=Kind.GAUGE,
    meaning="1 where the conservation law held when `bus verify` ran last in this home, else 0; no "
    "series where it never ran.",
)
LAW_CHECKED: Final = Series(
    name="bus_law_checked_timestamp_seconds",
    kind=Kind.GAUGE,
    meaning="When `bus verify` ran last in this home; no series where it never ran.",
)
FUND_LATENCY: Final = Series(
    name="bus_fund_latency_seconds",
    kind=Kind.HISTOGRAM,
    labels=("dataset",),
    meaning="From a live record's acceptance to its commit in the data fund.",
    buckets_s=LATENCY_BUCKETS_S,
)
BATCH_DURATION: Final = Series(
    name="bus_batch_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("stage",),
    meaning=f"Time that one batch took in one stage of work: {', '.join(Work)}.",
    buckets_s=WORK_BUCKETS_S,
)
LAG_RECORDS: Final = Series(
    name="bus_position_lag_records",
    kind=Kind.GAUGE,
    labels=("topic", "partition"),
    meaning="Offsets between the committed position and the log's end; told by the owner alone.",
)
LAG_SECONDS: Final = Series(
    name="bus_position_lag_seconds",
    kind=Kind.GAUGE,
    labels=("topic", "partition"),
    meaning="Age of the oldest record behind the committed position; 0 where there is none.",
)
LAST_PROGRESS: Final = Series(
    name="bus_last_progress_timestamp_seconds",
    kind=Kind.GAUGE,
    meaning="When a committed position of this worker moved last; at first, when it started.",
)
HEALTHY: Final = Series(
    name="bus_worker_healthy",
    kind=Kind.GAUGE,
    meaning="1 while `/healthz` of this worker is green, else 0.",
)
RESTARTS: Final = Series(
    name="bus_worker_restarts_total",
    kind=Kind.COUNTER,
    meaning="How often the supervisor has started this worker again.",
)
ASSIGNMENTS: Final = Series(
    name="bus_assignments_total",
    kind=Kind.COUNTER,
    meaning="How often this worker was given its partitions: at its start, and with each rebalance "
    "of its group, for whose time it does not work.",
)
CATALOGUE_VERSION: Final = Series(
    name="bus_catalogue_version",
    kind=Kind.GAUGE,
    meaning="Version of the catalogue in force in this worker.",
)
BUILD: Final = Series(
    name="bus_build_info",
    kind=Kind.GAUGE,
    labels=("version",),
    meaning="1; the label says which version of the bus this worker is.",
)
FUND_RECORDS: Final = Series(
    name="bus_fund_records_total",
    kind=Kind.COUNTER,
    labels=("dataset", "outcome"),
    meaning="Accepted records by what they came to in the fund when they arrived.",
)
HELD: Final = Series(
    name="bus_fund_held_records",
    kind=Kind.GAUGE,
    labels=("dataset",),
    meaning="Records that wait in the fund for their predecessor now.",
)
HELD_OLDEST: Final = Series(
    name="bus_fund_held_oldest_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("dataset",),
    meaning="Append time of the oldest held record; no series where there is none.",
)
HOUSEKEEPING_FAILURES: Final = Series(
    name="bus_housekeeping_failures_total",
    kind=Kind.COUNTER,
    labels=("duty",),
    meaning=f"Duties that failed, to be tried again within ten seconds: {', '.join(Duty)}.",
)
AUDIT_SIGNED: Final = Series(
    name="bus_audit_checkpoint_timestamp_seconds",
    kind=Kind.GAUGE,
    meaning="When this worker signed a checkpoint of the audit log last; of all workers the newest "
    "counts.",
)
OPEN: Final = Series(
    name="bus_quarantine_open_records",
    kind=Kind.GAUGE,
    labels=("agency", "dataset", "reason"),
    meaning="Undecided records in quarantine now.",
)
OPEN_OLDEST: Final = Series(
    name="bus_quarantine_open_oldest_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("agency", "dataset", "reason"),
    meaning="Append time of the oldest undecided record; no series where there is none.",
)
RIGHTS_CHANGED: Final = Series(
    name="bus_rights_changed_total",
    kind=Kind.COUNTER,
    labels=("change",),
    meaning="Rights on Kafka that the keeper changed because an agreement or the catalogue turned.",
)
RIGHTS_DRIFTED: Final = Series(
    name="bus_rights_drifted_total",
    kind=Kind.COUNTER,
    labels=("change",),
    meaning="Rights on Kafka that the keeper changed because somebody had changed them by hand.",
)
RIGHTS_KEPT: Final = Series(
    name="bus_rights_kept_timestamp_seconds",
    kind=Kind.GAUGE,
    meaning="When the keeper last saw that the rights on Kafka are those of the agreements.",
)
REQUESTS: Final = Series(
    name="bus_requests_total",
    kind=Kind.COUNTER,
    labels=("agency", "consumer", "dataset", "outcome"),
    meaning="Data requests by provider, asking agency and what they came to; from the table.",
)
REQUESTS_OPEN: Final = Series(
    name="bus_requests_open",
    kind=Kind.GAUGE,
    labels=("agency", "dataset"),
    meaning="Data requests that wait for their provider now.",
)
REQUESTS_ESCALATED: Final = Series(
    name="bus_requests_escalated",
    kind=Kind.GAUGE,
    labels=("agency", "dataset"),
    meaning="Of them, those of whose time a quarter or less is left.",
)

GATEWAY_REQUESTS: Final = Series(
    name="bus_gateway_requests_total",
    kind=Kind.COUNTER,
    labels=("endpoint", "outcome"),
    meaning="Requests over HTTP by what the OpenAPI document calls them (`registry`: the schema "
    "registry's; `none`: not served) and by their answer: `ok`; `refused`, a status of 400 to 499; "
    "of these `limited`, 413 or 429; `failed`, 500 and above. A stream counts when it begins.",
)
GATEWAY_DURATION: Final = Series(
    name="bus_gateway_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("endpoint",),
    meaning="From a request's head to the beginning of its answer, without waiting for news.",
    buckets_s=LATENCY_BUCKETS_S,
)
GATEWAY_CERTIFICATE_EXPIRY: Final = Series(
    name="bus_gateway_certificate_expiry_timestamp_seconds",
    kind=Kind.GAUGE,
    meaning="When the certificate ends that the gateway shows its clients.",
)
GATEWAY_REFUSALS: Final = Series(
    name="bus_gateway_refusals_total",
    kind=Kind.COUNTER,
    labels=("consumer", "code"),
    meaning="Data requests and reads that were refused to an agency, by the problem's code.",
)

PROBE_ROUNDTRIP: Final = Series(
    name="bus_probe_roundtrip_seconds",
    kind=Kind.HISTOGRAM,
    labels=("leg",),
    meaning="From the sending of a probe to when it was back: `received` by its sender's own "
    "subscription, `recorded` in the data fund, as the gateway tells.",
    buckets_s=PROBE_BUCKETS_S,
)
PROBE_LOST: Final = Series(
    name="bus_probe_lost_total",
    kind=Kind.COUNTER,
    labels=("leg",),
    meaning="Probes that were not back within five sixths of their period (25 s of 30); one that "
    "comes later counts for nothing.",
)
PROBE_BACK: Final = Series(
    name="bus_probe_last_back_timestamp_seconds",
    kind=Kind.GAUGE,
    labels=("leg",),
    meaning="When a probe was back last; no series before the first.",
)

ALL: Final = (
    ACCEPTED,
    QUARANTINED,
    VIOLATIONS,
    DELIVERED,
    ACCEPT_LATENCY,
    SOURCE_DELAY,
    IN_TIME,
    FIELDS_DUE,
    FIELDS_FILLED,
    LAST_EVENT,
    EXPECTED_INTERVAL,
    TARGET,
    AGREEMENT_EXPIRY,
    KEY_EXPIRY,
    LAW_HOLDS,
    LAW_CHECKED,
    FUND_LATENCY,
    BATCH_DURATION,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_PROGRESS,
    HEALTHY,
    RESTARTS,
    ASSIGNMENTS,
    CATALOGUE_VERSION,
    BUILD,
    FUND_RECORDS,
    HELD,
    HELD_OLDEST,
    HOUSEKEEPING_FAILURES,
    AUDIT_SIGNED,
    OPEN,
    OPEN_OLDEST,
    RIGHTS_CHANGED,
    RIGHTS_DRIFTED,
    RIGHTS_KEPT,
    REQUESTS,
    REQUESTS_OPEN,
    REQUESTS_ESCALATED,
    GATEWAY_REQUESTS,
    GATEWAY_DURATION,
    GATEWAY_CERTIFICATE_EXPIRY,
    GATEWAY_REFUSALS,
    PROBE_ROUNDTRIP,
    PROBE_LOST,
    PROBE_BACK,
)
"""Beside these, `bus_process_…` tells memory, processor time and open files of each worker."""
