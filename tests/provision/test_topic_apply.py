from __future__ import annotations

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from bus.errors import DocumentError
from bus.kafka.administration import Administration
from bus.provision.topic_apply import (
    Difference,
    FoundTopic,
    apply_topics,
    read_topics,
    topic_diff,
)
from bus.provision.topic_plan import TopicSpec, topics_of
from tests.access.regions import region

PLANNED = topics_of(region({"village": {"wells": ["wells"]}}), replication_factor=1)
TOPIC = "in.village.wells"


pytestmark = pytest.mark.usefixtures("emptied")


def _make(admin: Administration, topic: str, *, partitions: int) -> None:
    for answer in admin.client.create_topics([NewTopic(topic, partitions, 1)]).values():
        answer.result(10)
    while topic not in read_topics(admin):
        pass


def _set(admin: Administration, setting: str, value: str) -> None:
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
    for answer in admin.client.incremental_alter_configs([resource]).values():
        answer.result(10)
    while read_topics(admin)[TOPIC].config.get(setting) != value:
        pass


def test_topics_are_made_as_planned(admin: Administration) -> None:
    made = apply_topics(admin, PLANNED)
    assert set(made.missing) == set(PLANNED)
    assert read_topics(admin) == {
        name: FoundTopic(partitions=spec.partitions, config=dict(spec.config))
        for name, spec in PLANNED.items()
    }


def test_applying_topics_twice_changes_nothing(admin: Administration) -> None:
    apply_topics(admin, PLANNED)
    assert apply_topics(admin, PLANNED).is_empty


@pytest.mark.parametrize(
    ("setting", "wrong", "expected"),
    [
        ("retention.ms", "1000", PLANNED[TOPIC].config["retention.ms"]),
        ("cleanup.policy", "compact", "delete"),
        ("retention.bytes", "1", None),
    ],
)
def test_wrong_setting_is_mended(
    admin: Administration, setting: str, wrong: str, expected: str | None
) -> None:
    apply_topics(admin, PLANNED)
    _set(admin, setting, wrong)
    mended = apply_topics(admin, PLANNED)
    assert mended.differing == (
        Difference(topic=TOPIC, setting=setting, found=wrong, expected=expected),
    )
    assert not mended.missing
    assert read_topics(admin)[TOPIC].config.get(setting) == expected


def test_another_partition_count_is_told_and_left_alone(admin: Administration) -> None:
    _make(admin, TOPIC, partitions=3)
    told = apply_topics(admin, PLANNED).repartitioned
    assert [(finding.path, str(finding.found)) for finding in told] == [
        (f"topic {TOPIC}", "3 partitions")
    ]
    assert read_topics(admin)[TOPIC].partitions == 3


def test_topic_that_no_document_explains_is_told_and_never_deleted(admin: Administration) -> None:
    _make(admin, "left-over", partitions=1)
    assert apply_topics(admin, PLANNED).surplus == ("left-over",)
    assert apply_topics(admin, PLANNED).surplus == ("left-over",)
    assert "left-over" in read_topics(admin)


def test_more_copies_than_brokers_are_refused_with_kafka_s_reason(admin: Administration) -> None:
    spec = TopicSpec(partitions=1, replication_factor=3, config={})
    with pytest.raises(DocumentError, match=r"making topic too-many: .*INVALID_REPLICATION_FACTOR"):
        apply_topics(admin, {"too-many": spec})


def test_diff_of_equal_topics_is_empty() -> None:
    found = {
        name: FoundTopic(partitions=spec.partitions, config=spec.config)
        for name, spec in PLANNED.items()
    }
    diff = topic_diff(PLANNED, found)
    assert diff.is_empty
    assert not diff.repartitioned
    assert not diff.surplus
