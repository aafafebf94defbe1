"""The public door of the bus: publish rows, subscribe to records, keep a copy right."""

from bus.client.asking import AnsweredRecord, Asker, Question, Reply
from bus.client.delivered import (
    DeliveredBatch,
    DeliveredRecord,
    Kept,
    KeptState,
    Partition,
    as_text,
    finite,
    json_line,
)
from bus.client.fund_snapshot import CopyCheck, snapshot, verify_copy
from bus.client.gateway import Gateway
from bus.client.positions import KeptPosition, PositionKeeper, position_name, read_own_positions
from bus.client.publisher import Publisher
from bus.client.registry_copy import CopiedEntry, RegistryCopy
from bus.client.rehearsal import RehearsalLog, RehearsalPublisher, RehearsedRecord
from bus.client.report import Outcome, PublishReport
from bus.client.row_fitting import RowFitter
from bus.client.rows import (
    Annul,
    Cease,
    RowGiven,
    RowProblem,
    SourceRow,
    UnreadableRow,
    UnsendableRow,
)
from bus.client.subscriber import Subscriber
from bus.fund.columns import Column, widens
from bus.kafka.cluster import Cluster
from bus.model.record import Group, Lane, Operation, Presence
from bus.tables.encoding import Encoding, detect
from bus.tables.fitting import MappedRow
from bus.tables.mapping import MappingFile, read_mapping
from bus.tables.opening import open_grid, open_table, workbook_kind
from bus.tables.options import TableOptions
from bus.tables.table import BadRow, Grid, MergedCells, Table
from bus.tables.table import Row as TableRow
from bus.texts import Language, Texts
from bus.tracing.exporting import UNKEPT, Spans, exporting
from bus.wire.signature import BatchSigner
from bus.wire.topics import Position
from bus.wire.trace_context import TRACED_SHARE

__all__ = [
    "TRACED_SHARE",
    "UNKEPT",
    "Annul",
    "AnsweredRecord",
    "Asker",
    "BadRow",
    "BatchSigner",
    "Cease",
    "Cluster",
    "Column",
    "CopiedEntry",
    "CopyCheck",
    "DeliveredBatch",
    "DeliveredRecord",
    "Encoding",
    "Gateway",
    "Grid",
    "Group",
    "Kept",
    "KeptPosition",
    "KeptState",
    "Lane",
    "Language",
    "MappedRow",
    "MappingFile",
    "MergedCells",
    "Operation",
    "Outcome",
    "Partition",
    "Position",
    "PositionKeeper",
    "Presence",
    "PublishReport",
    "Publisher",
    "Question",
    "RegistryCopy",
    "RehearsalLog",
    "RehearsalPublisher",
    "RehearsedRecord",
    "Reply",
    "RowFitter",
    "RowGiven",
    "RowProblem",
    "SourceRow",
    "Spans",
    "Subscriber",
    "Table",
    "TableOptions",
    "TableRow",
    "Texts",
    "UnreadableRow",
    "UnsendableRow",
    "as_text",
    "detect",
    "exporting",
    "finite",
    "json_line",
    "open_grid",
    "open_table",
    "position_name",
    "read_mapping",
    "read_own_positions",
    "snapshot",
    "verify_copy",
    "widens",
    "workbook_kind",
]
