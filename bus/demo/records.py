"""Invented registry records of the sample region, the same for the same seed.

No person and no organisation is meant: names of heads come from Faker, numbers from ranges that
no office has given out (tax office 6399, ОГРН entries from 9900000 on), telephone numbers from
the exchange 000, and hosts from `.example`. Address, ОКТМО code and municipality of one record
belong together, and check digits are right.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from faker import Faker

from bus.contracts.check_digits import Algorithm, with_check_digits
from bus.demo.places import PLACES, REGION_OKTMO, SAMARA, TOLYATTI, Place
from bus.demo.vocabulary import (
    COMPANY_FORMS,
    COMPANY_NAMES,
    FORM_WEIGHTS,
    GARDEN_NAMES,
    INSTITUTION_KINDS,
    KIND_WEIGHTS,
    LEGAL_FORMS,
    OKVED,
    STREETS,
    CompanyForm,
    InstitutionKind,
)

Values = Mapping[str, object]
"""Field → value, as a publisher takes a row."""

_TAX_OFFICE: Final = "6399"
_NUMBERS: Final = 100_000
"""Entries that one range of invented numbers holds."""
_OGRN_ENTRY_FIRST: Final = 9_900_000
_YEAR_DAYS: Final = 365
_SAMARA_SHARE: Final = 0.4
_TYPES: Final = tuple(LEGAL_FORMS)
_TYPE_WEIGHTS: Final = (70, 22, 8)


class RecordMaker:
    """Makes records one after the other; each has a number of its own."""

    def __init__(self, seed: int) -> None:
        """Begin anew: two makers of one seed, asked alike, make the same records."""
        self.chance = random.Random(seed)  # noqa: S311 - sample data, no secret
        self.people = Faker("ru_RU")
        self.people.seed_instance(seed)
        self._count = 0

    def municipality(self, place: Place) -> Values:
        """Make the record of one place, as the register of municipalities has it."""
        controlled = with_check_digits(Algorithm.OKTMO_CONTROLLED, place.oktmo)
        valid_from = self.day(date(2004, 12, 1), 300)
        return {
            "registry_number": place.oktmo,
            "oktmo": place.oktmo,
            "control_digit": controlled[-1],
            "oktmo_controlled": controlled,
            "name": place.full_name,
            "kind": "urban_district" if place.is_city else "municipal_district",
            "centre": place.centre,
            "parent_oktmo": REGION_OKTMO,
            "okato": place.okato,
            "population": self.chance.randrange(9_000, 90_000),
            "area_km2": Decimal(self.chance.randrange(80_000, 3_000_000)).scaleb(-3),
            "founding_act": f"Закон Самарской области № {self.chance.randrange(1, 99)}-образец",
            "valid_from": valid_from,
            "valid_to": None,
        }

    def institution(self, prefix: str, place: Place) -> Values:
        """Make the record of one educational institution.

        Args:
            prefix: Of its registry number: `63-` gives `63-000017`.
            place: Where it is.
        """
        number = self.next_number()
        (kind,) = self.chance.choices(INSTITUTION_KINDS, KIND_WEIGHTS)
        (legal_form,) = self.chance.choices(_TYPES, _TYPE_WEIGHTS)
        host = f"{kind.kind}-{number}.example"
        opened = self.day(date(1965, 9, 1), 50 * _YEAR_DAYS)
        return {
            "registry_number": f"{prefix}{number:06d}",
            **self._institution_names(kind, legal_form, place, number),
            "kind": kind.kind,
            "variety": kind.variety,
            "legal_form": legal_form,
            "status": self.chance.choices(("working", "suspended"), (97, 3))[0],
            **self._state_numbers(number),
            "oktmo": place.oktmo,
            "address": self.address(place),
            "plan_x_m": round(self.chance.uniform(-90_000, 90_000), 1),
            "plan_y_m": round(self.chance.uniform(-90_000, 90_000), 1),
            "director": self.people.name(),
            "phone": f"+7 (846) 000-{number % 10_000 // 100:02d}-{number % 100:02d}",
            "email": f"office@{host}",
            "website": f"https://{host}",
            "places": self.chance.randrange(*kind.places),
            "licence_number": f"Л-{number:06d}",
            "licensed_on": self.day(date(2005, 1, 11), 18 * _YEAR_DAYS),
            "opened_on": opened,
            "closed_on": None,
        }

    def organisation(self) -> Values:
        """Make the record of one legal entity."""
        number = self.next_number()
        (form,) = self.chance.choices(COMPANY_FORMS, FORM_WEIGHTS)
        place = self.any_place()
        registered = self.day(date(2003, 1, 9), 20 * _YEAR_DAYS)
        ceased = self.chance.random() < 0.05  # noqa: PLR2004 - one in twenty
        return {
            "registry_number": f"RU-{number:07d}",
            **self._company_names(form, number),
            "legal_form_name": form.words,
            **self._state_numbers(number),
            "okpo": with_check_digits(Algorithm.OKPO, f"{9_900_000 + number:07d}"),
            "okopf": form.okopf,
            "okfs": form.okfs,
            "okved": self.chance.choice(OKVED),
            "region_code": "63",
            "address": self.address(place),
            "oktmo": place.oktmo,
            "status": "ceased" if ceased else "active",
            "registered_on": registered,
            "ceased_on": self.day(date(2024, 1, 9), _YEAR_DAYS) if ceased else None,
            "information_on": self.day(date(2025, 1, 9), 300),
            "revenue": self.chance.randrange(100, 900_000),
            "revenue_unit": "384",
        }

    def place_outside_tolyatti(self) -> Place:
        """Choose a place; the city of Tolyatti keeps its own register."""
        if self.chance.random() < _SAMARA_SHARE:
            return SAMARA
        return self.chance.choice([place for place in PLACES if place is not TOLYATTI])

    def other(self, record: Values) -> Values:
        """Make the next version of a record: what changes in a register has changed."""
        if "director" in record:
            places = self.chance.randrange(2_000, 3_000)
            return {**record, "director": self.people.name(), "places": places}
        if "revenue" in record:
            return {**record, "revenue": self.chance.randrange(900_000, 1_800_000)}
        return {**record, "population": self.chance.randrange(90_000, 180_000)}

    def next_number(self) -> int:
        """Give the next record its number."""
        self._count += 1
        assert self._count < _NUMBERS, "more records than invented numbers"
        return self._count

    def any_place(self) -> Place:
        """Choose a place; the two large cities more often."""
        return self.chance.choice((SAMARA, TOLYATTI, *PLACES))

    def address(self, place: Place) -> str:
        """Make an address in a place."""
        postcode = f"{place.postcode}{self.chance.randrange(1, 100):03d}"
        street, house = self.chance.choice(STREETS), self.chance.randrange(1, 180)
        return f"{postcode}, Самарская область, {place.centre}, ул. {street}, д. {house}"

    def day(self, first: date, days: int) -> date:
        """Choose one of the days from the first on."""
        return first + timedelta(days=self.chance.randrange(days))

    def _state_numbers(self, number: int) -> dict[str, object]:
        year = 3 + number % 22
        ogrn_body = f"1{year:02d}63{_OGRN_ENTRY_FIRST + number:07d}"
        return {
            "inn": with_check_digits(Algorithm.INN10, f"{_TAX_OFFICE}{number:05d}"),
            "ogrn": with_check_digits(Algorithm.OGRN, ogrn_body),
            "kpp": f"{_TAX_OFFICE}01001",
        }

    def _institution_names(
        self, kind: InstitutionKind, legal_form: str, place: Place, number: int
    ) -> dict[str, object]:
        adjective, letter = LEGAL_FORMS[legal_form]
        named = kind.named.format(number=number, name=self.chance.choice(GARDEN_NAMES))
        owner, owner_letter, of_whom = "Государственное", "Г", "Самарской области"
        founder = "Министерство образования Самарской области"
        if kind.is_municipal:
            owner, owner_letter, of_whom = "Муниципальное", "М", place.of_name
            founder = f"Администрация {place.of_name}"
        return {
            "full_name": f"{owner} {adjective} {kind.words} {named} {of_whom}",
            "short_name": f"{owner_letter}{letter}{kind.short} {named}",
            "founder": founder,
        }

    def _company_names(self, form: CompanyForm, number: int) -> dict[str, object]:
        name = f"«{self.chance.choice(COMPANY_NAMES)} {number}»"
        return {"full_name": f"{form.words} {name}", "short_name": f"{form.short} {name}"}
