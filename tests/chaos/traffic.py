"""What producers send in a chaos run, chunk by chunk: a function of the party and a number. Pure.

A chunk creates entries and changes those of the chunks before it: versions follow each other across
kills and repeats, and every version is known before it is sent. Some rows break a rule; every fifth
chunk renumbers an entry, as one group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from bus.client import Annul, RowGiven
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from bus.model.record import Operation
from bus.wire.record_id import record_id
from tests.chaos.history import Fate, Sent
from tests.factories import VALID

CHUNK_ROWS: Final = 4_000
_CORRECTED: Final = CHUNK_ROWS // 4
_CORRECTED_AGAIN: Final = CHUNK_ROWS // 10
_ANNULLED: Final = CHUNK_ROWS // 50
_RENUMBERED: Final = CHUNK_ROWS // 2 + 1
_BROKEN_FROM: Final = CHUNK_ROWS - CHUNK_ROWS // 50
_GROUP_EACH: Final = 5
_RIGHT: Final = "right"
"""In place of the number of a row that was renumbered."""

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One producer: who it is, and what its rows look like."""

    system: SystemCode
    agency: AgencyCode
    dataset: DatasetCode
    prefix: str
    """Of its registry numbers."""
    row: Callable[[str, str, int], Row]
    """Key, stamp, number of the row → values."""
    broken: Row
    """Values that break a rule."""
    stamp_field: str


def _institution(key: str, stamp: str, number: int) -> Row:
    """Every second one lies outside of the city of Samara."""
    oktmo = "36701000" if number % 2 else "36740000"
    return {**VALID, "registry_number": key, "full_name": stamp, "oktmo": oktmo}


def _municipality(key: str, stamp: str, number: int) -> Row:
    return {"registry_number": key, "oktmo": "36701000", "name": stamp, "population": number}


def _centre(key: str, stamp: str, number: int) -> Row:
    return {
        "registry_number": key,
        "name": stamp,
        "kind": "centre",
        "oktmo": "36701000",
        "address": f"443001, г. Самара, Садовая ул., {number}",
        "opened_on": date(2012, 10, 15),
        "windows": 1 + number % 40,
    }


