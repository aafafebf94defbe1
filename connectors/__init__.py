"""Connectors: what brings an agency's source onto the bus, or its records into a target.

A source is a class with a typed configuration and one asynchronous generator, from a position to
rows. All the rest (positions, batches, signatures, retries, rates, fencing, metrics) is the
runner's. Of the bus this package sees its public door alone: `bus.client`, `bus.model` and
`bus.errors`.
"""

from connectors.sink import Sink, SinkConfig, SinkContext, SinkDown, Taken
from connectors.source import (
    NOT_HERE,
    Bad,
    Cell,
    Context,
    Item,
    Json,
    Kind,
    Mark,
    Row,
    Source,
    SourceConfig,
    SourceDown,
    Span,
    Stream,
)

__all__ = [
    "NOT_HERE",
    "Bad",
    "Cell",
    "Context",
    "Item",
    "Json",
    "Kind",
    "Mark",
    "Row",
    "Sink",
    "SinkConfig",
    "SinkContext",
    "SinkDown",
    "Source",
    "SourceConfig",
    "SourceDown",
    "Span",
    "Stream",
    "Taken",
]
