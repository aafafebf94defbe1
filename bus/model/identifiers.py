"""Names of the parties and things, one type each, so that one can't be passed for another.

A code is lower-case Latin letters, digits and hyphens, starts with a letter and has 2 to 48
characters: codes stand in topic names (`bus.wire.topics`), where a dot separates and an
underscore would collide with a dot in Kafka's metric names.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NewType

from pydantic import StringConstraints

CODE_PATTERN: Final = r"^[a-z][a-z0-9-]{0,46}[a-z0-9]$"
_CODE = re.compile(CODE_PATTERN)

AgencyCode = NewType("AgencyCode", str)
"""An agency, the provider or consumer of data: `education-samara`."""
SystemCode = NewType("SystemCode", str)
"""An information system of one agency; the Kafka principal and the signer: `edu-registry`."""
DatasetCode = NewType("DatasetCode", str)
"""One kind of registry record under one contract: `educational-institutions`."""
ViewCode = NewType("ViewCode", str)
"""A projection of a dataset, named by the hash of mask, filter and providers."""
KeyId = NewType("KeyId", str)
"""A signing key of one system: `edu-registry.2026-1`."""
RecordId = NewType("RecordId", str)
"""32 hex digits; see `bus.wire.record_id`."""

Code = StringConstraints(pattern=CODE_PATTERN)
AgencyCodeField = Annotated[AgencyCode, Code]
SystemCodeField = Annotated[SystemCode, Code]
DatasetCodeField = Annotated[DatasetCode, Code]


def is_code(text: str) -> bool:
    """Tell whether `text` may stand as one part of a topic name."""
    return _CODE.match(text) is not None
