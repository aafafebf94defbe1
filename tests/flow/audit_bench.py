"""A housekeeper of the audit log for tests: signs when it is told to, and checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bus.audit.checkpoint import CheckpointSigner
from bus.audit.examination import Examination, examine
from bus.audit.signing import Notary, Seals, tell_notes
from bus.catalogue.parties import BUS
from bus.kafka.producer import BatchProducer
from bus.postgres.session import Session, connect
from bus.wiring import Installation
from tests.flow import path


@dataclass(frozen=True)
class Bench:
    """What a housekeeper works with."""

    installation: Installation
    session: Session
    notary: Notary
    seals: Seals

    async def sign(self) -> int:
        """Do both duties of the audit log; give the number of the checkpoint."""
        while await tell_notes(self.session, self.seals, self.notary.deliver):
            pass
        signed = await self.notary.sign_next(datetime.now(UTC), every=timedelta(0))
        return 0 if signed is None else signed.number

    async def keys(self) -> dict[str, bytes]:
        snapshot = await path.snapshot_of(self.installation)
        keys = snapshot.region.keys.values()
        return {key.key_id: key.public_key for key in keys if key.system == BUS}

    async def examine(self, folder: Path) -> Examination:
        return await examine(
            self.notary.cluster,
            self.session,
            keys=await self.keys(),
            audit_key=self.seals.audit_key,
            folder=folder,
        )


@asynccontextmanager
async def housekeeper(installation: Installation) -> AsyncIterator[Bench]:
    credentials = installation.credentials(BUS)
    seals = Seals(
        signer=CheckpointSigner(credentials.key_id, credentials.private_key),
        audit_key=installation.audit_key(),
    )
    cluster = installation.cluster_as(BUS)
    session = await connect(installation.fund_dsn(), "test")
    try:
        async with BatchProducer(cluster, client_id="test.audit") as producer:
            notary = Notary(
                session=session,
                cluster=cluster,
                region="samara",
                seals=seals,
                deliver=producer.deliver,
            )
            yield Bench(installation, session, notary, seals)
    finally:
        await session.close()
