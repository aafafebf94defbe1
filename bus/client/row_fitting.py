"""Cells of a source's rows as values of a dataset's fields, whatever the source is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.client.rows import RowProblem, UnreadableRow
from bus.contracts.contract import Classification, Contract
from bus.tables.binding import bind
from bus.tables.fitting import Binding, MappedRow
from bus.tables.mapping import MappingFile
from bus.tables.table import BadRow, Cell, Row
from bus.texts import message

_LAYOUTS_MAX: Final = 256
"""Sets of columns that are remembered; a source has one, or a few."""


class RowFitter:
    """Fits rows to the newest schema of a contract, by a mapping or by equal names."""

    def __init__(
        self, contract: Contract, mapping: MappingFile | None, *, is_sparse: bool = False
    ) -> None:
        """Take what fitting rests on.

        Args:
            contract: Of the dataset.
            mapping: None: a column fills the field of its name.
            is_sparse: Rows leave out columns that are empty, as JSON often does. Without it, a row
                that lacks a column which the rows before had is not read: the source's layout has
                changed, and what it no longer says is not to become an empty value.
        """
        self._schema = contract.newest.schema
        self._mapping = mapping
        self._is_sparse = is_sparse
        self._personal = frozenset(
            name
            for name, kind in contract.classification.items()
            if kind is Classification.PERSONAL
        )
        self._columns: tuple[str, ...] = ()
        self._bindings: dict[frozenset[str], Binding] = {}

    def fit(self, cells: Mapping[str, Cell]) -> MappedRow | BadRow | UnreadableRow | None:
        """Fit one row.

        Args:
            cells: By column.

        Returns: The values; or every reason why they can't be had; or None when the mapping's
            conditions pass the row over.

        Raises:
            DocumentError: The mapping names fields or columns that there are not, or required
                fields have no column: found at the first row, and told at once.
        """
        missing = [name for name in self._columns if name not in cells]
        if missing and not self._is_sparse:
            words = message("row.columns_gone", columns=", ".join(missing))
            return UnreadableRow(problems=(RowProblem.of(None, words),))
        return self._binding(cells).apply(Row(number=0, cells=cells))

    def _binding(self, cells: Mapping[str, Cell]) -> Binding:
        layout = frozenset(cells)
        binding = self._bindings.get(layout)
        if binding is None:
            if len(self._bindings) == _LAYOUTS_MAX:
                self._bindings.clear()
            self._columns = tuple(dict.fromkeys((*self._columns, *cells)))
            binding = bind(
                self._columns,
                self._schema,
                mapping=self._mapping,
                personal=self._personal,
                json=True,
            )
            self._bindings[layout] = binding
        return binding
