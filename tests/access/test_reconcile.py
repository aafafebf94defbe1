from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from bus.access.credentials import load_credentials
from bus.access.enrol import enrol_all
from bus.access.reconcile import AccessDiff, AccessEntry, access_diff, find_drift, reconcile
from bus.access.rights import Permitted, Resource, Right, rights_of
from bus.catalogue.parties import BUS
from bus.errors import DocumentError, Unavailable
from bus.kafka.administration import Administration
from bus.kafka.cluster import Cluster
from bus.model.identifiers import SystemCode
from bus.provision.topic_apply import apply_topics
from bus.provision.topic_plan import topics_of
from tests.access.conftest import NOW
from tests.access.doors import begin_transactions, read, read_in_group, write
from tests.access.regions import LAST_DAY, agreement, region
from tests.factories import noon

EXCHANGE = region(
    {
        "town": {"edu": ["schools"], "edu-x": ["roads"]},
        "clinic": {"health": [], "edu-y": []},
    },
    [
        agreement("clinic", ["health"], "schools"),
        agreement("clinic", ["health"], "roads", fields=["number"]),
    ],
)
NOT_ALLOWED = KafkaError.TOPIC_AUTHORIZATION_FAILED
GROUP_NOT_ALLOWED = KafkaError.GROUP_AUTHORIZATION_FAILED


def unannounced(_: AccessDiff) -> None:
    """Put nothing on record: there is no audit log here."""


@pytest.fixture
def as_system(home: Path, admin: Administration, admin_cluster: Cluster) -> dict[str, Cluster]:
    """A cluster as each system sees it, with today's rights."""
    apply_topics(admin, topics_of(EXCHANGE, replication_factor=1))
    reconcile(admin, rights_of(EXCHANGE, NOW), unannounced)
    systems = [SystemCode(code) for code in ("edu", "edu-x", "health", "edu-y")] + [BUS]
    enrol_all(home, admin, systems, NOW)
    return {
        system: replace(
            admin_cluster, principal=system, password=load_credentials(home, system, NOW).password
        )
        for system in systems
    }


def test_provider_writes_and_reads_its_own_topic(as_system: dict[str, Cluster]) -> None:
    assert write(as_system["edu"], "in.town.schools") is None
    assert read(as_system["edu"], "in.town.schools") is None


@pytest.mark.parametrize(
    "topic", ["in.town.roads", "accepted.schools", "control.catalogue", "control.audit"]
)
def test_foreign_topic_is_refused_for_writing(as_system: dict[str, Cluster], topic: str) -> None:
    assert write(as_system["edu"], topic) == NOT_ALLOWED


@pytest.mark.parametrize("topic", ["in.town.schools", "accepted.schools", "quarantine.town"])
def test_foreign_topic_is_refused_for_reading(
    as_system: dict[str, Cluster], admin_cluster: Cluster, topic: str
) -> None:
    write(admin_cluster, topic)
    assert read(as_system["edu-y"], topic) == NOT_ALLOWED


def test_group_of_another_system_is_refused(as_system: dict[str, Cluster]) -> None:
    write(as_system["bus"], "accepted.schools")
    health = as_system["health"]
    assert read_in_group(health, "accepted.schools", f"health.{uuid4()}") is None
    assert read_in_group(health, "accepted.schools", f"edu.{uuid4()}") == GROUP_NOT_ALLOWED


def test_transactional_id_of_another_system_is_refused(as_system: dict[str, Cluster]) -> None:
    edu = as_system["edu"]
    assert begin_transactions(edu, f"edu.{uuid4()}") is None
    for owner in ("edu-x", "bus"):
        refusal = begin_transactions(edu, f"{owner}.{uuid4()}")
        assert refusal == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_consumer_reads_under_its_agreement_and_not_after_its_end(
    as_system: dict[str, Cluster], admin: Administration
) -> None:
    view = next(topic for topic in topics_of(EXCHANGE, replication_factor=1) if "view." in topic)
    for topic in ("accepted.schools", view):
        assert write(as_system["bus"], topic) is None
        assert read(as_system["health"], topic) is None
    ended = reconcile(admin, rights_of(EXCHANGE, noon(LAST_DAY + timedelta(days=1))), unannounced)
    assert {entry.name for entry in ended.surplus} == {"accepted.schools", view}
    assert not ended.missing
    assert read(as_system["health"], "accepted.schools") == NOT_ALLOWED
    assert read(as_system["health"], view) == NOT_ALLOWED


def test_every_system_reads_checkpoints_and_none_the_audit_log(
    as_system: dict[str, Cluster],
) -> None:
    for topic in ("control.checkpoints", "control.audit"):
        assert write(as_system["bus"], topic) is None
    for system in ("edu", "health", "edu-y"):
        assert read(as_system[system], "control.checkpoints") is None
        assert read(as_system[system], "control.audit") == NOT_ALLOWED
    assert write(as_system["edu"], "control.checkpoints") == NOT_ALLOWED


