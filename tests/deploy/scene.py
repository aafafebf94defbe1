"""A bus at work that faults befall, and who is told of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Final

from bus.catalogue.documents import read_documents
from bus.local import read_engines
from bus.local.layout import Layout
from bus.model.identifiers import DatasetCode, SystemCode
from bus.observe.report import targets_folder
from bus.observe.status import LastCheck, keep_check
from bus.provision.catalogue_apply import apply_catalogue
from bus.supervise.role import Role
from bus.wiring import Installation
from tests.deploy.connecting import connected, villages
from tests.deploy.seconds import Fault
from tests.deploy.tools import Tools
from tests.deploy.watched import Told, Watched, watched
from tests.flow import path
from tests.flow.conftest import REGION
from tests.flow.test_first_load import Party, Row
from tests.proxy import KafkaLinks

STALLED_AFTER_S: Final = 10
PROMISED_H: Final = 0.001
"""Within which the contract of organisations promises a record."""
CONNECTOR: Final = "faults-folder"
_PROMISE: Final = b"{property: frequency, value: 24, unit: h}"
_NOBODY_SENDS: Final = "DatasetAbsent"
"""Told of the sample region's other datasets: it is true, and none of the faults."""
_WAIT_S: Final = 120.0


def organisation(prefix: str, number: int) -> Row:
    return {"registry_number": f"{prefix}-{number}", "full_name": "Колхоз"}


TAX: Final = Party(
    system=SystemCode("region-portal"),
    dataset=DatasetCode("organisations"),
    provider=SystemCode("egrul-feed"),
    row=organisation,
    change={},
    passes=lambda _: True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A bus at work, and who watches it."""

    installation: Installation
    watch: Watched
    links: KafkaLinks
    """Between enforcement and Kafka."""
    enforcement: ExitStack
    """Kills it when it is closed; nobody starts it again."""
    exports: Path
    """What the connector reads."""
    told_s: dict[Fault, float] = field(default_factory=dict)
    """From each fault to its letter."""

    def instance(self, name: str) -> str:
        """Name a process as Prometheus does."""
        return next(one for one in self.watch.up() if one.endswith(f"/{name}"))

    async def until_told(self, *wanted: Told) -> None:
        """Wait for letters in any order."""
        await until(
            lambda: set(wanted) <= set(self.watch.told), lambda: (set(wanted), self.watch.told)
        )

    def took(self, fault: Fault, begun_s: float, told: Told) -> None:
        """Note how long it took from a moment on the clock of `time.monotonic` to a letter."""
        letter = self.watch.told[self.watch.told.index(told)]
        self.told_s[fault] = letter.at_s - begun_s

    def heard(self, after: int) -> Counter[Told]:
        """Count what anybody was told after so many letters."""
        return Counter(told for told in self.watch.told[after:] if told.alert != _NOBODY_SENDS)


async def until(true: Callable[[], bool], seen: Callable[[], object] = str) -> None:
    """Wait for something; where it does not come, tell what was seen instead."""
    deadline = time.monotonic() + _WAIT_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, seen()
        await asyncio.sleep(0.2)


@asynccontextmanager
async def at_work(installation: Installation, tools: Tools, folder: Path) -> AsyncIterator[Scene]:
    """Let a bus work: enforcement alone and through links, a connector, one dataset due often."""
    await _promise(installation)
    path.forget_the_dead(installation.home)
    keep_check(installation.home, LastCheck(at=datetime.now(UTC), holds=True))
    links, exports = _links_of(installation), folder / "exports"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(links.running())
        others = path.supervised(installation, roles=(Role.FUND, Role.QUARANTINE))
        await stack.enter_async_context(others)
        enforcement, watching = (stack.enter_context(ExitStack()) for _ in range(2))
        enforcement.enter_context(enforcing(installation, links))
        reads = villages(exports, CONNECTOR)
        await stack.enter_async_context(connected(installation, CONNECTOR, reads))
        pages = targets_folder(installation.home)
        await until(lambda: len(list(pages.glob("*.json"))) == len(Role) + 1)
        watch = await asyncio.to_thread(
            watching.enter_context, watched(tools, installation.home, folder)
        )
        yield Scene(
            installation=installation,
            watch=watch,
            links=links,
            enforcement=enforcement,
            exports=exports,
        )


def enforcing(
    installation: Installation, links: KafkaLinks
) -> AbstractContextManager[Popen[bytes]]:
    """Run a worker that reaches Kafka through links, and soon finds itself ill."""
    engines = read_engines(installation.home)
    assert engines is not None
    settings = {
        "BUS_KAFKA__BOOTSTRAP": links.bootstrap,
        "BUS_KAFKA__CA_FILE": str(engines.kafka_ca_file),
        "BUS_KAFKA__ADMIN_USER": engines.kafka_admin_user,
        "BUS_KAFKA__ADMIN_PASSWORD_FILE": str(engines.kafka_admin_password_file),
        "BUS_STALLED_AFTER_S": str(STALLED_AFTER_S),
    }
    return path.worker(installation, Role.ENFORCE, settings)


def _links_of(installation: Installation) -> KafkaLinks:
    engines = read_engines(installation.home)
    assert engines is not None
    return KafkaLinks(
        {1: int(engines.kafka_bootstrap.rpartition(":")[2])},
        Layout.of(installation.home).broker_pem_file,
        engines.kafka_ca_file,
    )


async def _promise(installation: Installation) -> None:
    """Put a contract in force that promises organisations each few seconds."""
    documents = dict(read_documents(REGION, installation.keys_dir))
    (name,) = (one for one in documents if one.endswith("organisation/contract.yaml"))
    assert documents[name].count(_PROMISE) == 1
    often = _PROMISE.replace(b"24", str(PROMISED_H).encode())
    documents[name] = documents[name].replace(_PROMISE, often)
    await apply_catalogue(
        documents,
        cluster=installation.cluster_as_admin(),
        fund_dsn=installation.fund_dsn(),
        now=datetime.now(UTC),
    )
