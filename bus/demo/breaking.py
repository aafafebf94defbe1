"""Faults that agencies make in their records, each with the rule that must find it.

Every function takes a sound record and gives the same one with one fault in it. What it breaks is
named in `BREAKINGS`; another rule may find the same fault too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from bus.demo.records import Values
from bus.model.identifiers import DatasetCode

INSTITUTIONS: Final = DatasetCode("educational-institutions")
ORGANISATIONS: Final = DatasetCode("organisations")
MUNICIPALITIES: Final = DatasetCode("municipalities")
_FAR_DAY: Final = date(2099, 1, 1)
_LONG: Final = 1001
"""Characters that no contract of the sample region allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """One kind of fault."""

    rule: str
    """Id of the rule that finds it."""
    breaks: Callable[[Values], Values]


def with_blanks_in_the_number(record: Values) -> Values:
    """A registry number copied with blanks in it."""
    return {**record, "registry_number": f"№ {record['registry_number']}"}


def without_name(record: Values) -> Values:
    """A name of blanks alone."""
    return {**record, "full_name": "     "}


def with_endless_name(record: Values) -> Values:
    """The whole charter pasted into the name."""
    return {**record, "full_name": f"{record['full_name']} и также ".ljust(_LONG, "я")}


def with_unknown_kind(record: Values) -> Values:
    """A kind in words instead of its code."""
    return {**record, "kind": "детский сад"}


def with_unknown_legal_form(record: Values) -> Values:
    """A legal form that left the law long ago."""
    return {**record, "legal_form": "artel"}


def with_unknown_status(record: Values) -> Values:
    """A status in words instead of its code."""
    return {**record, "status": "действует"}


def with_wrong_inn(record: Values) -> Values:
    """The last digit of the ИНН mistyped: every other digit there is wrong."""
    return {**record, "inn": _with_other_last_digit(str(record["inn"]))}


def with_persons_inn(record: Values) -> Values:
    """The ИНН of a person, 12 digits, where an organisation's stands."""
    return {**record, "inn": f"{record['inn']}00"}


def with_wrong_ogrn(record: Values) -> Values:
    """The last digit of the ОГРН mistyped."""
    return {**record, "ogrn": _with_other_last_digit(str(record["ogrn"]))}


def with_short_kpp(record: Values) -> Values:
    """A КПП that lost its first digit in a spreadsheet."""
    return {**record, "kpp": str(record["kpp"])[1:]}


def with_printed_oktmo(record: Values) -> Values:
    """An ОКТМО code as it is printed, in groups of three."""
    code = str(record["oktmo"])
    return {**record, "oktmo": f"{code[:2]} {code[2:5]} {code[5:]}"}


def without_address(record: Values) -> Values:
    """An address of blanks alone."""
    return {**record, "address": "        "}


def with_endless_address(record: Values) -> Values:
    """The way to the door described in the address."""
    return {**record, "address": f"{record['address']}, далее прямо".ljust(_LONG, "!")}


def with_initial_of_director(record: Values) -> Values:
    """One letter for the head's name."""
    return {**record, "director": "Ф"}


def with_many_phones(record: Values) -> Values:
    """All numbers of the house in one field."""
    return {**record, "phone": "; ".join([str(record["phone"])] * 12)}


def without_any_places(record: Values) -> Values:
    """A zero where the number was not known."""
    return {**record, "places": 0}


def licensed_in_the_future(record: Values) -> Values:
    """A licence that is yet to be given."""
    return {**record, "licensed_on": _FAR_DAY}


def closed_before_opened(record: Values) -> Values:
    """Two days in the wrong order."""
    return {**record, "status": "closed", "closed_on": _day(record, "opened_on", -30)}


def with_wrong_okpo(record: Values) -> Values:
    """The last digit of the ОКПО mistyped."""
    return {**record, "okpo": _with_other_last_digit(str(record["okpo"]))}


def with_unknown_okfs(record: Values) -> Values:
    """A form of ownership that the classifier does not know."""
    return {**record, "okfs": "99"}


def with_okved_in_words(record: Values) -> Values:
    """An activity in words instead of its code."""
    return {**record, "okved": "торговля"}


def with_long_region_code(record: Values) -> Values:
    """The code of the region as on a number plate."""
    return {**record, "region_code": "163"}


def registered_in_the_future(record: Values) -> Values:
    """A year mistyped."""
    return {**record, "registered_on": _FAR_DAY}


def informed_before_the_register(record: Values) -> Values:
    """Information older than the register itself."""
    return {**record, "information_on": date(1899, 12, 30)}


def with_unknown_revenue_unit(record: Values) -> Values:
    """A unit in words instead of its code."""
    return {**record, "revenue_unit": "тыс. руб."}


def ceased_before_registered(record: Values) -> Values:
    """Two days in the wrong order."""
    return {**record, "status": "ceased", "ceased_on": _day(record, "registered_on", -1)}


def with_oktmo_of_settlement(record: Values) -> Values:
    """The 11 digits of a settlement where a municipality's 8 stand."""
    return {**record, "oktmo": f"{record['oktmo']}101"}


def with_control_sign(record: Values) -> Values:
    """A letter for the control digit."""
    return {**record, "control_digit": "O"}


def with_wrong_control_digit(record: Values) -> Values:
    """A control digit of another code."""
    return {**record, "oktmo_controlled": _with_other_last_digit(str(record["oktmo_controlled"]))}


