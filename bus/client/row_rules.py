"""The contract's rules over a row before it is sent, told in the contract's own words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from bus.catalogue.snapshot import instant_ms
from bus.client.rows import (
    PreparedRow,
    RowEncoder,
    RowGiven,
    RowProblem,
    UnsendableRow,
    unsendable,
)
from bus.contracts.compile import compile_schema
from bus.contracts.contract import Contract
from bus.model.verdict import Malformed, Severity
from bus.texts import message


class RowRules:
    """Judges rows by the rules that enforcement will judge their records by."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        """Compile the rules of the contract's newest schema version.

        Args:
            contract: Of the dataset.
            schema_id: Of its newest schema version.

        Raises:
            DocumentError: The contract can't be compiled.
        """
        self._examine = compile_schema(
            dataset=contract.dataset,
            key_field=contract.key_field,
            version=contract.newest,
            schema_id=schema_id,
            wanted=frozenset(),
        ).examine
        self._texts = {rule.id: rule.text for rule in contract.newest.rules}

    def broken(self, row: PreparedRow, now_ms: int) -> UnsendableRow | None:
        """Tell every rule that would set the row's record aside; None where it would be accepted.

        Rules that are only observed keep nothing back.

        Args:
            row: Encoded.
            now_ms: The present, milliseconds since 1970 UTC; rules may hold values against it.
        """
        examined = self._examine(row.value, now_ms)
        if isinstance(examined, Malformed):
            words = message("row.malformed", reason=examined.reason)
            return unsendable(row.number, examined.path or None, words)
        problems = tuple(
            RowProblem(
                field=violation.path,
                en=f"{self._texts[violation.rule].en} ({violation.rule})",
                ru=f"{self._texts[violation.rule].ru} ({violation.rule})",
            )
            for violation in examined.violations
            if violation.severity is Severity.QUARANTINE
        )
        return UnsendableRow(number=row.number, problems=problems) if problems else None


class CheckedRows:
    """Turns rows into values, like `RowEncoder`, of those alone that the rules let through."""

    def __init__(self, rows: RowEncoder, rules: RowRules, clock: Callable[[], datetime]) -> None:
        """Put the rules behind the encoding.

        Args:
            rows: Of the same schema version.
            rules: Of it.
            clock: Gives the present, aware.
        """
        self._rows = rows
        self._rules = rules
        self._clock = clock
        self.is_numbered = rows.is_numbered
        self.schema_id = rows.schema_id

    def prepare(self, row: RowGiven, place: int) -> PreparedRow | UnsendableRow:
        """Encode one row and hold it against the rules; see `RowEncoder.prepare`."""
        prepared = self._rows.prepare(row, place)
        if isinstance(prepared, UnsendableRow):
            return prepared
        return self._rules.broken(prepared, instant_ms(self._clock())) or prepared

    def unsendable(self, rows: Iterable[RowGiven]) -> tuple[UnsendableRow, ...]:
        """Tell every row that would not be sent, with all its problems."""
        prepared = (self.prepare(row, place) for place, row in enumerate(rows, start=1))
        return tuple(row for row in prepared if isinstance(row, UnsendableRow))
