from __future__ import annotations

from bus.provision.topic_plan import topics_of
from bus.wire import topics
from tests.chaos.engines import NODES
from tests.chaos.leaders import APART, replicas
from tests.chaos.traffic import CENTRES, PUBLISHING
from tests.factories import region


def test_nothing_is_led_apart_but_what_publishers_have_in_quarantine() -> None:
    apart = {topics.quarantine(party.agency) for party in PUBLISHING}
    planned = topics_of(region(), replication_factor=len(NODES))
    assert apart < planned.keys()
    assert topics.quarantine(CENTRES.agency) in planned.keys() - apart
    for name, spec in planned.items():
        leaders = {replicas(name, number)[0] for number in range(spec.partitions)}
        assert leaders == {APART} if name in apart else APART not in leaders, name


def test_every_broker_has_every_partition_once() -> None:
    for name in (topics.quarantine(PUBLISHING[0].agency), topics.AUDIT):
        for partition in range(4):
            assert sorted(replicas(name, partition)) == sorted(NODES)
