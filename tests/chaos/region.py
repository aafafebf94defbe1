"""A region for chaos runs: three datasets of the sample region and who deals with them.

Fewer topics leave more of the machine to the records: every topic is there three times.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bus.provision.contract_publish import publish_contracts
from tests.factories import ROOT
from tests.growing_contract import MOTTO, edit

_KEPT: Final = {
    "agencies": {
        *("education-samara", "economy-samara", "mfc-samara"),
        *("health-samara", "digital-samara"),
    },
    "agreements": {"health-institutions", "portal-municipalities", "portal-service-centres"},
    "passports": {
        *("educational-institutions-register", "municipalities-register"),
        "service-centres-register",
    },
}
_CONTRACTS: Final = {"educational-institution", "municipality", "service-centre"}
_LEFT_OUT: Final = {
    "region.yaml": "probe: probes\n",
    "agencies/digital-samara.yaml": "    provides: [probes]\n",
    "agencies/economy-samara.yaml": "    provides: [economic-activities]\n",
    "passports/educational-institutions-register.yaml": "organisations, ",
    "passports/service-centres-register.yaml": ", municipal-services",
}
"""What names a dataset that is not there."""
_CENTRES: Final = Path("schemas/avro/services/service-centre")


def make_region(folder: Path) -> Path:
    """Write the documents below a folder.

    Returns: The region file.
    """
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    region = folder / "deploy" / "samara"
    shutil.rmtree(region / "proposed")
    for name, kept in _KEPT.items():
        for path in (region / name).iterdir():
            if path.stem not in kept:
                path.unlink()
    for contract in (folder / "schemas" / "avro").glob("*/*/"):
        if contract.name not in _CONTRACTS:
            shutil.rmtree(contract)
    for place, text in _LEFT_OUT.items():
        edit(region / place, text, "")
    return region / "region.yaml"


def reword(region_file: Path) -> None:
    """Change the documents in nothing but their words."""
    agreement = region_file.parent / "agreements" / "portal-municipalities.yaml"
    text = agreement.read_text(encoding="utf-8")
    agreement.write_text(f"# As of {datetime.now(UTC)}\n{text}", encoding="utf-8")


def add_schema_version(region_file: Path) -> None:
    """Give service centres one more field, in a third version beside the two that flow."""
    folder = region_file.parents[2] / _CENTRES
    older = (folder / "v2.avsc").read_text(encoding="utf-8")
    field = '{"name": "motto", "type": ["null", "string"], "default": null, "doc": "Motto."}'
    place = '{\n      "name": "website"'
    assert older.count(place) == 1
    (folder / "v3.avsc").write_text(
        older.replace(place, f"{field},\n    {place}"), encoding="utf-8"
    )
    contract = folder / "contract.yaml"
    last_day = datetime.now(UTC) + timedelta(days=400)
    edit(contract, "      - name: website\n", MOTTO)
    edit(contract, "2027-06-30}]", f"2027-06-30}}, {{version: 2, until: {last_day:%Y-%m-%d}}}]")
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("versions: [2]", "versions: [2, 3]"), encoding="utf-8")
    publication = publish_contracts(region_file, None)
    assert not publication.is_refused, publication
