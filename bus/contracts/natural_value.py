"""Write expressions that turn a record's raw numbers into what they mean: days into dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from bus.contracts.schema_shape import (
    BinaryShape,
    BooleanShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    Resolution,
    Shape,
    TextShape,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
NAMES: Final[Mapping[str, object]] = {
    "date": date,
    "timedelta": timedelta,
    "Decimal": Decimal,
    "UUID": UUID,
    "EPOCH": _EPOCH,
    "EPOCH_LOCAL": _EPOCH.replace(tzinfo=None),
}
"""What the expressions of `natural` name."""


def natural(shape: Shape, local: str) -> str | None:
    """Write the expression that gives a scalar as readers of the field know it.

    Args:
        shape: Of the field, without null.
        local: Variable with the value as `bus.contracts.avro_source` decodes it, not None.

    Returns: an expression of date, datetime, Decimal, UUID, or the raw value itself (a time of
        day and a moment of nanoseconds have no exact Python type), or None: not a scalar.
    """
    match shape:
        case IntegerShape(resolution=Resolution.DAY):
            return f"date.fromordinal({local} + {_EPOCH_ORDINAL})"
        case IntegerShape(resolution=Resolution.MILLISECOND | Resolution.MICROSECOND):
            unit = "milli" if shape.resolution is Resolution.MILLISECOND else "micro"
            epoch = "EPOCH_LOCAL" if shape.is_local else "EPOCH"
            return f"{epoch} + timedelta({unit}seconds={local})"
        case BinaryShape(decimal=decimal) if decimal is not None:
            # Why: the text form is exact; Decimal's own arithmetic rounds to its context.
            return f'Decimal(f"{{{local}}}E-{decimal.scale}")'
        case TextShape(is_uuid=True):
            return f"UUID({local})"
        case BooleanShape() | EnumShape() | FloatShape() | BinaryShape() | IntegerShape():
            return local
        case TextShape():
            return local
        case _:
            return None
