"""Whether the dataset that the bus probes itself with can come back to who sends it."""

from __future__ import annotations

from bus.catalogue.sources import Sources
from bus.errors import Finding
from bus.texts import finding_at


def probe_findings(sources: Sources) -> list[Finding]:
    """Find a probe that several systems send, or nobody, or that its sender may not read."""
    if sources.region is None or sources.region.written.probe is None:
        return []
    probe = sources.region.written.probe
    systems = [
        system.system
        for source in sources.agencies
        for system in source.written.systems
        if probe in system.provides
    ]
    place = sources.region.document.place(("probe",))
    if len(systems) != 1:
        named = ", ".join(systems) or "-"
        told = {"dataset": probe, "systems": named}
        return [finding_at(place, "error.catalogue.probe_systems", **told)]
    (system,) = systems
    if any(
        source.written.dataset == probe and system in source.written.systems
        for source in sources.agreements
    ):
        return []
    return [finding_at(place, "error.catalogue.probe_unread", dataset=probe, system=system)]
