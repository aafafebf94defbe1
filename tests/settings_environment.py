"""Settings as the environment of a child process: what a parent was told, its children are told."""

from __future__ import annotations

from bus.settings import Settings


def as_environment(settings: Settings) -> dict[str, str]:
    """Give the variables from which a child reads the same home, region and engines."""
    told = {"BUS_HOME": str(settings.home), "BUS_REGION": str(settings.region.absolute())}
    for name, engine in (("KAFKA", settings.kafka), ("POSTGRES", settings.postgres)):
        if engine is not None:
            values = engine.model_dump(mode="json").items()
            told |= {f"BUS_{name}__{field.upper()}": str(value) for field, value in values}
    return told
