"""The table that the README publishes: its rows are what the contract demands."""

from __future__ import annotations

from typing import Any, cast

from bus.contracts.encode import encoder
from bus.model.verdict import Examined
from bus.tables.binding import bind
from bus.tables.fitting import MappedRow
from bus.tables.opening import open_table
from bus.tables.options import TableOptions
from bus.tables.table import Row
from tests.factories import APPENDED_MS, DATASET, ROOT, SCHEMA_ID, snapshot

TABLE = ROOT / "docs/examples/schools.csv"


def test_the_readme_publishes_a_table_that_is_there_and_sound() -> None:
    assert f"bus publish {TABLE.relative_to(ROOT)} " in (ROOT / "README.md").read_text()
    schema = snapshot().region.contracts[DATASET].newest.schema
    table = open_table(TABLE, TableOptions())
    binding = bind(table.columns, schema, mapping=None)
    defaults = {
        field["name"]: field["default"]
        for field in cast("Any", schema)["fields"]
        if "default" in field
    }
    encode = encoder(schema, SCHEMA_ID)
    keys = []
    for found in table:
        assert isinstance(found, Row)
        row = binding.apply(found)
        assert isinstance(row, MappedRow)
        examined = (
            snapshot()
            .schemas[SCHEMA_ID]
            .compiled.examine(encode({**defaults, **row.values}), APPENDED_MS)
        )
        assert isinstance(examined, Examined)
        assert examined.violations == ()
        keys.append(examined.key)
    assert keys == ["63-0001", "63-0002", "63-0003"]
