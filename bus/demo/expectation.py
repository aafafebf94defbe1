"""What the bus must come to, told from the programme and the agreements alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from bus.catalogue.agreement import Agreement, matches
from bus.catalogue.region import Region
from bus.demo.breaking import INSTITUTIONS
from bus.demo.careless import CARELESS
from bus.demo.programme import EDUCATION, Fate, Programme
from bus.demo.records import Values
from bus.demo.registers import key_of
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import Operation
from bus.model.verdict import Reason

ANSWERED_AUTO: Final = "answered_auto"
BY_PROVIDER: Final = "answered_by_provider"
REFUSED: Final = "refused"
ASKED_OF_FUND: Final = 100
"""Data requests, so many that 99 of 100 means something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Counts that the generator knows before anything is sent."""

    accepted: int
    """Distinct records."""
    repeats: int
    quarantined: Mapping[Reason, int]
    """Whatever became of them later."""
    released: int
    """Of them, those that were accepted when their rule was mended."""
    resolved: int
    """Of them, those that a new record of their provider answered."""
    operations: Mapping[Operation, int]
    """Accepted records by what they do."""
    delivered: Mapping[tuple[SystemCode, DatasetCode], int]
    """Distinct records for each system that an agreement lets read a dataset."""
    requests: Mapping[str, int]
    """Data requests by what they come to."""
    letters: int
    """That are replaced: answered requests, and what subscriptions bring in their place."""


def expect(programme: Programme, region: Region, day: date) -> Expectation:
    """Work out what must come of a programme.

    Args:
        programme: What is published.
        region: With the agreements; days from which history is granted must lie before `day`.
        day: UTC; agreements count that are in force on it.
    """
    rounds = len(programme.careless)
    quarantined = Counter(dict.fromkeys((*CARELESS, Reason.CONFLICTING_VERSION), rounds))
    released = programme.count(Fate.RELEASED)
    quarantined[Reason.RULE_VIOLATED] += programme.count(Fate.QUARANTINED) + released
    accepted = list(_accepted(programme))
    moment = datetime.combine(day, time(), UTC)
    # Without the probe's, which does not run here.
    agreements = [
        one for one in region.agreements if one.is_in_force(moment) and one.dataset != region.probe
    ]
    readers = sorted({(system, one.dataset) for one in agreements for system in one.systems})
    delivered = {
        reader: sum(_is_granted(region, agreements, reader, *record) for record in accepted)
        for reader in readers
    }
    return Expectation(
        accepted=len(accepted),
        repeats=programme.count(Fate.REPEAT) + rounds,
        quarantined=quarantined,
        released=released,
        resolved=sum(1 for _ in _mended(programme)),
        operations=Counter(_operations(programme)),
        delivered=delivered,
        requests={ANSWERED_AUTO: ASKED_OF_FUND, BY_PROVIDER: 1, REFUSED: 1},
        letters=ASKED_OF_FUND + 1 + sum(_letters(region, delivered)),
    )


def _letters(
    region: Region, delivered: Mapping[tuple[SystemCode, DatasetCode], int]
) -> Iterable[int]:
    """Tell what each agency's subscriptions bring of datasets that its passports name."""
    replaced = {
        (passport.agency, dataset)
        for passport in region.passports.values()
        for dataset in passport.replaces_letter
    }
    for agency, dataset in replaced:
        systems = region.agencies[agency].systems
        yield max(delivered.get((system.code, dataset), 0) for system in systems)


def _accepted(programme: Programme) -> Iterable[tuple[SystemCode, DatasetCode, Values]]:
    for publication in programme.publications:
        for row in publication.rows:
            if row.fate in {Fate.ACCEPTED, Fate.RELEASED}:
                yield publication.system, publication.dataset, row.values
    for round_ in programme.careless:
        for values in (round_[-2], round_[-2], round_[-1]):
            yield EDUCATION, INSTITUTIONS, values


def _mended(programme: Programme) -> Iterable[str]:
    """Name the entries in quarantine that their providers answer in the second act."""
    broken = {
        (publication.system, publication.dataset, key_of(publication.dataset, row.values))
        for publication in programme.first
        for row in publication.rows
        if row.fate is Fate.QUARANTINED
    }
    for publication in programme.again:
        for row in publication.rows:
            name = key_of(publication.dataset, row.values)
            if (publication.system, publication.dataset, name) in broken:
                yield name


def _operations(programme: Programme) -> Iterable[Operation]:
    """Tell what each accepted record does to its entry."""
    begun: set[tuple[SystemCode, str]] = set()
    for publication in programme.publications:
        for row in publication.rows:
            if row.fate not in {Fate.ACCEPTED, Fate.RELEASED}:
                continue
            name = (publication.system, key_of(publication.dataset, row.values))
            yield row.ending or (Operation.CORRECT if name in begun else Operation.CREATE)
            begun.add(name)
    for _ in programme.careless:
        yield from (Operation.CREATE, Operation.CORRECT, Operation.CREATE)


def _is_granted(
    region: Region,
    agreements: Iterable[Agreement],
    reader: tuple[SystemCode, DatasetCode],
    system: SystemCode,
    dataset: DatasetCode,
    values: Values,
) -> bool:
    provider = region.agency_of(system)
    assert provider is not None, "the programme's systems are the region's"
    return any(
        reader[0] in one.systems
        and reader[1] == one.dataset == dataset
        and (one.providers is None or provider.code in one.providers)
        and matches(one.rows, values)
        for one in agreements
    )
