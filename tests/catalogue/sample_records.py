"""One valid record of each nested dataset of the sample region, as a publisher takes it.

No person is meant: names are words, identifiers are of ranges that no office has given out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import UUID

from bus.model.identifiers import DatasetCode

Values = Mapping[str, object]

_ENTERED: Final = datetime(2026, 3, 20, 9, 15, tzinfo=UTC)
_OFFICE: Final = {"code": "6399", "name": "Отдел города Самары", "oktmo": "36701000"}
_NAME: Final = {"family": "Образцова", "given": "Анна", "patronymic": None}
_OGRN: Final = "1026399900009"
_INN: Final = "6399000016"

VALID: Final[Mapping[DatasetCode, Values]] = {
    DatasetCode("births"): {
        "act_number": "63-B-2026-000123",
        "act_on": date(2026, 3, 20),
        "office": _OFFICE,
        "place_oktmo": "36701000",
        "child_pseudonym": b"\x01" * 32,
        "child": {"name": _NAME, "sex": "female", "place": "город Самара"},
        "born_on": date(2026, 3, 12),
        "children_born": 1,
        "is_live_birth": True,
        "birth_weight_g": 3400,
        "parents": [
            {"role": "mother", "pseudonym": b"\x02" * 32, "citizenship": "643"},
            {"role": "father", "pseudonym": b"\x03" * 32, "citizenship": None},
        ],
        "medical_certificate": {
            "number": "6399-17",
            "issued_on": date(2026, 3, 14),
            "organisation_ogrn": _OGRN,
        },
        "certificate": {"series": "II-ЕР", "number": "000123", "issued_on": date(2026, 3, 20)},
        "entered_at": _ENTERED,
    },
    DatasetCode("deaths"): {
        "act_number": "63-D-2026-000045",
        "act_on": date(2026, 3, 20),
        "office": _OFFICE,
        "place_oktmo": "36701000",
        "person_pseudonym": b"\x04" * 32,
        "person": {"name": _NAME, "sex": "female", "citizenship": "643"},
        "born_on": date(1931, 5, 2),
        "died_on": date(2026, 3, 18),
        "died_at": datetime(2026, 3, 18, 4, 30, tzinfo=UTC),
        "place": {"name": "Областная больница", "ogrn": None},
        "causes": [
            {"code": "I46.9", "kind": "immediate"},
            {"code": "I25.1", "kind": "underlying"},
        ],
        "autopsy": "pathological",
        "certificate": {"series": "III-ЕР", "number": "000045", "issued_on": date(2026, 3, 20)},
        "entered_at": _ENTERED,
    },
    DatasetCode("residents-registrations"): {
        "registration_number": "639901-R-2026-0000123",
        "kind": "stay",
        "basis": "tenancy",
        "oktmo": "36701000",
        "person_pseudonym": b"\x02" * 32,
        "address": {
            "postcode": "443001",
            "settlement": "город Самара",
            "street": "Садовая улица",
            "house": "1",
            "flat": "7",
            "fias_id": UUID("5f3d1a52-0000-4000-8000-000000000001"),
        },
        "registered_on": date(2026, 3, 1),
        "registered_until": date(2026, 12, 31),
        "deregistered_on": None,
        "arrived_from": {"country": "643", "oktmo": "36740000"},
        "representatives": [b"\x02" * 32],
        "entered_at": _ENTERED,
    },
    DatasetCode("service-centres"): {
        "registry_number": "63-01",
        "name": "Центр «Мои документы» города Самары",
        "kind": "centre",
        "oktmo": "36701000",
        "territory_code": "0101",
        "address": "443001, г. Самара, Садовая ул., 1",
        "location": {"latitude": 53.19, "longitude": 50.1},
        "phone": "(846) 000-00-01",
        "website": "https://centre.example",
        "opened_on": date(2012, 10, 15),
        "closed_on": None,
        "area_m2": Decimal("1043.50"),
        "windows": 35,
        "schedule": {"mon": {"opens": time(8), "closes": time(20)}},
        "services": ["63-S-0001"],
        "extra_services": "копирование документов",
        "accessibility": ["ramp", "lift"],
        "queue_url": "https://queue.example",
    },
    DatasetCode("land-plots"): {
        "cadastral_number": "63:01:0101001:12",
        "quarter": "63:01:0101001",
        "oktmo": "36701000",
        "address": "г. Самара, Садовая ул., земельный участок 1",
        "category": "settlements",
        "permitted_use": "для размещения школы",
        "tenure": "perpetual_use",
        "area_m2": Decimal("17210.15"),
        "area_error_m2": Decimal("46.00"),
        "cadastral_value": Decimal("31204550.10"),
        "valued_on": date(2025, 1, 1),
        "rights": [
            {
                "kind": "ownership",
                "holder": "municipality",
                "share_numerator": 1,
                "share_denominator": 1,
                "registered_on": date(2014, 6, 3),
            }
        ],
        "outlines": [
            [{"x_m": 1.5, "y_m": 2.0}, {"x_m": 9.0, "y_m": 2.0}, {"x_m": 1.5, "y_m": 2.0}]
        ],
        "predecessors": ["63:01:0101001:3"],
        "source_number": "25230443",
        "registered_on": date(2014, 5, 20),
        "ceased_on": None,
    },
    DatasetCode("municipal-services"): {
        "registry_number": "63-S-0001",
        "names": {
            "full": "Предоставление земельного участка без проведения торгов",
            "short": "Участок без торгов",
            "typical": None,
        },
        "sphere": "land",
        "level": "municipal",
        "oktmo": "36740000",
        "body": {"name": "Департамент градостроительной деятельности", "inn": _INN},
        "term_days": 20,
        "is_paid": True,
        "fee_roubles": Decimal("350.00"),
        "channels": ["window", "portal"],
        "requirements": [
            {
                "document_type": "выписка о земельном участке",
                "is_asked_of_applicant": False,
                "source_dataset": "land-plots",
            }
        ],
        "steps_days": {"приём": 1, "решение": 19},
        "results": ["постановление о предоставлении участка"],
        "act": {"number": "образец-12", "on": date(2024, 2, 1), "title": "Образец регламента"},
        "effective_from": date(2024, 3, 1),
        "effective_to": None,
        "updated_at": _ENTERED,
    },
    DatasetCode("documents"): {
        "registry_number": "A-2026-17",
        "document_uid": UUID("5f3d1a52-0000-4000-8000-000000000017"),
        "document_type": "archive_certificate",
        "title": "Архивная справка о стаже",
        "issued_on": date(2026, 3, 19),
        "issuer": {"name": "Управление архивной службы", "ogrn": _OGRN},
        "content": {
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "size_bytes": 48_213,
            "media_type": "application/pdf",
            "pages": 2,
        },
        "is_machine_readable": False,
        "attributes": {"years": 12, "is_complete": True, "fund": "Р-1"},
        "relations": [{"kind": "grounds_for", "registry_number": "A-2025-3"}],
        "signature": {
            "certificate_serial": "00AF17",
            "signed_at": datetime(2026, 3, 19, 8, 0, tzinfo=UTC),
            "is_qualified": True,
        },
        "subject_pseudonym": b"\x02" * 32,
        "valid_from": date(2026, 3, 19),
        "valid_to": None,
        "received_at": _ENTERED,
    },
}
