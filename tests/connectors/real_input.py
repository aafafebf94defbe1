"""Tables that others made, read from a folder by the source `folder`: what comes of each row.

No encoding, delimiter, sheet or header is told, but that ОКВЭД 2 has no header; mappings say which
column is which field. Rows go by the publisher's own code, and by the contract's own rules.

    python -m tests.connectors.real_input          the table of docs/explanation/real-input.md
    python -m tests.connectors.real_input --json
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bus.client import (
    BadRow,
    MappedRow,
    RehearsalLog,
    RehearsalPublisher,
    RowFitter,
    UnreadableRow,
    read_mapping,
)
from bus.client.rows import RowEncoder, UnsendableRow
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Contract
from bus.contracts.reading import read_contract
from bus.model.verdict import Malformed, Severity
from connectors.reading import event_of, source_row
from connectors.source import Bad, Cell, Mark, Row
from tests.connectors.folder_files import folder
from tests.factories import ROOT

SHARED: Final = ROOT.parent / "shared" / "data"
_OWN: Final = Path(__file__).parent / "real"
_SCHEMAS: Final = ROOT / "schemas" / "avro"
_NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTable:
    """A table of others, and what it is to be."""

    file: str
    contract: Path
    mapping: str = "mapping.yaml"
    config: Mapping[str, Any] = field(default_factory=dict)
    is_sparse: bool = False


TABLES: Final = (
    RealTable(file="dirty_tables/fss_4162_data.csv", contract=_OWN / "insurers"),
    RealTable(file="dirty_tables/fss_4165_data.csv", contract=_OWN / "newborns"),
    RealTable(file="dirty_tables/infogorod_table1.xls", contract=_OWN / "indicators"),
    RealTable(file="dirty_tables/infogorod_table7.xls", contract=_OWN / "expenditure"),
    RealTable(file="codelists/okopf.cp1251.json", contract=_OWN / "legal-forms", is_sparse=True),
    RealTable(
        file="codelists/okved2_20231201.cp1251.csv",
        contract=_SCHEMAS / "economy/economic-activity",
        mapping="mapping.okved2.yaml",
        config={"header_rows": 0},
    ),
    RealTable(
        file="facilities/mos_541_kindergartens.csv",
        contract=_SCHEMAS / "education/educational-institution",
        mapping="mapping.mos-541.yaml",
    ),
    RealTable(
        file="facilities/mos_521_land_plots.csv",
        contract=_SCHEMAS / "land/land-plot",
        mapping="mapping.mos-521.yaml",
    ),
    RealTable(
        file="facilities/mos_611_mfc.csv",
        contract=_SCHEMAS / "services/service-centre",
        mapping="mapping.mos-611.yaml",
    ),
    RealTable(
        file="organisations/rosstat_boo_2012_1000.xls",
        contract=_SCHEMAS / "economy/organisation",
        mapping="mapping.rosstat-boo.yaml",
    ),
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a table."""

    file: str
    rows: int = 0
    """In the file, those included that can't be read."""
    passed_over: int = 0
    """By the mapping."""
    repeats: int = 0
    """Said already, with the same words."""
    accepted: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    """By reason, or by the first rule that is broken."""
    observed: Counter[str] = field(default_factory=Counter)
    """By rule; these are accepted."""

    def told(self) -> str:
        """Write the row of the page's table."""
        cells = (
            f"`{self.file}`",
            f"{self.rows:,}",
            f"{self.passed_over:,}",
            f"{self.accepted:,}",
            _told(self.quarantined),
            _told(self.observed),
            f"{self.repeats:,}",
        )
        return f"| {' | '.join(cells)} |"


class _Judge:
    """Fits, encodes and judges rows by one contract."""

    def __init__(self, table: RealTable, contract: Contract, outcome: Outcome) -> None:
        mapping = table.contract / table.mapping
        found = read_mapping(str(mapping), mapping.read_bytes())
        self._fitter = RowFitter(contract, found, is_sparse=table.is_sparse)
        self._encoder = RowEncoder(contract, 1, found.mapping.event_time)
        self._examine = compile_schema(
            dataset=contract.dataset,
            key_field=contract.key_field,
            version=contract.newest,
            schema_id=1,
            wanted=frozenset(),
        ).examine
        self._outcome = outcome

    def fit(self, cells: Mapping[str, Cell]) -> MappedRow | BadRow | UnreadableRow | None:
        fitted = self._fitter.fit(cells)
        if fitted is None:
            self._outcome.passed_over += 1
        return fitted

    def judge(self, row: MappedRow | BadRow | UnreadableRow) -> None:
        prepared = self._encoder.prepare(row, 1)
        if isinstance(prepared, UnsendableRow):
            self._outcome.quarantined["row_unreadable"] += 1
            return
        examined = self._examine(prepared.value, int(_NOW.timestamp() * 1000))
        if isinstance(examined, Malformed):
            self._outcome.quarantined[str(examined.reason)] += 1
            return
        by_severity: dict[Severity, list[str]] = {}
        for violation in examined.violations:
            by_severity.setdefault(violation.severity, []).append(violation.rule)
        self._outcome.observed.update(set(by_severity.pop(Severity.OBSERVE, ())))
        broken = [rule for rules in by_severity.values() for rule in rules]
        if broken:
            self._outcome.quarantined[broken[0]] += 1
        else:
            self._outcome.accepted += 1


async def ingest(table: RealTable) -> Outcome:
    """Read one table from a folder of its own, and tell what became of its rows."""
    outcome = Outcome(file=table.file)
    contract = contract_of(table)
    judge = _Judge(table, contract, outcome)
    publisher = RehearsalPublisher(
        RehearsalLog(),
        key_field=contract.key_field,
        is_numbered=False,
        clock=lambda: _NOW,
        barrier=None,
        step=lambda _: None,
    )

    async def rows() -> Any:  # noqa: ANN401 - an asynchronous generator
        with TemporaryDirectory() as around:
            exports = Path(around) / "exports"
            exports.mkdir()
            shutil.copyfile(SHARED / table.file, exports / Path(table.file).name)
            number = 0
            async for item in folder(exports, **table.config).read(None):
                assert isinstance(item, Row | Bad | Mark)
                if isinstance(item, Mark):
                    continue
                number += 1
                event = event_of(table.file, number)
                row = source_row(item, judge.fit, event=event, place=item.place)
                if row is not None:
                    judge.judge(row.row)  # type: ignore[arg-type]  # as it was fitted
                    yield row
            outcome.rows = number

    report = await publisher.publish(rows())
    outcome.repeats = report.repeats
    return outcome


def contract_of(table: RealTable) -> Contract:
    path = table.contract
    files = {one.name: one.read_bytes() for one in path.iterdir() if "mapping" not in one.name}
    return read_contract(path.name, files).contract


async def _outcomes() -> list[Outcome]:
    return [await ingest(table) for table in TABLES]


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"`{name}` {count:,}" for name, count in sorted(counts.items())) or "none"


def main() -> int:
    """Print the outcome of every table; 2 where the tables are not here."""
    if not SHARED.is_dir():
        print(f"{SHARED} is not here: tables of others are no part of the product", file=sys.stderr)  # noqa: T201 - a command
        return 2
    outcomes = asyncio.run(_outcomes())
    if "--json" in sys.argv:
        told = [{name: getattr(one, name) for name in one.__slots__} for one in outcomes]
        print(json.dumps(told, ensure_ascii=False))  # noqa: T201 - a command
        return 0
    for one in outcomes:
        print(one.told())  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
