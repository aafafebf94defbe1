from __future__ import annotations

import pytest

from bus.catalogue.region import parse_region
from bus.errors import DocumentError
from tests.catalogue.linting import lint, relocked
from tests.catalogue.small_region import planted, small_region

PARTITIONS = "partitions: 3\n"
OWN = """\
agreement: probe-of-the-bus
consumer: civil-small
systems: [shelter-list]
dataset: shelters
purpose: {ru: Проверка шины, en: Checking of the bus}
legal_basis: Положение о шине
valid_from: 2026-02-01
valid_to: 2027-12-31
"""


def probing(dataset: str = "shelters") -> dict[str, bytes]:
    named = f"{PARTITIONS}probe: {dataset}\n"
    return planted(small_region(), "region.yaml", PARTITIONS, named)


def test_a_region_may_probe_with_what_its_sender_may_read() -> None:
    documents = relocked({**probing(), "agreements/probe-of-the-bus.yaml": OWN.encode()})
    assert lint(documents) == ()
    region = parse_region(documents)
    assert region.probe == "shelters"
    assert region.systems_of(region.probe) == ("shelter-list",)
    assert parse_region(small_region()).probe is None


def test_a_probe_that_its_sender_may_not_read_is_found() -> None:
    (finding,) = lint(probing())
    assert finding.path == "region.yaml:5 probe"
    assert "`shelter-list` may not read" in str(finding)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    provides: [shelters]\n", "", "provide: -"),
        (
            "    provides: [shelters]\n",
            "    provides: [shelters]\n"
            "  - system: shelter-maps\n"
            "    name: {ru: Карты, en: Maps}\n"
            "    provides: [shelters]\n",
            "provide: shelter-list, shelter-maps",
        ),
    ],
)
def test_a_probe_of_no_system_or_of_several_is_found(old: str, new: str, told: str) -> None:
    documents = planted(probing(), "agencies/civil-small.yaml", old, new)
    found = [one for one in lint(documents) if one.path.startswith("region.yaml")]
    assert len(found) == 1
    assert told in str(found[0])


def test_a_probe_with_an_unknown_dataset_is_no_region() -> None:
    with pytest.raises(DocumentError) as refused:
        parse_region(probing("shelter"))
    assert [one.path for one in refused.value.findings] == ["region.yaml:5 probe"]
