"""Invented records of civil acts, residents, services, land, documents and a classifier.

As in `bus.demo.records` nobody is meant: persons' names come from Faker, a pseudonym is a digest
of a number that counts records, and numbers of acts and plots are of ranges not in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import Final
from uuid import UUID

from bus.demo.places import SAMARA, Place
from bus.demo.records import RecordMaker, Values
from bus.model.identifiers import DatasetCode

BIRTHS: Final = DatasetCode("births")
DEATHS: Final = DatasetCode("deaths")
REGISTRATIONS: Final = DatasetCode("residents-registrations")
CENTRES: Final = DatasetCode("service-centres")
SERVICES: Final = DatasetCode("municipal-services")
PLOTS: Final = DatasetCode("land-plots")
DOCUMENTS: Final = DatasetCode("documents")
ACTIVITIES: Final = DatasetCode("economic-activities")

_FIRST_DAY: Final = date(2025, 1, 9)
_DAYS: Final = 300
_NOON: Final = timedelta(hours=9)
_SECTIONS: Final = "ABCDEFGHIJKLMNOPQRSTU"
_SPHERES: Final = ("education", "culture", "social", "land")
_CATEGORIES: Final = ("agricultural", "settlements", "industry", "protected")
_TYPES: Final = ("administrative_act", "construction_permit", "archive_certificate")


def birth(maker: RecordMaker) -> Values:
    """Make an act of birth."""
    number, place = maker.next_number(), maker.any_place()
    born_on = maker.day(_FIRST_DAY, _DAYS)
    act_on = born_on + timedelta(days=maker.chance.randrange(3, 40))
    return {
        "act_number": f"63-B-{act_on.year}-{number:06d}",
        "act_on": act_on,
        "office": _office(place),
        "place_oktmo": place.oktmo,
        "child_pseudonym": _pseudonym("person", number),
        "child": {
            "name": _name(maker),
            "sex": maker.chance.choice(("female", "male")),
            "place": place.centre,
        },
        "born_on": born_on,
        "children_born": 1,
        "is_live_birth": True,
        "birth_weight_g": maker.chance.randrange(2_400, 4_300),
        "parents": [
            {"role": role, "pseudonym": _pseudonym(role, number), "citizenship": "643"}
            for role in ("mother", "father")
        ],
        "medical_certificate": {
            "number": f"{number:09d}",
            "issued_on": born_on,
            "organisation_ogrn": None,
        },
        "certificate": {"series": "II-ЕР", "number": f"{number:06d}", "issued_on": act_on},
        "entered_at": _moment(act_on),
    }


def death(maker: RecordMaker) -> Values:
    """Make an act of death."""
    number, place = maker.next_number(), maker.any_place()
    died_on = maker.day(_FIRST_DAY, _DAYS)
    act_on = died_on + timedelta(days=maker.chance.randrange(1, 3))
    return {
        "act_number": f"63-D-{act_on.year}-{number:06d}",
        "act_on": act_on,
        "office": _office(place),
        "place_oktmo": place.oktmo,
        "person_pseudonym": _pseudonym("person", number),
        "person": {
            "name": _name(maker),
            "sex": maker.chance.choice(("female", "male")),
            "citizenship": "643",
        },
        "born_on": maker.day(date(1935, 1, 1), 40 * 365),
        "died_on": died_on,
        "died_at": _moment(died_on),
        "place": place.centre,
        "causes": [{"code": "I25.1", "kind": "underlying"}, {"code": "I46.9", "kind": "immediate"}],
        "autopsy": "pathological",
        "certificate": {"series": "II-ЕР", "number": f"{number:06d}", "issued_on": act_on},
        "entered_at": _moment(act_on),
    }


def registration(maker: RecordMaker) -> Values:
    """Make a registration of a resident."""
    number, place = maker.next_number(), maker.any_place()
    registered_on = maker.day(_FIRST_DAY, _DAYS)
    is_stay = maker.chance.random() < 0.2  # noqa: PLR2004 - one in five
    return {
        "registration_number": f"630099-R-{registered_on.year}-{number:07d}",
        "kind": "stay" if is_stay else "residence",
        "basis": maker.chance.choice(("ownership", "tenancy", "family_member")),
        "oktmo": place.oktmo,
        "person_pseudonym": _pseudonym("person", number),
        "address": {
            "postcode": f"{place.postcode}{number % 90 + 10:03d}",
            "settlement": place.centre,
            "street": "Садовая",
            "house": str(number % 120 + 1),
            "flat": str(number % 90 + 1),
            "fias_id": None,
        },
        "registered_on": registered_on,
        "registered_until": registered_on + timedelta(days=180) if is_stay else None,
        "deregistered_on": None,
        "arrived_from": {"country": "643", "oktmo": SAMARA.oktmo},
        "representatives": [],
        "entered_at": _moment(registered_on),
    }


def centre(maker: RecordMaker, place: Place) -> Values:
    """Make a service centre."""
    number = maker.next_number()
    return {
        "registry_number": f"mfc-{number:05d}",
        "name": f"Многофункциональный центр № {number} ({place.centre})",
        "kind": maker.chance.choice(("centre", "branch", "remote_window", "mobile")),
        "oktmo": place.oktmo,
        "territory_code": f"{number % 10_000:04d}",
        "address": maker.address(place),
        "location": {
            "latitude": round(53.2 + maker.chance.random(), 5),
            "longitude": round(49.5 + maker.chance.random(), 5),
        },
        "phone": f"+7 (846) 000-{number % 90 + 10}-{number % 80 + 10}",
        "website": f"https://mfc-{number}.example",
        "opened_on": maker.day(date(2010, 3, 1), 10 * 365),
        "closed_on": None,
        "area_m2": Decimal(maker.chance.randrange(2_000, 200_000)).scaleb(-2),
        "windows": maker.chance.randrange(1, 40),
        "schedule": {day: {"opens": time(8), "closes": time(20)} for day in ("mon", "tue", "fri")},
        "services": ["63-0017", "63-0021"],
        "extra_services": None,
        "accessibility": ["ramp", "tactile_paths"],
        "queue_url": f"https://queue.mfc-{number}.example",
    }


def service(maker: RecordMaker, place: Place) -> Values:
    """Make a municipal service."""
    number = maker.next_number()
    is_paid = maker.chance.random() < 0.3  # noqa: PLR2004 - three in ten
    effective_from = maker.day(date(2021, 1, 11), 900)
    return {
        "registry_number": f"63-{number:05d}",
        "names": {
            "full": f"Выдача разрешения № {number} на территории {place.of_name}",
            "short": f"Разрешение № {number}",
            "typical": "Выдача разрешения",
        },
        "sphere": maker.chance.choice(_SPHERES),
        "level": "municipal",
        "oktmo": place.oktmo,
        "body": {"name": f"Администрация {place.of_name}", "inn": None},
        "term_days": maker.chance.randrange(3, 30),
        "is_paid": is_paid,
        "fee_roubles": Decimal(maker.chance.randrange(100, 5_000)) if is_paid else None,
        "channels": ["window", "portal"],
        "requirements": [
            {
                "document_type": "application",
                "is_asked_of_applicant": True,
                "source_dataset": None,
            },
            {
                "document_type": "extract",
                "is_asked_of_applicant": False,
                "source_dataset": "organisations",
            },
        ],
        "steps_days": {"registration": 1, "decision": 5},
        "results": ["Разрешение"],
        "act": {
            "number": f"{number}-образец",
            "on": effective_from - timedelta(days=20),
            "title": "Об утверждении административного регламента",
        },
        "effective_from": effective_from,
        "effective_to": None,
        "updated_at": _moment(effective_from),
    }


def plot(maker: RecordMaker, place: Place) -> Values:
    """Make a plot of land."""
    number = maker.next_number()
    quarter = f"63:{'01' if place is SAMARA else '09'}:99{number % 20:05d}"
    registered_on = maker.day(date(2006, 1, 10), 15 * 365)
    return {
        "cadastral_number": f"{quarter}:{number}",
        "quarter": quarter,
        "oktmo": place.oktmo,
        "address": maker.address(place),
        "category": maker.chance.choice(_CATEGORIES),
        "permitted_use": "Для размещения объектов образования",
        "tenure": maker.chance.choice(("lease", "ownership", "perpetual_use")),
        "area_m2": Decimal(maker.chance.randrange(60_000, 9_000_000)).scaleb(-2),
        "area_error_m2": Decimal("12.50"),
        "cadastral_value": Decimal(maker.chance.randrange(10_000, 90_000_000)),
        "valued_on": date(2022, 1, 1),
        "rights": [
            {
                "kind": "ownership",
                "holder": "municipality",
                "share_numerator": 1,
                "share_denominator": 1,
                "registered_on": registered_on,
            }
        ],
        "outlines": [
            [
                {"x_m": round(float(corner) + number, 2), "y_m": round(float(corner * 2), 2)}
                for corner in (0, 40, 80, 0)
            ]
        ],
        "predecessors": [],
        "source_number": f"{number}",
        "registered_on": registered_on,
        "ceased_on": None,
    }


def document(maker: RecordMaker) -> Values:
    """Make a document: what is known of it, and the digest of its content."""
    number = maker.next_number()
    issued_on = maker.day(date(2019, 1, 9), 6 * 365)
    content = f"document {number}".encode()
    return {
        "registry_number": f"doc-{number:06d}",
        "document_uid": str(UUID(bytes=sha256(content).digest()[:16])),
        "document_type": maker.chance.choice(_TYPES),
        "title": f"Документ № {number}",
        "issued_on": issued_on,
        "issuer": {"name": "Государственный архив Самарской области", "ogrn": None},
        "content": {
            "sha256": sha256(content).hexdigest(),
            "size_bytes": maker.chance.randrange(2_000, 9_000_000),
            "media_type": "application/pdf",
            "pages": maker.chance.randrange(1, 30),
        },
        "is_machine_readable": False,
        "attributes": {"фонд": "Р-образец", "опись": number % 40, "дело": number},
        "relations": [{"kind": "annex_to", "registry_number": "doc-000001"}],
        "signature": None,
        "subject_pseudonym": _pseudonym("person", number),
        "valid_from": issued_on,
        "valid_to": None,
        "received_at": _moment(issued_on),
    }


def activity(maker: RecordMaker) -> Values:
    """Make a grouping of the classifier of economic activities."""
    number = maker.next_number()
    high, low = divmod(number % 8_000, 100)
    return {
        "code": f"{high + 10:02d}.{low:02d}.{number % 90 + 10:02d}",
        "section": maker.chance.choice(_SECTIONS),
        "name": f"Деятельность вида {number}",
        "parent_code": f"{high + 10:02d}.{low:02d}",
        "valid_from": date(2014, 2, 1),
        "valid_to": None,
        "changed_by": None,
    }


OTHERS: Final[Mapping[DatasetCode, Callable[[Values], Values]]] = MappingProxyType(
    {
        BIRTHS: lambda record: {**record, "children_born": 2},
        DEATHS: lambda record: {**record, "autopsy": "forensic"},
        REGISTRATIONS: lambda record: {**record, "basis": "court_decision"},
        CENTRES: lambda record: {**record, "windows": 77},
        SERVICES: lambda record: {**record, "term_days": 60},
        PLOTS: lambda record: {**record, "permitted_use": "Для иных целей"},
        DOCUMENTS: lambda record: {**record, "title": f"{record['title']} (уточнён)"},
        ACTIVITIES: lambda record: {**record, "name": f"{record['name']}, уточнённая"},
    }
)
"""How a record of each register changes."""


_KEYS: Final[Mapping[DatasetCode, str]] = MappingProxyType(
    {
        BIRTHS: "act_number",
        DEATHS: "act_number",
        REGISTRATIONS: "registration_number",
        PLOTS: "cadastral_number",
        ACTIVITIES: "code",
    }
)


def key_of(dataset: DatasetCode, record: Values) -> str:
    """Give a record's registry number, whatever its register calls it."""
    return str(record[_KEYS.get(dataset, "registry_number")])


def _office(place: Place) -> Values:
    return {"code": "630001", "name": f"Отдел ЗАГС ({place.centre})", "oktmo": place.oktmo}


def _name(maker: RecordMaker) -> Values:
    family, given = maker.people.last_name(), maker.people.first_name()
    return {"family": family, "given": given, "patronymic": None}


def _pseudonym(role: str, number: int) -> bytes:
    """Give 32 bytes that mean nothing; a real pseudonym is keyed, and its key is secret."""
    return sha256(f"{role} {number}".encode()).digest()


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + _NOON
