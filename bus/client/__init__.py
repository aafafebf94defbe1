"""The public door of the bus: publish rows of a dataset, subscribe to accepted records."""

from bus.client.delivered import DeliveredRecord, json_line
from bus.client.publisher import Publisher, RowGiven
from bus.client.report import Outcome, PublishReport
from bus.client.rows import RowProblem, UnsendableRow
from bus.client.subscriber import Subscriber
from bus.kafka.cluster import Cluster
from bus.tables.fitting import MappedRow
from bus.tables.table import BadRow
from bus.wire.signature import BatchSigner

__all__ = [
    "BadRow",
    "BatchSigner",
    "Cluster",
    "DeliveredRecord",
    "MappedRow",
    "Outcome",
    "PublishReport",
    "Publisher",
    "RowGiven",
    "RowProblem",
    "Subscriber",
    "UnsendableRow",
    "json_line",
]
