"""Topics on the cluster brought to what the region needs: made and mended, never deleted.

A partition count that differs is told and left alone: another count sends a key to another
partition, and with that its order is gone. So is a topic that no document explains: its records
may be the only copy of something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)

from bus.errors import Finding
from bus.kafka.administration import (
    REQUEST_TIMEOUT_S,
    Administration,
    fault,
    settled,
    wait_for_effect,
)
from bus.provision.topic_plan import TopicSpec
from bus.texts import finding_at, message

_TOPICS_PER_REQUEST: Final = 200
_INTERNAL_PREFIX: Final = "__"
"""Kafka's own topics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTopic:
    """One topic of the cluster."""

    partitions: int
    config: Mapping[str, str]
    """Only what was set for this topic; the cluster's defaults are not here."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """One setting of one topic that is not as it should be."""

    topic: str
    setting: str
    found: str | None
    """None: not set."""
    expected: str | None
    """None: to be the cluster's default."""

    def __str__(self) -> str:
        found = "not set" if self.found is None else self.found
        expected = "the cluster's default" if self.expected is None else self.expected
        return f"{self.topic} {self.setting}: {found} → {expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDiff:
    """How a cluster's topics differ from what the region needs; each ascending."""

    missing: Mapping[str, TopicSpec]
    differing: tuple[Difference, ...]
    repartitioned: tuple[Finding, ...]
    """Topics with another partition count; a person has to decide."""
    surplus: tuple[str, ...]
    """Topics that no document explains; reported, never deleted."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that applying would change."""
        return not (self.missing or self.differing)


def topic_diff(planned: Mapping[str, TopicSpec], found: Mapping[str, FoundTopic]) -> TopicDiff:
    """Compare what should be with what is."""
    both = sorted(planned.keys() & found.keys())
    return TopicDiff(
        missing={name: planned[name] for name in sorted(planned.keys() - found.keys())},
        differing=tuple(
            difference
            for name in both
            for difference in _differences(name, planned[name].config, found[name].config)
        ),
        repartitioned=tuple(
            _repartitioned(name, expected=planned[name].partitions, found=found[name].partitions)
            for name in both
            if planned[name].partitions != found[name].partitions
        ),
        surplus=tuple(sorted(found.keys() - planned.keys())),
    )


def _differences(
    topic: str, planned: Mapping[str, str], found: Mapping[str, str]
) -> Iterator[Difference]:
    for setting in sorted(planned.keys() | found.keys()):
        if planned.get(setting) != found.get(setting):
            yield Difference(
                topic=topic,
                setting=setting,
                found=found.get(setting),
                expected=planned.get(setting),
            )


def _repartitioned(topic: str, *, expected: int, found: int) -> Finding:
    counts = {"found": found, "expected": expected}
    return finding_at(f"topic {topic}", "error.provision.partitions", **counts)


def read_topics(admin: Administration) -> dict[str, FoundTopic]:
    """Read every topic of the cluster but Kafka's own.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: The administrator may not see them.
    """
    try:
        listed = admin.client.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    except KafkaException as problem:
        raise fault(problem, message("doing.provision.reading_topics")) from problem
    partitions = {
        name: len(topic.partitions)
        for name, topic in listed.items()
        if not name.startswith(_INTERNAL_PREFIX)
    }
    names = sorted(partitions)
    found = {}
    for start in range(0, len(names), _TOPICS_PER_REQUEST):
        for name, config in _configs(admin, names[start : start + _TOPICS_PER_REQUEST]):
            found[name] = FoundTopic(partitions=partitions[name], config=config)
    return found


def _configs(
    admin: Administration, names: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S)
    for resource, answer in answers.items():
        entries: Mapping[str, ConfigEntry] = settled(
            answer, message("doing.provision.reading_topic", topic=resource.name)
        )
        yield (
            resource.name,
            {
                entry.name: entry.value or ""
                for entry in entries.values()
                if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
            },
        )


def apply_topics(admin: Administration, planned: Mapping[str, TopicSpec]) -> TopicDiff:
    """Make missing topics and mend settings, and see them in effect.

    Returns: What was changed, and what a person has to decide.

    Raises:
        Unavailable: Kafka does not answer, or the topics do not appear in time.
        DocumentError: Kafka refuses, e.g. too few brokers for the replication factor.
    """
    diff = topic_diff(planned, read_topics(admin))
    _create(admin, diff.missing)
    _mend(admin, diff.differing)
    if not diff.is_empty:
        wait_for_effect(
            lambda: _left(topic_diff(planned, read_topics(admin))),
            lambda left, wait_s: message(
                "error.provision.topics_without_effect",
                count=len(left),
                wait_s=wait_s,
                first=left[0],
            ),
        )
    return diff


def _create(admin: Administration, missing: Mapping[str, TopicSpec]) -> None:
    names = list(missing)
    for start in range(0, len(names), _TOPICS_PER_REQUEST):
        wanted = [
            NewTopic(
                name,
                num_partitions=missing[name].partitions,
                replication_factor=missing[name].replication_factor,
                config=dict(missing[name].config),
            )
            for name in names[start : start + _TOPICS_PER_REQUEST]
        ]
        answers = admin.client.create_topics(wanted, request_timeout=REQUEST_TIMEOUT_S)
        for name, answer in answers.items():
            settled(answer, message("doing.provision.making_topic", topic=name))


def _mend(admin: Administration, differing: Sequence[Difference]) -> None:
    resources: dict[str, ConfigResource] = {}
    for difference in differing:
        resource = resources.setdefault(
            difference.topic, ConfigResource(ResourceType.TOPIC, difference.topic)
        )
        resource.add_incremental_config(_alteration(difference))
    if not resources:
        return
    answers = admin.client.incremental_alter_configs(
        list(resources.values()), request_timeout=REQUEST_TIMEOUT_S
    )
    for resource, answer in answers.items():
        settled(answer, message("doing.provision.mending_topic", topic=resource.name))


def _alteration(difference: Difference) -> ConfigEntry:
    operation = AlterConfigOpType.DELETE if difference.expected is None else AlterConfigOpType.SET
    return ConfigEntry(difference.setting, difference.expected, incremental_operation=operation)


def _left(diff: TopicDiff) -> Sequence[str]:
    return [*diff.missing, *map(str, diff.differing)]
