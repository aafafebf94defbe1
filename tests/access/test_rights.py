from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bus.access.rights import Pattern, Permitted, Resource, Right, rights_of
from bus.catalogue.agreement import Agreement
from bus.catalogue.granted import next_turn
from bus.catalogue.parties import BUS, GATEWAY, SigningKey
from bus.catalogue.region import Region
from bus.catalogue.views import view_of
from bus.model.identifiers import KeyId, SystemCode
from bus.provision.topic_plan import topics_of
from bus.wire import topics
from tests.access.regions import FIRST_DAY, LAST_DAY, agreement, region
from tests.factories import noon

# Codes that begin with one another: what a prefix right could mix up.
SYSTEMS = ["ed", "edu", "edu-x", "edu-x1", "health", "bus-routes"]
DATASETS = ["schools", "schools-old", "roads"]
DAYS = st.dates(FIRST_DAY - timedelta(days=400), LAST_DAY + timedelta(days=400))


@st.composite
def regions(draw: st.DrawFn) -> Region:
    agencies: dict[str, dict[str, list[str]]] = {"schooling": {"all-of-them": DATASETS}}
    owners = {"all-of-them": "schooling"}
    for system in draw(st.lists(st.sampled_from(SYSTEMS), unique=True)):
        agency = draw(st.sampled_from(["town", "town-2", "schooling"]))
        provides = draw(st.lists(st.sampled_from(DATASETS), unique=True, max_size=2))
        agencies.setdefault(agency, {})[system] = provides
        owners[system] = agency
    agreements = draw(
        st.lists(
            st.builds(
                _agreement,
                st.sampled_from(sorted(owners)),
                st.sampled_from(DATASETS),
                st.sampled_from([None, ("number",), ("number", "name")]),
                DAYS,
                st.integers(0, 500),
            ),
            max_size=4,
        )
    )
    return region(agencies, agreements)


def _agreement(
    system: str, dataset: str, fields: tuple[str, ...] | None, start: date, length_days: int
) -> Agreement:
    end = start + timedelta(days=length_days)
    return agreement(
        "agency-of-it", [system], dataset, fields=fields, valid_from=start, valid_to=end
    )


def covers(right: Right, resource: Resource, name: str) -> bool:
    if right.resource is not resource:
        return False
    return name.startswith(right.name) if right.pattern is Pattern.PREFIXED else name == right.name


def permitted(rights: frozenset[Right], system: str, operation: Permitted, topic: str) -> bool:
    return any(
        right.principal == system
        and right.operation is operation
        and covers(right, Resource.TOPIC, topic)
        for right in rights
    )


@given(regions(), DAYS)
def test_an_accepted_topic_is_read_by_exactly_those_with_a_full_agreement_in_force(
    region: Region, day: date
) -> None:
    rights = rights_of(region, noon(day))
    for dataset in region.contracts:
        topic = topics.accepted(dataset)
        readers = {
            system.code
            for agency in region.agencies.values()
            for system in agency.systems
            if permitted(rights, system.code, Permitted.READ, topic)
        }
        entitled = {
            system
            for one in region.agreements
            if one.dataset == dataset and one.is_full and one.valid_from <= day <= one.valid_to
            for system in one.systems
        }
        assert readers == entitled


@given(regions(), DAYS)
def test_a_view_is_read_by_exactly_those_whose_agreement_in_force_it_serves(
    region: Region, day: date
) -> None:
    rights = rights_of(region, noon(day))
    served: dict[str, set[str]] = {}
    for one in region.agreements:
        view = view_of(one, region.contracts[one.dataset])
        if view is not None:
            entitled = served.setdefault(topics.view(view.code), set())
            entitled.update(one.systems if one.valid_from <= day <= one.valid_to else ())
    for topic, entitled in served.items():
        assert entitled == {
            right.principal
            for right in rights
            if right.principal != BUS
            and right.operation is Permitted.READ
            and covers(right, Resource.TOPIC, topic)
        }


@given(regions(), DAYS)
def test_what_is_told_of_data_requests_is_read_by_the_agency_that_it_concerns(
    region: Region, day: date
) -> None:
    rights = rights_of(region, noon(day))
    consumers = {one.consumer for one in region.agreements}
    for agency in region.agencies.values():
        own = {system.code for system in agency.systems}
        for topic, concerns in (
            (topics.ask(agency.code), bool(agency.provides)),
            (topics.reply(agency.code), agency.code in consumers),
        ):
            for operation in (Permitted.READ, Permitted.WRITE):
                reaches = operation is Permitted.READ and concerns
                assert {
                    right.principal
                    for right in rights
                    if right.operation is operation and covers(right, Resource.TOPIC, topic)
                } == (own if reaches else set()) | {BUS}


@given(regions(), DAYS)
def test_a_system_writes_only_what_it_provides(region: Region, day: date) -> None:
    rights = rights_of(region, noon(day))
    for agency in region.agencies.values():
        for system in agency.systems:
            written = {
                topic
                for topic in topics_of(region, replication_factor=1)
                if permitted(rights, system.code, Permitted.WRITE, topic)
            }
            own = {topics.inbound(agency.code, one) for one in system.provides}
            assert written == own | ({topics.positions(agency.code)} if own else set())


