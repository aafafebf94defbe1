"""Who publishes what in the demonstration, and what must become of it. Pure.

First every system publishes its register. Then each publishes a part of it again: rows that did
not change, rows that did, and rows that were in quarantine and have been mended. Then entries come
to an end: some never were true and are annulled, some have ceased, and one stood under a wrong
number. Then two systems publish single new records at a steady pace, on which the delays are
measured. Last, one system goes on publishing while an agreement on its records begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from bus.client import Annul, Cease, RowGiven
from bus.demo import registers
from bus.demo.breaking import INSTITUTIONS, MUNICIPALITIES, ORGANISATIONS, Breaking
from bus.demo.careless import ROUND_RECORDS, ROUND_SOUND
from bus.demo.places import PLACES, SAMARA, SYZRAN, TOLYATTI
from bus.demo.records import RecordMaker, Values
from bus.demo.register_breaking import ALL_BREAKINGS
from bus.model.identifiers import DatasetCode, SystemCode
from bus.model.record import Operation

RECORDS_MIN: Final = 500
RECORDS_MAX: Final = 50_000
PACED_RECORDS_MAX: Final = 300
LOAD_RECORDS_MAX: Final = 400
_LOAD_EACH: Final = 10
"""One record in so many is published while an agreement begins and ends."""
CARELESS_ROUND: Final = 2_000
"""So many records stand against one round of the careless client."""
_BROKEN_EACH: Final = 33
"""One record in so many is broken on purpose, about 3 %."""
_BROKEN_MUNICIPALITIES: Final = 4
_BROKEN_EACH_SMALL: Final = 16
"""The same in a register of fewer than `_SMALL` records, where every kind of fault shall occur."""
_SMALL: Final = 400
_ENDINGS: Final = 5
"""Entries that are annulled, and as many that cease, in a register that has endings."""
MENDED_RULE: Final = "phone-length"
"""Rule of institutions that turns out to be too narrow: what broke it is released."""
_AGAIN_EACH: Final = 8
_PARTS_MIN: Final = 3
"""Of fewer rows none changes and none is mended."""
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
    RELEASED = "released"
    """Set aside, and accepted when the rule that it broke was mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """One row, and what must become of it."""

    values: Values
    fate: Fate
    rule: str | None = None
    """The rule that it breaks on purpose."""
    ending: Operation | None = None
    """`annul` or `cease`; None: that its values are so."""

    @property
    def given(self) -> RowGiven:
        """The row as a publisher takes it."""
        match self.ending:
            case Operation.ANNUL:
                return Annul(self.values)
            case Operation.CEASE:
                return Cease(self.values)
            case _:
                return self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one system publishes at once."""

    system: SystemCode
    dataset: DatasetCode
    rows: tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """Everything that is published through publishers, in its order."""

    first: tuple[Publication, ...]
    again: tuple[Publication, ...]
    endings: tuple[Publication, ...]
    renumbered: Publication
    """One correction of two entries that no consumer sees half of: what stood under a wrong
    number is annulled, and created under the right one."""
    paced: tuple[Publication, ...]
    loads: tuple[Publication, ...]
    """New institutions of Tolyatti: while an agreement on them is in force, and from its end on."""
    careless: tuple[tuple[Values, ...], ...]
    """Sound records of institutions for each round of the careless client, to be made a mess of."""
    unpublished: tuple[Values, ...]
    """Institutions for whoever wants to publish something; the last one is broken."""
    example_key: str
    """Registry number of an institution that has two versions in the end."""

    def count(self, fate: Fate) -> int:
        """Count the rows of one fate."""
        return sum(row.fate is fate for one in self.publications for row in one.rows)

    @property
    def publications(self) -> tuple[Publication, ...]:
        """All of all acts."""
        return (*self.first, *self.again, *self.endings, self.renumbered, *self.paced, *self.loads)


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
    load = min(LOAD_RECORDS_MAX, records // _LOAD_EACH)
    ending = 2 * _ENDINGS * len(_WITH_ENDINGS) + _RENUMBERED
    bulk = records - rounds * ROUND_RECORDS - paced - load - again - ending
    maker = RecordMaker(seed)
    sound = _first(maker, bulk)
    published_again = _again(maker, sound, again)
    endings, renumbered = _endings(sound, published_again)
    return Programme(
        first=tuple(_with_broken(publication) for publication in sound),
        again=published_again,
        endings=endings,
        renumbered=renumbered,
        paced=_paced(maker, paced),
        loads=_loads(maker, load),
        careless=tuple(_round(maker) for _ in range(rounds)),
        unpublished=_unpublished(maker),
        example_key=str(published_again[1].rows[0].values["registry_number"]),
    )


def _first(maker: RecordMaker, count: int) -> tuple[Publication, ...]:
    """Make the registers, all sound: 37 places; of the rest a third for eleven small registers.

    The sound form of a row that is published broken is needed later, to mend it.
    """
    # Why doubled ones: every place stands once; those to be broken stand for entries made twice.
    doubled = [
        {**maker.municipality(place), "registry_number": f"{place.oktmo}/2"}
        for place in PLACES[:_BROKEN_MUNICIPALITIES]
    ]
    municipalities = [*map(maker.municipality, PLACES), *doubled]
    small = (count - len(municipalities)) // 3 // len(_SMALL_REGISTERS)
    left = count - len(municipalities) - small * len(_SMALL_REGISTERS)
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
        *(
            _sound(SystemCode(system), dataset, [make(maker) for _ in range(small)])
            for system, dataset, make in _SMALL_REGISTERS
        ),
    )


_SMALL_REGISTERS: Final[tuple[tuple[str, DatasetCode, Callable[[RecordMaker], Values]], ...]] = (
    ("acts-registry", registers.BIRTHS, registers.birth),
    ("acts-registry", registers.DEATHS, registers.death),
    ("residents-registry", registers.REGISTRATIONS, registers.registration),
    ("centres-registry", registers.CENTRES, lambda maker: registers.centre(maker, SAMARA)),
    ("tlt-centres", registers.CENTRES, lambda maker: registers.centre(maker, TOLYATTI)),
    ("tlt-services", registers.SERVICES, lambda maker: registers.service(maker, TOLYATTI)),
    ("szr-services", registers.SERVICES, lambda maker: registers.service(maker, SYZRAN)),
    ("land-registry", registers.PLOTS, lambda maker: registers.plot(maker, SAMARA)),
    ("tlt-land", registers.PLOTS, lambda maker: registers.plot(maker, TOLYATTI)),
    ("electronic-archive", registers.DOCUMENTS, registers.document),
    ("classifiers", registers.ACTIVITIES, registers.activity),
)
_WITH_ENDINGS: Final = frozenset({EDUCATION, TOLYATTI_SCHOOLS, _TAXES})
_RENUMBERED: Final = 2


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
    each = _BROKEN_EACH_SMALL if count < _SMALL else _BROKEN_EACH
    return range(each // 2, count, each)


def _with_broken(publication: Publication) -> Publication:
    """Break some rows of a register, each in another way until all ways were used."""
    rows = list(publication.rows)
    kinds = ALL_BREAKINGS[publication.dataset]
    for turn, place in enumerate(_broken_places(publication)):
        kind = kinds[turn % len(kinds)]
        rows[place] = PlannedRow(
            values=kind.breaks(rows[place].values),
            fate=Fate.RELEASED if _is_to_be_released(publication, kind) else Fate.QUARANTINED,
            rule=kind.rule,
        )
    return Publication(system=publication.system, dataset=publication.dataset, rows=tuple(rows))


def _is_to_be_released(publication: Publication, kind: Breaking) -> bool:
    return publication.dataset == INSTITUTIONS and kind.rule == MENDED_RULE


def _again(maker: RecordMaker, first: Sequence[Publication], count: int) -> tuple[Publication, ...]:
    """Choose what is published a second time, from each register according to its size."""
    total = sum(len(publication.rows) for publication in first)
    shares = [count * len(publication.rows) // total for publication in first]
    largest = max(range(len(first)), key=lambda place: len(first[place].rows))
    shares[largest] += count - sum(shares)
    return tuple(
        _part_again(maker, publication, share)
        for publication, share in zip(first, shares, strict=True)
    )


def _part_again(maker: RecordMaker, register: Publication, count: int) -> Publication:
    broken = set(_broken_places(register))
    kinds = ALL_BREAKINGS[register.dataset]
    mendable = [
        place
        for turn, place in enumerate(sorted(broken))
        if not _is_to_be_released(register, kinds[turn % len(kinds)])
    ]
    has_all = count >= _PARTS_MIN
    mended = [register.rows[place] for place in mendable[: max(1, count // 20) * has_all]]
    sound = [row for place, row in enumerate(register.rows) if place not in broken]
    changing = max(1, int(count * _CHANGED_SHARE)) * has_all
    # Why the first: its key is the example that the demonstration names at its end.
    other = registers.OTHERS.get(register.dataset, maker.other)
    changed = [other(row.values) for row in sound[:changing]]
    unchanged = sound[changing : count - len(mended)]
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
    return (*records[:-1], ALL_BREAKINGS[INSTITUTIONS][0].breaks(records[-1]))


def _round(maker: RecordMaker) -> tuple[Values, ...]:
    return tuple(
        maker.institution("63-", maker.place_outside_tolyatti()) for _ in range(ROUND_SOUND)
    )


def _endings(
    first: Sequence[Publication], again: Sequence[Publication]
) -> tuple[tuple[Publication, ...], Publication]:
    """Choose what comes to an end: sound entries that nothing else happens to."""
    endings = []
    renumbered = None
    for register, repeated in zip(first, again, strict=True):
        if register.system not in _WITH_ENDINGS:
            continue
        known = {row.values["registry_number"] for row in repeated.rows}
        broken = set(_broken_places(register))
        untouched = [
            row.values
            for place, row in enumerate(register.rows)
            if place not in broken and row.values["registry_number"] not in known
        ]
        ended = untouched[-2 * _ENDINGS :]
        endings.append(
            Publication(
                system=register.system,
                dataset=register.dataset,
                rows=tuple(
                    PlannedRow(
                        values=values,
                        fate=Fate.ACCEPTED,
                        ending=Operation.ANNUL if place < _ENDINGS else Operation.CEASE,
                    )
                    for place, values in enumerate(ended)
                ),
            )
        )
        if register.system == TOLYATTI_SCHOOLS:
            renumbered = _renumbered(register, untouched[0])
    assert renumbered is not None, "Tolyatti has endings"
    return tuple(endings), renumbered


def _renumbered(register: Publication, wrong: Values) -> Publication:
    right = {**wrong, "registry_number": f"{wrong['registry_number']}-1"}
    return Publication(
        system=register.system,
        dataset=register.dataset,
        rows=(
            PlannedRow(values=wrong, fate=Fate.ACCEPTED, ending=Operation.ANNUL),
            PlannedRow(values=right, fate=Fate.ACCEPTED),
        ),
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


def _loads(maker: RecordMaker, count: int) -> tuple[Publication, ...]:
    """Make new institutions of Tolyatti: a third for an agreement's time, the rest for its end."""
    return tuple(
        _sound(
            TOLYATTI_SCHOOLS,
            INSTITUTIONS,
            [maker.institution("tlt-", TOLYATTI) for _ in range(part)],
        )
        for part in (count // 3, count - count // 3)
    )
