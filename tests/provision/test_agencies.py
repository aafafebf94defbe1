"""An agency joins with one call and leaves with another, on real engines."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bus.access.credentials import (
    load_credentials,
    load_password,
    read_public_key,
    system_folder,
)
from bus.access.reconcile import read_access
from bus.catalogue.agency_text import Newcomer
from bus.catalogue.agreement import AgreementState
from bus.catalogue.region import parse_region
from bus.errors import DocumentError, Unavailable
from bus.kafka.administration import Administration, connect_admin
from bus.kafka.cluster import Cluster
from bus.model.identifiers import AgencyCode, SystemCode
from bus.provision import agencies
from bus.provision.agencies import Premises, join, leave
from bus.provision.agreement_decision import agreement_of, approve_all
from bus.provision.agreement_terms import draft
from bus.wire import topics
from tests.access.doors import log_in
from tests.factories import ROOT

CULTURE, MUSEUMS = AgencyCode("culture-samara"), SystemCode("museums")
NEWCOMER = Newcomer(
    agency=CULTURE,
    name_ru="Министерство культуры",
    name_en="Ministry of Culture",
    oktmo="36000000",
    system=MUSEUMS,
    system_name_ru="Музейный фонд",
    system_name_en="Museum collection",
)
AGREEMENT = "museums-municipalities"


@pytest.fixture
def place(
    installation_home: Path, admin_cluster: Cluster, fund_dsn: str, emptied: None, tmp_path: Path
) -> Premises:
    """A copy of the sample region and its keys, on engines without a topic."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    home = Path(shutil.copytree(installation_home, tmp_path / "home"))
    return Premises(
        region_file=tmp_path / "deploy" / "samara" / "region.yaml",
        home=home,
        cluster=admin_cluster,
        fund_dsn=fund_dsn,
        clock=lambda: datetime.now(UTC),
    )


def terms(first: date) -> Mapping[str, object]:
    return {
        "systems": [MUSEUMS],
        "dataset": "municipalities",
        "purpose": {"ru": "Учёт", "en": "Keeping"},
        "legal_basis": "54-ФЗ",
        "valid_from": first.isoformat(),
        "valid_to": (first + timedelta(days=300)).isoformat(),
    }


def readable(admin: Administration) -> set[str]:
    return {one.name for one in read_access(admin) if one.principal == f"User:{MUSEUMS}"}


def as_museums(place: Premises) -> Cluster:
    password = load_password(place.home, MUSEUMS)
    return replace(place.cluster, principal=MUSEUMS, password=password)


def test_an_agency_joins_receives_and_leaves(place: Premises) -> None:
    admin = connect_admin(place.cluster)
    joined = join(place, NEWCOMER)
    assert joined.document.read_text(encoding="utf-8").startswith(f"agency: {CULTURE}\n")
    assert log_in(as_museums(place))
    assert topics.CATALOGUE in readable(admin)
    assert join(place, NEWCOMER) == joined, "begun again, it finds all of it done"

    draft(place.region_file, place.home, AGREEMENT, terms(place.clock().date()))
    approve_all(place.region_file, place.home, place.clock())
    place.apply()
    assert "accepted.municipalities" in readable(admin)

    left = leave(place, CULTURE, "Head of the digital office")
    assert (left.agreements, left.keys, left.systems) == (
        (AGREEMENT,),
        (joined.key_id,),
        (MUSEUMS,),
    )
    assert readable(admin) == set()
    assert not log_in(as_museums(place))
    region = parse_region(place.documents())
    now = place.clock()
    assert agreement_of(region, AGREEMENT).state_at(now) is AgreementState.ENDED
    assert region.agencies[CULTURE].has_left(now)
    assert not region.keys[joined.key_id].is_valid_at(now)

    again = leave(place, CULTURE, "Head of the digital office")
    assert (again.agreements, again.keys, again.systems) == ((), (), ())
    assert again.left_at == left.left_at


def test_a_newcomer_that_makes_no_sense_is_not_written(place: Premises) -> None:
    for wrong, says in (
        (replace(NEWCOMER, provides=("nothing",)), "nothing"),
        (replace(NEWCOMER, agency="Culture"), "agencies/Culture.yaml"),
        (replace(NEWCOMER, system="edu-registry"), "edu-registry"),
        (replace(NEWCOMER, agency="health-samara"), "health-samara"),
    ):
        before = place.documents()
        with pytest.raises(DocumentError, match=says):
            join(place, wrong)
        assert place.documents() == before


def test_an_agency_that_provides_leaves_its_datasets_without_a_provider(place: Premises) -> None:
    left = leave(place, AgencyCode("archive-samara"), "Head of the archive")
    assert left.unprovided == ("documents",)
    assert left.agreements
    for key in left.keys:
        found = read_public_key(place.home / "keys" / f"{key}.yaml")
        assert found.valid_to == left.left_at


def test_what_stands_is_ended_by_the_agency_itself_or_it_stays(place: Premises) -> None:
    health = AgencyCode("health-samara")
    for system in parse_region(place.documents()).agencies[health].systems:
        shutil.rmtree(system_folder(place.home, system.code))
    before = place.documents()
    with pytest.raises(DocumentError, match="health-institutions"):
        leave(place, health, "Head of health")
    assert place.documents() == before
    with pytest.raises(DocumentError, match="educational-institutions"):
        leave(place, AgencyCode("education-samara"), "Minister")
    with pytest.raises(DocumentError, match="no agency nobody"):
        leave(place, AgencyCode("nobody"), "Head of nothing")


def test_an_agency_that_left_comes_again_with_a_key_that_counts(place: Premises) -> None:
    joined = join(place, NEWCOMER)
    leave(place, CULTURE, "Head of the digital office")
    again = join(place, NEWCOMER)
    now = place.clock()
    region = parse_region(place.documents())
    assert again.key_id != joined.key_id
    assert region.keys[again.key_id].is_valid_at(now)
    assert not region.agencies[CULTURE].has_left(now)
    assert load_credentials(place.home, MUSEUMS, now).key_id == again.key_id
    assert log_in(as_museums(place))
    assert topics.CATALOGUE in readable(connect_admin(place.cluster))


def test_an_agreement_whose_term_is_over_keeps_nobody_and_blocks_nothing(place: Premises) -> None:
    join(place, NEWCOMER)
    draft(place.region_file, place.home, AGREEMENT, terms(date(2020, 1, 1)))
    place.apply()
    assert leave(place, CULTURE, "Head of the digital office").agreements == ()


def test_leaving_that_was_interrupted_is_begun_again(
    place: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    join(place, NEWCOMER)
    draft(place.region_file, place.home, AGREEMENT, terms(place.clock().date()))
    approve_all(place.region_file, place.home, place.clock())
    place.apply()

    def away(_: Premises) -> int:
        raise Unavailable("no broker answers")

    def no_disk(*_: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Premises, "apply", away)
        with pytest.raises(Unavailable):
            leave(place, CULTURE, "Head of the digital office")
    with monkeypatch.context() as patched:
        patched.setattr(agencies, "end", no_disk)
        with pytest.raises(OSError, match="no space"):
            leave(place, CULTURE, "Head of the digital office")
    left = leave(place, CULTURE, "Head of the digital office")
    assert left.systems == (MUSEUMS,)
    region = parse_region(place.documents())
    assert agreement_of(region, AGREEMENT).state_at(place.clock()) is AgreementState.ENDED
    assert region.agencies[CULTURE].left_at == left.left_at
