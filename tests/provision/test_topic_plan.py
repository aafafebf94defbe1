from __future__ import annotations

from datetime import timedelta

import pytest

from bus.provision.topic_plan import REQUESTS_KEPT_DAYS, replication_factor_for, topics_of
from tests.access.regions import FIRST_DAY, agreement, region

EXCHANGE = region(
    {"town": {"edu": ["schools"], "roads-office": ["roads"]}, "clinic": {"health": []}},
    [agreement("clinic", ["health"], "schools", fields=["number"])],
    partitions=5,
)


def test_every_topic_of_the_region_is_planned() -> None:
    planned = topics_of(EXCHANGE, replication_factor=1)
    views = [name for name in planned if name.startswith("view.")]
    assert len(views) == 1
    assert set(planned) - set(views) == {
        "_schemas",
        "accepted.roads",
        "accepted.schools",
        "ask.town",
        "control.audit",
        "control.catalogue",
        "control.checkpoints",
        "control.erasures",
        "control.gate",
        "control.refusals",
        "in.town.roads",
        "in.town.schools",
        "positions.town",
        "quarantine.town",
        "receipts.town",
        "release.town",
        "reply.clinic",
    }
    assert list(planned) == sorted(planned)


def test_data_topics_have_one_partition_count_and_are_not_compacted() -> None:
    for name, spec in topics_of(EXCHANGE, replication_factor=1).items():
        if name == "control.audit":
            assert spec.partitions == 4  # whatever the region's data topics have
        elif name == "_schemas" or name.startswith(("control.", "ask.", "reply.", "positions.")):
            assert spec.partitions == 1
        else:
            assert spec.partitions == 5
            assert spec.config["cleanup.policy"] == "delete"


def test_catalogue_and_schemas_are_compacted_and_kept_for_ever() -> None:
    planned = topics_of(EXCHANGE, replication_factor=1)
    for name in ("control.catalogue", "_schemas", "positions.town"):
        assert planned[name].config["cleanup.policy"] == "compact"
        assert "retention.ms" not in planned[name].config


def test_the_audit_log_and_its_checkpoints_are_kept_for_ever_and_never_compacted() -> None:
    planned = topics_of(EXCHANGE, replication_factor=1)
    for name in ("control.audit", "control.checkpoints"):
        assert planned[name].config["cleanup.policy"] == "delete"
        assert planned[name].config["retention.ms"] == "-1"


def test_what_is_set_aside_may_be_larger_than_what_came_in() -> None:
    planned = topics_of(EXCHANGE, replication_factor=1)
    sizes = {
        name.partition(".")[0]: spec.config["max.message.bytes"] for name, spec in planned.items()
    }
    assert sizes["in"] == str(2**20)
    assert sizes["quarantine"] == sizes["release"] == str(3 * 2**19)
    assert sizes["accepted"] == sizes["view"] == str(2**19)


@pytest.mark.parametrize(
    ("brokers", "factor", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (7, 3, 2)]
)
def test_a_write_is_durable_on_all_copies_but_one(brokers: int, factor: int, in_sync: int) -> None:
    assert replication_factor_for(brokers) == factor
    for spec in topics_of(EXCHANGE, replication_factor=factor).values():
        assert spec.replication_factor == factor
        assert spec.config["min.insync.replicas"] == str(in_sync)
        assert spec.config["unclean.leader.election.enable"] == "false"
        assert spec.config["message.timestamp.type"] == "LogAppendTime"


def test_view_of_an_ended_agreement_keeps_its_topic() -> None:
    ended = region(
        {"town": {"edu": ["schools"]}, "clinic": {"health": []}},
        [
            agreement(
                "clinic",
                ["health"],
                "schools",
                fields=["number"],
                valid_from=FIRST_DAY - timedelta(days=900),
                valid_to=FIRST_DAY - timedelta(days=800),
            )
        ],
    )
    assert any(name.startswith("view.") for name in topics_of(ended, replication_factor=1))


def test_what_is_told_of_data_requests_is_let_go() -> None:
    planned = topics_of(EXCHANGE, replication_factor=1)
    for name in ("ask.town", "reply.clinic"):
        assert planned[name].config["retention.ms"] == str(REQUESTS_KEPT_DAYS * 86_400_000)
    assert planned["receipts.town"].config["retention.ms"] == "-1"
