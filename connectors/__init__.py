"""Connectors: what brings an agency's source onto the bus, and what it brings is never lost.

A source is a class with a typed configuration and one asynchronous generator, from a position to
rows. All the rest (positions, batches, signatures, retries, rates, fencing, metrics) is the
runner's. Of the bus this package sees its public door alone: `bus.client`, `bus.model` and
`bus.errors`.
"""

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
    "Source",
    "SourceConfig",
    "SourceDown",
    "Span",
    "Stream",
]
