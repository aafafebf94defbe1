"""Regions of any size, generated: each dataset has 25 fields, 7 rules, and consumers.

The shapes are the sample region's: a contract with steward, rules and SLA, a passport, an
agreement for all of a dataset, and for each second one an agreement for ten fields of the half of
the records that one territory has, which is served from a view.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from bus.catalogue.documents import read_documents
from bus.catalogue.lock import render
from bus.catalogue.region import parse_region
from bus.catalogue.schemas import complete_lock
from bus.catalogue.sources import LOCK_FILE
from bus.model.identifiers import AgencyCode, DatasetCode, SystemCode
from tests.bench.invented_contract import MASK, SCHEMA, contract

_DAY: Final = date(2026, 1, 1)
_LAST_DAY: Final = date(2035, 12, 31)
_DIGEST: Final = "0" * 64


def agency(number: int) -> AgencyCode:
    """Name an agency."""
    return AgencyCode(f"office-{number:02d}")


def provider(number: int) -> SystemCode:
    """Name the system with which an agency publishes."""
    return SystemCode(f"register-{number:02d}")


def reader(number: int) -> SystemCode:
    """Name the system with which an agency receives."""
    return SystemCode(f"reader-{number:02d}")


def dataset(number: int) -> DatasetCode:
    """Name a dataset."""
    return DatasetCode(f"documents-{number:03d}")


def write_region(folder: Path, *, agencies: int, datasets: int, partitions: int = 4) -> Path:
    """Write a region's documents; schemas that have an id there keep it.

    Args:
        folder: Created; a region of fewer datasets that stands there grows.
        agencies: At least three, so that provider and two consumers differ.
        datasets: Spread over the agencies in turn.
        partitions: Of each data topic.

    Returns: The region's root document.
    """
    for path, content in _documents(agencies, datasets, partitions):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    root = folder / "region.yaml"
    lock = complete_lock(parse_region(read_documents(root, None)))
    (folder / LOCK_FILE).write_bytes(render(lock))
    return root


def _documents(agencies: int, datasets: int, partitions: int) -> Iterator[tuple[str, str]]:
    yield (
        "region.yaml",
        _yaml(
            {
                "region": "bench",
                "name": _words("Край для замеров", "Region for measuring"),
                "contracts": "contracts",
                "partitions": partitions,
            }
        ),
    )
    for number in range(agencies):
        yield f"agencies/{agency(number)}.yaml", _yaml(_agency(number, agencies, datasets))
    for number in range(datasets):
        code, owner = dataset(number), agency(number % agencies)
        folder = f"contracts/documents/{code}"
        yield f"{folder}/v1.avsc", json.dumps(SCHEMA, ensure_ascii=False, indent=2)
        yield f"{folder}/contract.yaml", _yaml(contract(code, owner))
        yield f"passports/{code}-register.yaml", _yaml(_passport(code, owner))
        yield f"agreements/{code}-whole.yaml", _yaml(_agreement(number, agencies, "whole"))
        if number % 2 == 0:
            yield f"agreements/{code}-part.yaml", _yaml(_agreement(number, agencies, "part"))


def _agency(number: int, agencies: int, datasets: int) -> Mapping[str, object]:
    provided: list[str] = [dataset(one) for one in range(number, datasets, agencies)]
    systems = [{"system": reader(number), "name": _words("Получатель", "Reader")}]
    if provided:
        name = _words("Реестр документов", "Register of documents")
        systems.append({"system": provider(number), "name": name, "provides": provided})
    return {
        "agency": agency(number),
        "name": _words(f"Ведомство {number}", f"Office {number}"),
        "systems": systems,
    }


def _agreement(number: int, agencies: int, share: str) -> Mapping[str, object]:
    consumer = (number + (1 if share == "whole" else 2)) % agencies
    part = {
        "providers": [agency(number % agencies)],
        "fields": list(MASK),
        "rows": [{"field": "oktmo", "op": "prefix", "values": ["36701"]}],
    }
    return {
        "agreement": f"{dataset(number)}-{share}",
        "consumer": agency(consumer),
        "systems": [reader(consumer)],
        "dataset": dataset(number),
        **(part if share == "part" else {}),
        "purpose": _words("Проверка сведений", "Checking of facts"),
        "legal_basis": "Положение об обмене",
        "valid_from": _DAY,
        "valid_to": _LAST_DAY,
    }


def _passport(code: str, owner: str) -> Mapping[str, object]:
    return {
        "process": f"{code}-register",
        "title": _words("Учёт документов", "Keeping of documents"),
        "agency": owner,
        "owner": "Начальник отдела учёта",
        "state": "approved",
        "act": {"number": "1", "date": date(2025, 12, 1), "title": "Приказ о паспорте процесса"},
        "consumes": [],
        "produces": [code],
        "current_model": ["Заявление", "Письмо", "Запись"],
        "target_model": ["Заявление", "Запись"],
        "diagram_sha256": _DIGEST,
    }


def _words(ru: str, en: str) -> Any:  # noqa: ANN401 - YAML's
    return {"ru": ru, "en": en}


class _Dumper(yaml.CSafeDumper):
    """Writes what stands twice twice, as people do."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        return True


def _yaml(content: Mapping[str, object]) -> str:
    return yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
