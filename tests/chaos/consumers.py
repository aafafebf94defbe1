"""Who consumes in a chaos run, what its agreements give it, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bus.catalogue.snapshot import Snapshot
from bus.client.subscription import Feed, feeds_of
from bus.contracts.contract import top_level_fields
from bus.model.identifiers import DatasetCode, SystemCode
from tests.chaos.consumer import read_delivered
from tests.chaos.evidence import Delivered, Entitled
from tests.chaos.history import Sent
from tests.chaos.traffic import INSTITUTIONS, MUNICIPALITIES, SAMARA, SERVICE_CENTRES, is_in_city


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One consuming system, and the dataset that it reads."""

    system: SystemCode
    dataset: DatasetCode

    def __str__(self) -> str:
        return f"{self.system}.{self.dataset}"


CONSUMERS: Final = (
    Consumer(system=SystemCode("health-analytics"), dataset=INSTITUTIONS),
    Consumer(system=SystemCode("region-portal"), dataset=SERVICE_CENTRES),
    Consumer(system=SystemCode("region-portal"), dataset=MUNICIPALITIES),
)
# Why written out, and not asked of the catalogue: what it would answer is under test.
_MAY_SEE: Final[Mapping[Consumer, Callable[[Sent], bool]]] = {
    CONSUMERS[0]: lambda sent: sent.agency == SAMARA.agency and is_in_city(sent.key),
    CONSUMERS[1]: lambda sent: sent.dataset == SERVICE_CENTRES,
    CONSUMERS[2]: lambda sent: sent.dataset == MUNICIPALITIES,
}
_ALL: Final = None
_FIELDS: Final[Mapping[Consumer, frozenset[str] | None]] = {
    CONSUMERS[0]: frozenset(
        {
            *("registry_number", "full_name", "short_name", "kind", "variety", "status", "oktmo"),
            *("address", "places", "founder"),
        }
    ),
    CONSUMERS[1]: _ALL,
    CONSUMERS[2]: _ALL,
}


def feed_of(snapshot: Snapshot, who: Consumer) -> Feed:
    (feed,) = feeds_of(snapshot.region, who.system, who.dataset, datetime.now(UTC))
    return feed


def entitled(who: Consumer, snapshot: Snapshot) -> Entitled:
    """Tell what a consumer may get."""
    contract = snapshot.region.contracts[who.dataset]
    fields = _FIELDS[who] or frozenset(contract.field_names)
    return Entitled(
        consumer=str(who),
        topic=feed_of(snapshot, who).topic,
        may_see=_MAY_SEE[who],
        fields=fields,
        shapes=frozenset(
            fields & frozenset(top_level_fields(version.schema))
            for version in contract.schema_versions
        ),
    )


def delivered(who: Consumer, path: Path) -> Iterator[Delivered]:
    """Read what a consumer took."""
    return read_delivered(str(who), path) if path.exists() else iter(())
