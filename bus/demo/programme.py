"""Who publishes what in the demonstration, and what must become of it. Pure.

First every system publishes its register. Then each publishes a part of it again: rows that did
not change, rows that did, and rows that were in quarantine and have been mended. Last, two systems
publish single new records at a steady pace, on which the delays are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bus.demo.breaking import BREAKINGS, INSTITUTIONS, MUNICIPALITIES, ORGANISATIONS
from bus.demo.careless import CARELESS, ROUND_RECORDS
from bus.demo.places import PLACES, SAMARA, TOLYATTI
from bus.demo.records import RecordMaker, Values
from bus.model.identifiers import DatasetCode, SystemCode

RECORDS_MIN: Final = 500
RECORDS_MAX: Final = 50_000
PACED_RECORDS_MAX: Final = 300
CARELESS_ROUND: Final = 2_000
"""So many records stand against one round of the careless client."""
_BROKEN_EACH: Final = 33
"""One record in so many is broken on purpose, about 3 %."""
_BROKEN_MUNICIPALITIES: Final = 4
_AGAIN_EACH: Final = 8
_UNPUBLISHED: Final = 3
_CHANGED_SHARE: Final = 0.25
_TERRITORIES: Final = SystemCode("territory-registry")
EDUCATION: Final = SystemCode("edu-registry")
TOLYATTI_SCHOOLS: Final = SystemCode("tlt-schools")
_TAXES: Final = SystemCode("egrul-feed")


@unique
class Fate(StrEnum):
    """What must become of a row that is published."""

    ACCEPTED = "accepted"
    REPEAT = "repeat"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """One row, and what must become of it."""

    values: Values
    fate: Fate
    rule: str | None = None
    """The rule that it breaks on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one system publishes at once."""

    system: SystemCode
    dataset: DatasetCode
    rows: tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Everything that is published through publishers, in three acts."""

    first: tuple[Publication, ...]
    again: tuple[Publication, ...]
    paced: tuple[Publication, ...]
    careless: tuple[tuple[Values, ...], ...]
    """Sound records of institutions for each round of the careless client, to be made a mess of."""
    unpublished: tuple[Values, ...]
    """Institutions for whoever wants to publish something; the last one is broken."""
    example_key: str
    """Registry number of an institution that has two versions in the end."""

    def count(self, fate: Fate) -> int:
        """Count the rows of one fate."""
        acts = (*self.first, *self.again, *self.paced)
        return sum(row.fate is fate for publication in acts for row in publication.rows)


