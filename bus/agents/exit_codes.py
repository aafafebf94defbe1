"""What a worker's exit code tells its supervisor; sysexits.h where it has a name."""

from __future__ import annotations

from typing import Final

EXIT_UNAVAILABLE: Final = 69
"""Kafka or PostgreSQL does not answer."""
EXIT_FAULT: Final = 70
"""A fault of the bus itself."""
EXIT_FENCED: Final = 75
"""Another worker took over; starting again is right."""
EXIT_CONFIGURATION: Final = 78
"""A document or setting is wrong; starting again would not help."""
