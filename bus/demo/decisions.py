"""What people decide in the demonstration: a contract refused, a rule mended, records released."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bus.catalogue.documents import proposed_documents, read_documents
from bus.catalogue.parties import BUS
from bus.catalogue.region import parse_region
from bus.catalogue.snapshot import build_snapshot
from bus.demo.breaking import INSTITUTIONS
from bus.demo.programme import MENDED_RULE
from bus.errors import DocumentError, InvariantBroken
from bus.fund.asof import AsOf
from bus.fund.layout import Layouts
from bus.fund.past import PastReader
from bus.kafka.producer import BatchProducer
from bus.model.identifiers import AgencyCode
from bus.provision.catalogue_apply import apply_catalogue
from bus.provision.gate_log import read_refusals
from bus.quarantine.decision import DecisionKind, Selection, grounds_of
from bus.quarantine.decisions import DecisionStore
from bus.quarantine.release import RATE_PER_S, release
from bus.wiring import Installation

_CONTRACT: Final = "contracts/education/educational-institution/contract.yaml"
_NARROW: Final = re.compile(rf"(id: {MENDED_RULE}\n(?:.*\n)*?\s+maximum: )\d+")
_WIDE_ENOUGH: Final = "2000"
_POST: Final = "Начальник отдела реестров"
_BECAUSE: Final = "Правило исправлено: в филиалах много телефонов"


async def try_unready_contract(installation: Installation, now: datetime) -> int:
    """Try to bring a contract into force whose process nobody optimised.

    Returns: How many refusals stand in the gate's record after that.

    Raises:
        InvariantBroken: It was not refused.
    """
    region_file = installation.settings.region
    documents = read_documents(region_file, installation.keys_dir)
    try:
        await apply(installation, {**documents, **proposed_documents(region_file)}, now)
    except DocumentError:
        return len(await read_refusals(installation.cluster_as_admin()))
    raise InvariantBroken("a contract came into force whose process is not optimised")


async def release_mended(installation: Installation, now: datetime) -> Mapping[str, bytes]:
    """Widen the rule that was too narrow, and release what it had set aside.

    Returns: The documents that are in force after that.
    """
    documents = with_wide_rule(read_documents(installation.settings.region, installation.keys_dir))
    version = await apply(installation, documents, now)
    cluster = installation.cluster_as(BUS)
    store = await DecisionStore.open(installation.fund_dsn())
    try:
        async with BatchProducer(cluster, client_id=f"{BUS}.release") as producer:
            await release(
                store,
                Selection(dataset=INSTITUTIONS, rule=MENDED_RULE),
                build_snapshot(parse_region(documents), version),
                grounds=grounds_of(DecisionKind.RELEASE, by=_POST, because=_BECAUSE),
                deliver=producer.deliver,
                rate_per_s=RATE_PER_S,
                progress=lambda _: None,
            )
    finally:
        await store.close()
    return documents


def with_wide_rule(documents: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Mend the contract of institutions."""
    mended, count = _NARROW.subn(rf"\g<1>{_WIDE_ENOUGH}", documents[_CONTRACT].decode())
    assert count == 1, f"{_CONTRACT} holds rule {MENDED_RULE}"
    return {**documents, _CONTRACT: mended.encode()}


async def version_as_of(
    installation: Installation, layouts: Layouts, agency: AgencyCode, key: str, moment: datetime
) -> int | None:
    """Ask the fund which version of an institution it had recorded as standing at a moment."""
    past = await PastReader.open(installation.fund_dsn(), layouts)
    try:
        page = await past.as_of(INSTITUTIONS, AsOf(recorded=moment, agency=agency, key=key))
    finally:
        await past.close()
    return page.rows[0].version if page.rows else None


async def apply(installation: Installation, documents: Mapping[str, bytes], now: datetime) -> int:
    """Bring documents into force; tell the catalogue's version.

    Raises: as `apply_catalogue`.
    """
    report = await apply_catalogue(
        documents,
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=now,
    )
    return report.version