@given(regions(), DAYS)
def test_a_group_or_transaction_belongs_to_the_system_that_names_it(
    region: Region, day: date
) -> None:
    rights = rights_of(region, noon(day))
    of_region = {system.code for agency in region.agencies.values() for system in agency.systems}
    for owner in (*SYSTEMS, BUS):
        for resource, operation in (
            (Resource.GROUP, Permitted.READ),
            (Resource.TRANSACTIONAL_ID, Permitted.WRITE),
        ):
            holders = {
                right.principal
                for right in rights
                if right.operation is operation and covers(right, resource, f"{owner}.loader")
            }
            assert holders == {owner} & (of_region | {BUS})


@given(regions(), DAYS)
def test_quarantine_and_foreign_inbound_topics_are_closed(region: Region, day: date) -> None:
    rights = rights_of(region, noon(day))
    for agency in region.agencies.values():
        for system in agency.systems:
            for other in region.agencies.values():
                is_own = other == agency and bool(agency.provides)
                for topic in (topics.quarantine(other.code), topics.receipts(other.code)):
                    assert permitted(rights, system.code, Permitted.READ, topic) == is_own
                    assert not permitted(rights, system.code, Permitted.WRITE, topic)
                release = topics.release(other.code)
                assert not permitted(rights, system.code, Permitted.WRITE, release)
                for dataset in other.provides:
                    topic = topics.inbound(other.code, dataset)
                    may_read = permitted(rights, system.code, Permitted.READ, topic)
                    assert may_read == (other == agency and dataset in system.provides)


@given(regions(), DAYS)
def test_the_bus_reads_every_topic_and_writes_none_of_a_provider_or_an_administrator(
    region: Region, day: date
) -> None:
    rights = rights_of(region, noon(day))
    for topic in topics_of(region, replication_factor=1):
        assert permitted(rights, BUS, Permitted.READ, topic)
        of_others = {topics.SCHEMAS, topics.CATALOGUE, topics.GATE}
        may_write = not topic.startswith(("in.", "positions.")) and topic not in of_others
        assert permitted(rights, BUS, Permitted.WRITE, topic) == may_write


def test_the_last_day_of_an_agreement_still_counts() -> None:
    exchange = region(
        {"town": {"edu": ["schools"]}, "clinic": {"health": []}},
        [agreement("clinic", ["health"], "schools")],
    )
    before, after = (
        rights_of(exchange, noon(LAST_DAY + timedelta(days=later))) for later in (0, 1)
    )
    assert {right.name for right in before - after} == {"accepted.schools"}
    assert not after - before


def delegated_key(system: str, **changed: object) -> SigningKey:
    key = SigningKey(
        key_id=KeyId(f"{system}.gateway-1"),
        system=SystemCode(system),
        algorithm="ed25519",
        public_key=b"\x01" * 32,
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=None,
        revoked_at=None,
        is_delegated=True,
    )
    return replace(key, **changed)  # type: ignore[arg-type]


@given(regions(), DAYS, st.data())
def test_the_gateway_writes_what_delegating_systems_provide_and_reads_nothing(
    region: Region, day: date, data: st.DataObject
) -> None:
    systems = [one.code for agency in region.agencies.values() for one in agency.systems]
    keys = [
        delegated_key(
            system,
            revoked_at=data.draw(st.none() | st.just(datetime(2026, 6, 1, tzinfo=UTC))),
            is_delegated=data.draw(st.booleans()),
        )
        for system in data.draw(st.lists(st.sampled_from(systems), unique=True))
    ]
    delegating = {key.system for key in keys if key.is_delegated and key.is_valid_at(noon(day))}
    rights = rights_of(replace(region, keys={key.key_id: key for key in keys}), noon(day))
    for topic in topics_of(region, replication_factor=1):
        assert not permitted(rights, GATEWAY, Permitted.READ, topic)
    written = {
        topic
        for topic in topics_of(region, replication_factor=1)
        if permitted(rights, GATEWAY, Permitted.WRITE, topic)
    }
    assert written == {
        topics.inbound(agency.code, dataset)
        for agency in region.agencies.values()
        for system in agency.systems
        if system.code in delegating
        for dataset in system.provides
    }


@given(regions(), DAYS)
def test_an_agency_that_has_left_may_do_nothing_from_that_moment_on(
    region: Region, day: date
) -> None:
    first = next(iter(region.agencies))
    gone = replace(region.agencies[first], left_at=noon(day))
    after = replace(region, agencies={**region.agencies, first: gone})
    systems = {system.code for system in gone.systems}
    earlier = noon(day) - timedelta(seconds=1)
    assert rights_of(after, earlier) == rights_of(region, earlier)
    assert rights_of(after, noon(day)) == {
        right for right in rights_of(region, noon(day)) if right.principal not in systems
    }
    assert next_turn(after, earlier) == noon(day)
