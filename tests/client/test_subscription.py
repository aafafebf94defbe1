from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from bus.access.rights import Permitted, rights_of
from bus.catalogue.agreement import Ending, Suspension
from bus.catalogue.decision import Side
from bus.catalogue.region import Region
from bus.catalogue.views import views_of
from bus.client.subscription import changes_of, feeds_of
from bus.errors import DocumentError
from bus.model.identifiers import DatasetCode, SystemCode
from tests.factories import DATASET, noon, region, sample_documents

TODAY = date(2026, 11, 24)
NOW = noon(TODAY)
PORTAL = SystemCode("region-portal")
HEALTH = SystemCode("health-analytics")
ORGANISATIONS = DatasetCode("organisations")


def test_an_agreement_over_everything_is_served_from_the_accepted_topic() -> None:
    (feed,) = feeds_of(region(), PORTAL, ORGANISATIONS, NOW)
    assert (feed.topic, feed.view) == ("accepted.organisations", None)
    assert feed.agreements == ("portal-organisations",)
    assert feed.decoders


def test_an_agreement_over_less_is_served_from_its_view_with_the_views_schema() -> None:
    (feed,) = feeds_of(region(), HEALTH, DATASET, NOW)
    assert feed.view is not None
    assert feed.topic == f"view.{feed.view.code}"
    whole = region().lock.get(DATASET, 1)
    assert whole is not None
    assert whole.id not in feed.decoders


def test_two_views_are_two_topics_and_a_full_agreement_covers_them() -> None:
    narrow = copied("portal-institutions-tolyatti", "narrow", "  - phone\n", "")
    feeds = feeds_of(region(**narrow), PORTAL, DATASET, NOW)
    assert len({feed.topic for feed in feeds}) == 2
    everything = copied(
        "portal-organisations", "everything", "dataset: organisations", f"dataset: {DATASET}"
    )
    feeds = feeds_of(region(**narrow, **everything), PORTAL, DATASET, NOW)
    assert [feed.topic for feed in feeds] == [f"accepted.{DATASET}"]


def test_kafka_lets_a_system_read_exactly_what_its_client_is_led_to() -> None:
    known = region()
    edges = {
        day + timedelta(days=shift)
        for one in known.agreements
        for day in (one.valid_from, one.valid_to)
        for shift in (-1, 0, 1)
    }
    topics = {
        dataset: {f"accepted.{dataset}"}
        | {f"view.{view.code}" for view in views_of(known) if view.dataset == dataset}
        for dataset in known.contracts
    }
    readers = [system.code for agency in known.agencies.values() for system in agency.systems]
    for day in sorted(edges):
        rights = rights_of(known, noon(day))
        for system in readers:
            for dataset in known.contracts:
                try:
                    led_to = {feed.topic for feed in feeds_of(known, system, dataset, noon(day))}
                except DocumentError:
                    led_to = set()
                allowed = topics[dataset] & {
                    right.name
                    for right in rights
                    if right.principal == system and right.operation is Permitted.READ
                }
                assert led_to == ({f"accepted.{dataset}"} & allowed or allowed)


def copied(agreement: str, copy: str, old: str, new: str) -> dict[str, bytes]:
    text = sample_documents()[f"agreements/{agreement}.yaml"].decode()
    text = text.replace(f"agreement: {agreement}", f"agreement: {copy}").replace(old, new)
    return {f"agreements/{copy}.yaml": text.encode()}


@pytest.mark.parametrize(
    ("system", "dataset", "day", "said"),
    [
        ("health-analytics", "organisations", TODAY, "health-institutions (dataset"),
        ("health-analytics", DATASET, date(2025, 1, 1), "begins on 2026-01-01"),
        ("health-analytics", DATASET, date(2030, 1, 1), "ended on 2027-12-31"),
        ("acts-registry", "organisations", TODAY, "agreements of this system: none at all"),
        ("edu-registry", "unheard-of", TODAY, "there is no dataset unheard-of"),
    ],
)
def test_without_an_agreement_those_that_the_system_has_are_listed(
    system: str, dataset: str, day: date, said: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        feeds_of(region(), SystemCode(system), DatasetCode(dataset), noon(day))
    assert said in str(caught.value)


def test_agreements_are_listed_in_russian_too() -> None:
    with pytest.raises(DocumentError) as caught:
        feeds_of(region(), SystemCode("health-analytics"), DATASET, noon(date(2030, 1, 1)))
    assert "(набор данных educational-institutions, прекратило действие 2027-12-31)" in (
        caught.value.spoken("ru")
    )


REST = Suspension(
    side=Side.PROVIDER,
    by="Head of department",
    begins=NOW + timedelta(hours=1),
    ends=NOW + timedelta(hours=2),
)
END = Ending(side=Side.CONSUMER, by="Head of department", at=NOW + timedelta(hours=3))


def interrupted() -> Region:
    """The sample region, whose agreement on institutions rests for an hour and ends soon."""
    known = region()
    agreements = (
        replace(one, suspensions=(REST,), ending=END) if one.id == "health-institutions" else one
        for one in known.agreements
    )
    return replace(known, agreements=tuple(agreements))


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0, None),
        (1, "health-institutions (dataset educational-institutions, suspended)"),
        (2, None),
        (3, "health-institutions (dataset educational-institutions, ended on 2026-11-24)"),
    ],
)
def test_an_agreement_rests_and_ends_to_the_moment_for_topics_and_rights_alike(
    hours: int, said: str | None
) -> None:
    system, at = SystemCode("health-analytics"), NOW + timedelta(hours=hours)
    known = interrupted()
    view = feeds_of(known, system, DATASET, NOW)[0].topic
    read = {
        right.name
        for right in rights_of(known, at)
        if right.principal == system and right.operation is Permitted.READ
    }
    assert (view in read) is (said is None)
    if said is None:
        assert feeds_of(known, system, DATASET, at)[0].topic == view
        return
    with pytest.raises(DocumentError) as caught:
        feeds_of(known, system, DATASET, at)
    assert said in str(caught.value)


def test_what_begins_and_ends_within_a_day_is_told_in_order() -> None:
    system = SystemCode("health-analytics")
    assert changes_of(interrupted(), system, DATASET) == (REST.begins, REST.ends, END.at)
    assert changes_of(region(), system, DATASET) == ()
    assert changes_of(interrupted(), SystemCode("region-portal"), DATASET) == ()
