"""`bus status`: the whole bus on one screen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from bus.catalogue.parties import BUS
from bus.cli.context import installation, language, now
from bus.cli.output import JsonOption, heading, headings, print_json, print_table, results
from bus.observe.connectors import ConnectorStatus
from bus.observe.explain import GONE
from bus.observe.standing import Standing
from bus.observe.status import KafkaStatus, LastCheck, Status, WorkerStatus, read_status
from bus.texts import text
from bus.wiring import Installation

CAUSES_SHOWN = 12


_AGAIN_S = 2.0


def status(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show engines, workers, connectors, lag, datasets, quarantine; exit 1: ill, 3: an engine down.

    With --watch and --json one document a line.

    Example: bus status --watch
    """
    # Why: what the clients log of a broker that is away, the status says in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    current = installation()
    found = _look(current, json=json)
    while watch:
        time.sleep(_AGAIN_S)
        results.clear(home=True)
        found = _look(current, json=json)
    if not found.is_available:
        raise typer.Exit(3)
    if not found.is_healthy:
        raise typer.Exit(1)


def _look(current: Installation, *, json: bool) -> Status:
    found = asyncio.run(
        read_status(
            current.home,
            cluster=lambda: current.cluster_as(BUS),
            dsn=current.fund_dsn,
            language=language(),
        )
    )
    if json:
        print_json({"healthy": found.is_healthy, "status": found})
    else:
        _print(found, now())
    return found


def _print(found: Status, at: datetime) -> None:
    for engine, why in (("Kafka", found.kafka_down), ("PostgreSQL", found.fund_down)):
        _say("status.up" if why is None else "status.down", engine=engine, why=why)
    if found.kafka is not None:
        version = found.kafka.catalogue
        _say("status.no_catalogue" if version is None else "status.catalogue", version=version)
    _print_law(found.law, at)
    print_table(
        headings(
            "worker", "process", "up", "restarts", "catalogue", "partitions", "lag", "oldest", ""
        ),
        [_worker_row(worker, at) for worker in found.workers],
    )
    for door in found.doors:
        if not door.runs:
            _say("status.door_down", door=door.name)
    _print_connectors(found.connectors, at)
    if found.kafka is not None:
        _print_roles(found.kafka)
    if found.fund is not None:
        _print_standing(found.fund, at)
    _say("status.well" if found.is_healthy else "status.ill")


def _print_law(law: LastCheck | None, at: datetime) -> None:
    if law is None:
        _say("status.law_unchecked")
    else:
        _say(
            "status.law_holds" if law.holds else "status.law_broken",
            age=age((at - law.at).total_seconds()),
        )


def _worker_row(worker: WorkerStatus, at: datetime) -> list[object]:
    report = worker.report
    if report is None:
        return [worker.name, *[None] * 7, GONE]
    problems = sorted({problem.ailment for problem in report.problems})
    return [
        worker.name,
        report.pid,
        age((at - report.started_at).total_seconds()),
        report.restarts,
        report.catalogue,
        report.partitions,
        report.lag_records,
        age(report.lag_s),
        ", ".join(problems) or heading("ok"),
    ]


def _print_connectors(connectors: Sequence[ConnectorStatus], at: datetime) -> None:
    if not connectors:
        return
    print_table(
        headings(
            *("connector", "kind", "direction", "last_success", "behind", "passed", "refused", "")
        ),
        [_connector_row(one, at) for one in connectors],
    )


def _connector_row(one: ConnectorStatus, at: datetime) -> list[object]:
    report = one.report
    direction = None if one.direction is None else text(f"direction.{one.direction}", language())
    about = [one.name, one.kind, direction]
    if report is None:
        return [*about, *[None] * 4, heading("not_reachable")]
    success = report.last_success_at
    return [
        *about,
        None if success is None else age((at - success).total_seconds()),
        None if report.behind_s is None else age(report.behind_s),
        report.passed,
        report.refused,
        heading("ok") if one.is_well else heading("does_not_answer"),
    ]


def _print_roles(kafka: KafkaStatus) -> None:
    print_table(
        headings("role", "workers", "partitions", "lag", "oldest_unread"),
        [
            [role.role, role.workers, role.partitions, role.lag_records, age(role.oldest_s)]
            for role in kafka.roles
        ],
    )
    for role in kafka.roles:
        if not role.workers:
            _say("status.no_workers", role=role.role)


def _print_standing(standing: Standing, at: datetime) -> None:
    print_table(
        headings("dataset", "accepted", "in_the_fund", "repeats", "refused", "held", "quarantined"),
        [
            [
                one.dataset,
                one.records,
                one.history,
                one.repeats,
                one.refused,
                one.held,
                one.quarantined,
            ]
            for one in standing.datasets
        ],
    )
    print_table(
        headings("open_in_quarantine", "agency", "dataset", "records", "oldest"),
        [
            [
                one.reason,
                one.agency,
                one.dataset,
                one.records,
                age((at - one.oldest_at).total_seconds()),
            ]
            for one in standing.open[:CAUSES_SHOWN]
        ],
    )


def _say(key: str, **values: object) -> None:
    results.print(text(key, language(), **values), markup=False)


def age(seconds: float) -> str:
    """Write an age as people say it: `0 s`, `42 s`, `3 min`, `5 h`, `2 d`."""
    span = timedelta(seconds=max(0.0, seconds))
    units = (
        (timedelta(days=2), timedelta(days=1), "d"),
        (timedelta(hours=2), timedelta(hours=1), "h"),
    )
    for least, unit, name in (*units, (timedelta(minutes=2), timedelta(minutes=1), "min")):
        if span >= least:
            return f"{span // unit} {name}"
    return f"{span.total_seconds():.0f} s"