def test_bus_cannot_write_what_a_provider_says(as_system: dict[str, Cluster]) -> None:
    assert write(as_system["bus"], "in.town.schools") == NOT_ALLOWED
    assert write(as_system["bus"], "quarantine.town") is None


def test_changes_are_announced_before_they_are_made_and_none_where_there_is_none(
    admin: Administration,
) -> None:
    rights, told = rights_of(EXCHANGE, NOW), list[AccessDiff]()
    reconcile(admin, frozenset(), unannounced)

    def announce(diff: AccessDiff) -> None:
        assert find_drift(admin, rights) == diff
        told.append(diff)

    assert reconcile(admin, rights, announce) == told[0]
    reconcile(admin, rights, announce)
    assert len(told) == 1


def test_what_can_not_be_put_on_record_is_not_done(admin: Administration) -> None:
    rights = rights_of(EXCHANGE, NOW)
    reconcile(admin, frozenset(), unannounced)
    before = find_drift(admin, rights)

    def refuse(_: AccessDiff) -> None:
        raise Unavailable("PostgreSQL does not answer")

    with pytest.raises(Unavailable):
        reconcile(admin, rights, refuse)
    assert find_drift(admin, rights) == before


def test_reconciling_twice_changes_nothing(admin: Administration) -> None:
    rights = rights_of(EXCHANGE, NOW)
    reconcile(admin, rights, unannounced)
    assert reconcile(admin, rights, unannounced).is_empty
    assert find_drift(admin, rights).is_empty


def _by_hand(
    principal: str,
    *,
    permission: AclPermissionType = AclPermissionType.ALLOW,
    operation: AclOperation = AclOperation.READ,
    kind: ResourceType = ResourceType.TOPIC,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    name: str = "accepted.schools",
    host: str = "*",
) -> AclBinding:
    return AclBinding(kind, name, pattern, principal, host, operation, permission)


HAND_MADE = {
    "another system": _by_hand("User:edu"),
    "a user nobody knows": _by_hand("User:stranger"),
    "everybody": _by_hand("User:*", pattern=ResourcePatternType.PREFIXED, name="accepted."),
    "every topic": _by_hand("User:edu", name="*", operation=AclOperation.ALL),
    "one host": _by_hand("User:health", host="127.0.0.1"),
    "a denial": _by_hand("User:health", permission=AclPermissionType.DENY),
    "the cluster": _by_hand(
        "User:edu", kind=ResourceType.BROKER, name="kafka-cluster", operation=AclOperation.ALTER
    ),
}


@pytest.mark.parametrize("made", HAND_MADE.values(), ids=HAND_MADE.keys())
def test_entry_made_by_hand_is_found_and_removed(admin: Administration, made: AclBinding) -> None:
    rights = rights_of(EXCHANGE, NOW)
    reconcile(admin, rights, unannounced)
    for answer in admin.client.create_acls([made]).values():
        answer.result(10)
    _until_seen(admin, rights)
    drift = find_drift(admin, rights)
    kind = "cluster" if made.restype is ResourceType.BROKER else "topic"
    assert [(one.principal, one.resource, one.name, one.host) for one in drift.surplus] == [
        (made.principal, kind, made.name, made.host)
    ]
    assert reconcile(admin, rights, unannounced) == drift
    assert find_drift(admin, rights).is_empty


def _until_seen(admin: Administration, rights: frozenset[Right]) -> None:
    for _ in range(200):
        if not find_drift(admin, rights).is_empty:
            return


def test_entry_of_a_super_user_is_left_alone(admin: Administration, admin_cluster: Cluster) -> None:
    rights = rights_of(EXCHANGE, NOW)
    reconcile(admin, rights, unannounced)
    made = _by_hand(f"User:{admin_cluster.principal}")
    for answer in admin.client.create_acls([made]).values():
        answer.result(10)
    assert find_drift(admin, rights).is_empty


def test_system_named_like_a_super_user_is_refused(
    admin: Administration, admin_cluster: Cluster
) -> None:
    named_alike = region({"town": {admin_cluster.principal: ["schools"]}})
    with pytest.raises(DocumentError, match="super user"):
        reconcile(admin, rights_of(named_alike, NOW), unannounced)


def test_entry_without_words_in_the_library_is_told_and_blocks_nothing() -> None:
    strange = AccessEntry(
        principal="User:edu",
        permission="allow",
        operation="unknown",
        resource="topic",
        pattern="literal",
        name="in.town.schools",
        host="*",
    )
    diff = access_diff([], [strange], frozenset())
    assert diff.nameless == (strange,)
    assert diff.is_empty


def test_rights_of_nobody_take_everything_away(admin: Administration) -> None:
    reconcile(admin, rights_of(EXCHANGE, NOW), unannounced)
    removed = reconcile(admin, frozenset(), unannounced)
    assert AccessEntry.of(
        next(
            right
            for right in rights_of(EXCHANGE, NOW)
            if right.resource is Resource.TOPIC and right.operation is Permitted.WRITE
        )
    ) in set(removed.surplus)
    assert reconcile(admin, frozenset(), unannounced).is_empty