INSTITUTIONS: Final = DatasetCode("educational-institutions")
MUNICIPALITIES: Final = DatasetCode("municipalities")
SERVICE_CENTRES: Final = DatasetCode("service-centres")
SAMARA: Final = Party(
    system=SystemCode("edu-registry"),
    agency=AgencyCode("education-samara"),
    dataset=INSTITUTIONS,
    prefix="s",
    row=_institution,
    broken={"inn": "6317000001"},
    stamp_field="full_name",
)
TERRITORY: Final = Party(
    system=SystemCode("territory-registry"),
    agency=AgencyCode("economy-samara"),
    dataset=MUNICIPALITIES,
    prefix="m",
    row=_municipality,
    broken={"kind": "village"},
    stamp_field="name",
)
CENTRES: Final = Party(
    system=SystemCode("centres-registry"),
    agency=AgencyCode("mfc-samara"),
    dataset=SERVICE_CENTRES,
    prefix="c",
    row=_centre,
    broken={"kind": "village"},
    stamp_field="name",
)
PUBLISHING: Final = (SAMARA, TERRITORY)
"""Publish with the bus's own client."""
PARTIES: Final = (*PUBLISHING, CENTRES)
_BY_DATASET: Final = {party.dataset: party for party in PARTIES}
_EMPTY: Final[tuple[object, ...]] = (None, [], {})
"""What stands where a producer gives nothing, in any of the schemas."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A row to publish, and what is written down of it."""

    row: RowGiven
    sent: Sent


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one publication, and a correction that goes as one group behind them."""

    rows: tuple[Planned, ...]
    group: tuple[Planned, ...]

    @property
    def all(self) -> tuple[Planned, ...]:
        return self.rows + self.group

    def with_own_stamps(self) -> Chunk:
        """Leave out what shows the stamp of an earlier version: annulments."""
        rows = tuple(one for one in self.rows if not isinstance(one.row, Annul))
        return Chunk(rows=rows, group=())


def chunk(party: Party, number: int) -> Chunk:
    """Give chunk `number`, from 0, of a party."""
    rows = [_created(party, number, place) for place in range(CHUNK_ROWS)]
    if number >= 1:
        rows += [_corrected(party, number - 1, place, 2) for place in range(_CORRECTED)]
    if number >= 2:
        rows += [_corrected(party, number - 2, place, 3) for place in range(_CORRECTED_AGAIN)]
    if number >= 3:
        rows += [_annulled(party, number - 3, place) for place in range(_ANNULLED)]
    group = _renumbering(party, number) if number % _GROUP_EACH == 1 else ()
    return Chunk(rows=tuple(rows), group=group)


def stamp_of(key: str, version: int) -> str:
    """Text in a value that tells which version it is."""
    return f"{key} v{version}"


def is_in_city(key: str) -> bool:
    """Whether an institution of this registry number lies in the city of Samara."""
    place = key.split("-")[2]
    return place == _RIGHT or int(place) % 2 == 1


def differing(dataset: DatasetCode, key: str, values: Mapping[str, object]) -> frozenset[str]:
    """Name the fields of a value that are not what its producer gave to this version of an entry.

    Which version it is, its stamp tells, and is not looked at here: that is held against what was
    sent. Nor is a key that no producer makes, whose record is nobody's.
    """
    party = _BY_DATASET[dataset]
    number = _number_of(party, key)
    if number is None:
        return frozenset()
    row = party.row(key, str(values.get(party.stamp_field)), number)
    return frozenset(
        name
        for name, value in values.items()
        if name != party.stamp_field
        and (value != row[name] if name in row else value not in _EMPTY)
    )


def _number_of(party: Party, key: str) -> int | None:
    match key.split("-"):
        case [party.prefix, _, place]:
            if place == _RIGHT:
                return _RENUMBERED
            return int(place) if place.isdecimal() else None
        case _:
            return None


def _created(party: Party, number: int, place: int) -> Planned:
    key = f"{party.prefix}-{number}-{place}"
    is_broken = place >= _BROKEN_FROM
    row = {**_row(party, key, 1, place), **(party.broken if is_broken else {})}
    fate = Fate.QUARANTINED if is_broken else Fate.ACCEPTED
    return Planned(row, _sent(party, key, 1, Operation.CREATE, fate=fate))


def _corrected(party: Party, number: int, place: int, version: int) -> Planned:
    key = f"{party.prefix}-{number}-{place}"
    return Planned(_row(party, key, version, place), _sent(party, key, version, Operation.CORRECT))


def _annulled(party: Party, number: int, place: int) -> Planned:
    """Take the third version back; its values stay as they were."""
    key = f"{party.prefix}-{number}-{place}"
    return Planned(
        Annul(_row(party, key, 3, place)),
        _sent(party, key, 4, Operation.ANNUL, values_of=3),
    )


def _renumbering(party: Party, number: int) -> tuple[Planned, ...]:
    """Annul an entry of the chunk before, and create it under its right number.

    Why not of this one: published again, its row would create anew what the group had annulled.
    """
    wrong, right = f"{party.prefix}-{number - 1}-{_RENUMBERED}", f"{party.prefix}-{number}-{_RIGHT}"
    group = f"{party.prefix}-{number}"
    # Both lie in the city, where the consumer under a filter sees them.
    return (
        Planned(
            Annul(_row(party, wrong, 1, _RENUMBERED)),
            _sent(party, wrong, 2, Operation.ANNUL, values_of=1, group=group),
        ),
        Planned(
            _row(party, right, 1, _RENUMBERED),
            _sent(party, right, 1, Operation.CREATE, group=group),
        ),
    )


def _row(party: Party, key: str, version: int, place: int) -> Row:
    return party.row(key, stamp_of(key, version), place)


def _sent(
    party: Party,
    key: str,
    version: int,
    operation: Operation,
    *,
    fate: Fate = Fate.ACCEPTED,
    values_of: int | None = None,
    group: str | None = None,
) -> Sent:
    own = record_id(party.agency, party.dataset, key, version, operation)
    return Sent(
        mark=own,
        process=party.system,
        agency=party.agency,
        dataset=party.dataset,
        key=key,
        version=version,
        record_id=own,
        supersedes=None if version == 1 else _before(party, key, version),
        stamp=stamp_of(key, version if values_of is None else values_of),
        fate=fate,
        group=group,
        group_size=1 if group is None else 2,
    )


def _before(party: Party, key: str, version: int) -> str:
    operation = Operation.CREATE if version == 2 else Operation.CORRECT
    return record_id(party.agency, party.dataset, key, version - 1, operation)
