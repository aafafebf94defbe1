"""A real Kafka and a real PostgreSQL on one machine, for laptops and for every test."""

from bus.local.engines import Engines, EngineState, EngineStatus, PlatformStatus, read_engines
from bus.local.platform import Stopped, down, reset, status, up
from bus.local.processes import Ending

__all__ = [
    "Ending",
    "EngineState",
    "EngineStatus",
    "Engines",
    "PlatformStatus",
    "Stopped",
    "down",
    "read_engines",
    "reset",
    "status",
    "up",
]