def nameless(record: Values) -> Values:
    """A municipality without a name."""
    return {**record, "name": "   "}


def with_endless_municipality_name(record: Values) -> Values:
    """The description of the boundaries pasted into the name."""
    return {**record, "name": f"{record['name']} до реки ".ljust(_LONG, "я")}


def with_unknown_municipality_kind(record: Values) -> Values:
    """A kind that the law does not know."""
    return {**record, "kind": "волость"}


def with_short_parent(record: Values) -> Values:
    """The parent's code without its zeros."""
    return {**record, "parent_oktmo": "36"}


def with_short_okato(record: Values) -> Values:
    """An ОКАТО code that lost a digit."""
    return {**record, "okato": str(record["okato"])[1:]}


def founded_before_the_federation(record: Values) -> Values:
    """A first day older than the federation."""
    return {**record, "valid_from": date(1899, 12, 30)}


def ended_before_it_began(record: Values) -> Values:
    """Two days in the wrong order."""
    return {**record, "valid_to": _day(record, "valid_from", -1)}


def part_of_itself(record: Values) -> Values:
    """Its own code for its parent's."""
    return {**record, "parent_oktmo": record["oktmo"]}


def _with_other_last_digit(number: str) -> str:
    return number[:-1] + str((int(number[-1]) + 1) % 10)


def _day(record: Values, field: str, days: int) -> date:
    day = record[field]
    assert isinstance(day, date)
    return day + timedelta(days=days)


_INSTITUTIONS: Final = (
    Breaking(rule="inn-check-digits", breaks=with_wrong_inn),
    Breaking(rule="phone-length", breaks=with_many_phones),
    Breaking(rule="address-given", breaks=without_address),
    Breaking(rule="opened-before-closed", breaks=closed_before_opened),
    Breaking(rule="kind-known", breaks=with_unknown_kind),
    Breaking(rule="full-name-length", breaks=with_endless_name),
    Breaking(rule="ogrn-check-digits", breaks=with_wrong_ogrn),
    Breaking(rule="places-plausible", breaks=without_any_places),
    Breaking(rule="oktmo-form", breaks=with_printed_oktmo),
    Breaking(rule="licensed-on-plausible", breaks=licensed_in_the_future),
    Breaking(rule="full-name-given", breaks=without_name),
    Breaking(rule="kpp-form", breaks=with_short_kpp),
    Breaking(rule="registry-number-form", breaks=with_blanks_in_the_number),
    Breaking(rule="legal-form-known", breaks=with_unknown_legal_form),
    Breaking(rule="status-known", breaks=with_unknown_status),
    Breaking(rule="address-length", breaks=with_endless_address),
    Breaking(rule="director-length", breaks=with_initial_of_director),
)
_ORGANISATIONS: Final = (
    Breaking(rule="inn-check-digits", breaks=with_persons_inn),
    Breaking(rule="registered-before-ceased", breaks=ceased_before_registered),
    Breaking(rule="okved-form", breaks=with_okved_in_words),
    Breaking(rule="okfs-known", breaks=with_unknown_okfs),
    Breaking(rule="registered-on-plausible", breaks=registered_in_the_future),
    Breaking(rule="ogrn-check-digits", breaks=with_wrong_ogrn),
    Breaking(rule="full-name-given", breaks=without_name),
    Breaking(rule="okpo-check-digits", breaks=with_wrong_okpo),
    Breaking(rule="revenue-unit-known", breaks=with_unknown_revenue_unit),
    Breaking(rule="oktmo-form", breaks=with_printed_oktmo),
    Breaking(rule="information-on-plausible", breaks=informed_before_the_register),
    Breaking(rule="region-code-form", breaks=with_long_region_code),
    Breaking(rule="kpp-form", breaks=with_short_kpp),
    Breaking(rule="status-known", breaks=with_unknown_status),
    Breaking(rule="address-length", breaks=with_endless_address),
    Breaking(rule="full-name-length", breaks=with_endless_name),
    Breaking(rule="registry-number-form", breaks=with_blanks_in_the_number),
)
_MUNICIPALITIES: Final = (
    Breaking(rule="oktmo-check-digit", breaks=with_wrong_control_digit),
    Breaking(rule="valid-from-before-valid-to", breaks=ended_before_it_began),
    Breaking(rule="not-its-own-parent", breaks=part_of_itself),
    Breaking(rule="kind-known", breaks=with_unknown_municipality_kind),
    Breaking(rule="oktmo-length", breaks=with_oktmo_of_settlement),
    Breaking(rule="name-given", breaks=nameless),
    Breaking(rule="oktmo-form", breaks=with_printed_oktmo),
    Breaking(rule="control-digit-form", breaks=with_control_sign),
    Breaking(rule="name-length", breaks=with_endless_municipality_name),
    Breaking(rule="parent-oktmo-form", breaks=with_short_parent),
    Breaking(rule="okato-form", breaks=with_short_okato),
    Breaking(rule="valid-from-plausible", breaks=founded_before_the_federation),
    Breaking(rule="registry-number-form", breaks=with_blanks_in_the_number),
)
BREAKINGS: Final[Mapping[DatasetCode, tuple[Breaking, ...]]] = MappingProxyType(
    {
        INSTITUTIONS: _INSTITUTIONS,
        ORGANISATIONS: _ORGANISATIONS,
        MUNICIPALITIES: _MUNICIPALITIES,
    }
)
