"""Every principal by every topic by every operation, asked of the broker as that principal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeAlias

import pytest
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclOperation,
    AdminClient,
)

from bus.access.credentials import load_credentials
from bus.access.enrol import enrol_all
from bus.access.reconcile import reconcile
from bus.access.rights import rights_of
from bus.catalogue.agreement import Agreement, Ending, Suspension
from bus.catalogue.decision import Side
from bus.catalogue.parties import BUS
from bus.catalogue.region import Region
from bus.catalogue.views import view_of
from bus.kafka.administration import Administration, connect_admin
from bus.kafka.cluster import Cluster
from bus.local import broker_settings, reset, up
from bus.model.identifiers import SystemCode
from bus.provision.topic_apply import apply_topics
from bus.provision.topic_plan import topics_of
from tests.access.conftest import NOW
from tests.access.regions import agreement, region

Matrix: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
"""(principal, topic) → operations that the broker lets it do, in lower case; empty: none."""
AGENCIES = 20
STRANGER = SystemCode("stranger")
READ = frozenset({"read", "describe"})
WRITE = frozenset({"write", "describe"})
REST = Suspension(side=Side.PROVIDER, by="head", begins=NOW, ends=None)
END = Ending(side=Side.CONSUMER, by="head", at=NOW)


def _agreements() -> Iterable[Agreement]:
    """Of each consumer with the next five providers: all, some fields, and three out of force."""
    for number in range(AGENCIES):
        consumer, readers = f"agency-{number:02}", [f"system-{number:02}"]
        whole, some, resting, ended, late = (
            f"data-{(number + step) % AGENCIES:02}" for step in range(1, 6)
        )
        yield agreement(consumer, readers, whole)
        yield agreement(consumer, readers, some, fields=["number", "town"][: number % 2 + 1])
        yield replace(agreement(consumer, readers, resting), suspensions=(REST,))
        yield replace(agreement(consumer, readers, ended), ending=END)
        yield agreement(consumer, readers, late, valid_from=date(NOW.year + 1, 1, 1))


def _region() -> Region:
    agencies = {
        f"agency-{number:02}": {f"system-{number:02}": [f"data-{number:02}"]}
        for number in range(AGENCIES)
    }
    return region(agencies, _agreements(), partitions=1)


def _expected(exchange: Region, names: Iterable[str]) -> Matrix:
    """Say what the agreements mean, in words of their own and not by the code under test."""
    principals = [f"system-{number:02}" for number in range(AGENCIES)]
    cells = dict.fromkeys((one, name) for one in (*principals, STRANGER) for name in names)
    found = {cell: frozenset[str]() for cell in cells}
    for number, system in enumerate(principals):
        agency = f"agency-{number:02}"
        for name in (f"in.{agency}.data-{number:02}", f"positions.{agency}"):
            found[system, name] = READ | WRITE
        for kind in ("quarantine", "receipts", "ask", "reply"):
            found[system, f"{kind}.{agency}"] = READ
        for name in ("control.catalogue", "control.checkpoints", "_schemas"):
            found[system, name] = READ
    for granted in exchange.agreements:
        if granted.suspensions or granted.ending or granted.valid_from > NOW.date():
            continue
        view = view_of(granted, exchange.contracts[granted.dataset])
        topic = f"accepted.{granted.dataset}" if view is None else f"view.{view.code}"
        found[granted.systems[0], topic] = READ
    for name in names:
        written = name.startswith(
            (
                *("release.", "accepted.", "view.", "quarantine.", "receipts.", "ask.", "reply."),
                *("control.refusals", "control.audit", "control.checkpoints", "control.erasures"),
            )
        )
        found[BUS, name] = READ | WRITE if written else READ
    return found


def _asked(cluster: Cluster, principals: Mapping[str, str], names: list[str]) -> Matrix:
    """Ask the broker, as each principal with its password, what it may do with each topic."""
    found = {}
    for principal, password in principals.items():
        own = replace(cluster, principal=SystemCode(principal), password=password)
        client = AdminClient({**own.confluent_options(), "log_level": 0})
        answers = client.describe_topics(
            TopicCollection(names), include_authorized_operations=True, request_timeout=20
        )
        for name, answer in answers.items():
            try:
                allowed = answer.result(20).authorized_operations or ()
            except KafkaException:
                allowed = ()
            found[principal, name] = frozenset(AclOperation(one).name.lower() for one in allowed)
    return found


def _differing(found: Matrix, expected: Matrix) -> dict[tuple[str, str], tuple[set[str], set[str]]]:
    assert found.keys() == expected.keys()
    return {
        cell: (set(expected[cell]), set(found[cell]))
        for cell in expected
        if found[cell] != expected[cell]
    }


def _principals(home: Path, admin: Administration) -> dict[str, str]:
    systems = [SystemCode(f"system-{number:02}") for number in range(AGENCIES)] + [STRANGER, BUS]
    enrol_all(home, admin, systems, NOW)
    return {system: load_credentials(home, system, NOW).password for system in systems}


def _topic_names(exchange: Region, admin: Administration) -> list[str]:
    planned = topics_of(exchange, replication_factor=1)
    apply_topics(admin, planned)
    return sorted(planned)


def test_each_cell_is_what_the_agreements_grant(
    home: Path, admin: Administration, admin_cluster: Cluster
) -> None:
    exchange = _region()
    names = _topic_names(exchange, admin)
    assert len(exchange.agencies) >= 20
    assert len(names) >= 40
    reconcile(admin, rights_of(exchange, NOW), lambda _: None)
    found = _asked(admin_cluster, _principals(home, admin), names)
    assert _differing(found, _expected(exchange, names)) == {}
    assert sum(map(bool, found.values())) > 5 * AGENCIES, "something is granted at all"


def test_the_matrix_tells_when_the_authorizer_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = broker_settings.properties_text
    monkeypatch.setattr(
        broker_settings,
        "properties_text",
        lambda settings: written(
            {key: value for key, value in settings.items() if key != "authorizer.class.name"}
        ),
    )
    home = tmp_path / "open"
    engines = up(home)
    try:
        open_to_all = Cluster(
            bootstrap=engines.kafka_bootstrap,
            ca_file=engines.kafka_ca_file,
            principal=engines.kafka_admin_user,
            password=engines.kafka_admin_password_file.read_text().strip(),
        )
        admin = connect_admin(open_to_all)
        exchange = region({"town": {"edu": ["schools"]}}, partitions=1)
        names = _topic_names(exchange, admin)
        enrol_all(home, admin, [STRANGER], NOW)
        password = load_credentials(home, STRANGER, NOW).password
        found = _asked(open_to_all, {STRANGER: password}, names)
        nothing: Matrix = {(STRANGER, name): frozenset() for name in names}
        assert len(_differing(found, nothing)) == len(names)
    finally:
        reset(home)