def plan_programme(*, records: int, seed: int) -> Programme:
    """Decide what is published.

    Args:
        records: How many attempts to publish there are in all, `RECORDS_MIN` to `RECORDS_MAX`.
        seed: The same one gives the same programme.
    """
    assert RECORDS_MIN <= records <= RECORDS_MAX, f"{RECORDS_MIN} to {RECORDS_MAX}, not {records}"
    rounds = max(1, records // CARELESS_ROUND)
    paced = min(PACED_RECORDS_MAX, records // _AGAIN_EACH)
    again = records // _AGAIN_EACH
    bulk = records - rounds * ROUND_RECORDS - paced - again
    maker = RecordMaker(seed)
    first = _first(maker, bulk)
    return Programme(
        first=tuple(_with_broken(publication) for publication in first),
        again=_again(maker, first, again),
        paced=_paced(maker, paced),
        careless=tuple(_round(maker) for _ in range(rounds)),
        unpublished=_unpublished(maker),
        example_key=str(first[1].rows[0].values["registry_number"]),
    )


def _first(maker: RecordMaker, count: int) -> tuple[Publication, ...]:
    """Make the registers, all sound: 37 places, a third of the rest and a sixth, and what is left.

    The sound form of a row that is published broken is needed later, to mend it.
    """
    # Why doubled ones: every place stands once; those to be broken stand for entries made twice.
    doubled = [
        {**maker.municipality(place), "registry_number": f"{place.oktmo}/2"}
        for place in PLACES[:_BROKEN_MUNICIPALITIES]
    ]
    municipalities = [*map(maker.municipality, PLACES), *doubled]
    left = count - len(municipalities)
    counts = (left // 3, left // 6, left - left // 3 - left // 6)
    return (
        _sound(_TERRITORIES, MUNICIPALITIES, municipalities),
        _sound(
            EDUCATION,
            INSTITUTIONS,
            [maker.institution("63-", maker.place_outside_tolyatti()) for _ in range(counts[0])],
        ),
        _sound(
            TOLYATTI_SCHOOLS,
            INSTITUTIONS,
            [maker.institution("tlt-", TOLYATTI) for _ in range(counts[1])],
        ),
        _sound(_TAXES, ORGANISATIONS, [maker.organisation() for _ in range(counts[2])]),
    )


def _sound(system: SystemCode, dataset: DatasetCode, records: Sequence[Values]) -> Publication:
    return Publication(
        system=system,
        dataset=dataset,
        rows=tuple(PlannedRow(values=values, fate=Fate.ACCEPTED) for values in records),
    )


def _broken_places(publication: Publication) -> range:
    """Tell which rows of a register are published broken; the first one never is."""
    count = len(publication.rows)
    if publication.dataset == MUNICIPALITIES:
        return range(count - _BROKEN_MUNICIPALITIES, count)
    return range(_BROKEN_EACH // 2, count, _BROKEN_EACH)


def _with_broken(publication: Publication) -> Publication:
    """Break some rows of a register, each in another way until all ways were used."""
    rows = list(publication.rows)
    kinds = BREAKINGS[publication.dataset]
    for turn, place in enumerate(_broken_places(publication)):
        kind = kinds[turn % len(kinds)]
        rows[place] = PlannedRow(
            values=kind.breaks(rows[place].values), fate=Fate.QUARANTINED, rule=kind.rule
        )
    return Publication(system=publication.system, dataset=publication.dataset, rows=tuple(rows))


def _again(maker: RecordMaker, first: Sequence[Publication], count: int) -> tuple[Publication, ...]:
    """Choose what is published a second time, from each register according to its size."""
    total = sum(len(publication.rows) for publication in first)
    shares = [count * len(publication.rows) // total for publication in first]
    shares[-1] += count - sum(shares)
    return tuple(
        _part_again(maker, publication, share)
        for publication, share in zip(first, shares, strict=True)
    )


def _part_again(maker: RecordMaker, register: Publication, count: int) -> Publication:
    broken = set(_broken_places(register))
    mended = [register.rows[place] for place in sorted(broken)[: max(1, count // 20)]]
    sound = [row for place, row in enumerate(register.rows) if place not in broken]
    changing = max(1, int(count * _CHANGED_SHARE))
    # Why the first: its key is the example that the demonstration names at its end.
    changed = [maker.other(row.values) for row in sound[:changing]]
    unchanged = sound[changing : changing + count - len(mended) - changing]
    return Publication(
        system=register.system,
        dataset=register.dataset,
        rows=(
            *(PlannedRow(values=values, fate=Fate.ACCEPTED) for values in changed),
            *mended,
            *(PlannedRow(values=row.values, fate=Fate.REPEAT) for row in unchanged),
        ),
    )


def _unpublished(maker: RecordMaker) -> tuple[Values, ...]:
    records = [maker.institution("63-", SAMARA) for _ in range(_UNPUBLISHED)]
    return (*records[:-1], BREAKINGS[INSTITUTIONS][0].breaks(records[-1]))


def _round(maker: RecordMaker) -> tuple[Values, ...]:
    return tuple(
        maker.institution("63-", maker.place_outside_tolyatti()) for _ in range(len(CARELESS) + 1)
    )


def _paced(maker: RecordMaker, count: int) -> tuple[Publication, ...]:
    """Make new records: two thirds for a whole dataset, one third for a view."""
    of_view = count // 3
    return (
        _sound(_TAXES, ORGANISATIONS, [maker.organisation() for _ in range(count - of_view)]),
        _sound(
            TOLYATTI_SCHOOLS,
            INSTITUTIONS,
            [maker.institution("tlt-", TOLYATTI) for _ in range(of_view)],
        ),
    )
