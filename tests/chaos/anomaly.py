"""The names of everything that can be wrong after a run, and what each means for this bus.

What is promised where decides what is wrong. Topics may hold a record again: a worker read its
batch again, or a resumed publisher sent it again, from another inbound place. A consumer may take
it again. The fund has each version once. A record that was released from quarantine is in the
fund, has a closed row in quarantine, and comes later than its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Name(StrEnum):
    """One kind of anomaly. *Happened* means: acknowledged, or seen in an accepted topic."""

    LOST = "lost"
    """It happened; it had to be accepted and is neither in the fund's history nor held nor refused
    nor in quarantine, or it had to be quarantined and is not in quarantine. Also: it is held though
    nothing is missing any more that it, or its group, waits for; quarantine is closed for it as
    superseded, and it is not in history."""
    MISJUDGED = "misjudged"
    """It happened, it is sound, and it lies in quarantine or was refused, and nowhere else. Or it
    had to be quarantined and is, and went on all the same: it is in the fund's history, or is shown
    anywhere though it was not the fund that refused it."""
    DUPLICATE = "duplicate"
    """The fund's history has a record id twice, or one version of an entry twice. An accepted topic
    has one version under two record ids that both had to be accepted; topics, fund and consumers
    show two contents of one record id, both sent and acknowledged. Two open rows in quarantine have
    one inbound place. A record is in history or held, and open in quarantine or refused, at once;
    it is held twice, or refused twice at one inbound place, with no release between."""
    RESURRECTED = "resurrected"
    """It certainly failed, and is there: in a topic, the fund, quarantine or at a consumer."""
    INVENTED = "invented"
    """It is there, but nobody sent it, or not with this stamp, key, version, or value of a field;
    in the fund it is invented, too, if its value can't be read, or is not what lies at its accepted
    place."""
    INDETERMINATE_TWICE = "indeterminate-twice"
    """Its outcome is not known, and the fund's history has its id twice, or topics, fund and
    consumers show two contents of it, both of them tried."""
    REORDERED = "reordered"
    """Of one entry, in one partition, an accepted topic, a view or a consumer's deliveries show a
    version for the first time after a higher one, though it never was in quarantine. Across
    partitions, where a group may put an entry, nobody promises an order. Also: in an accepted
    partition a sound record that never was in quarantine is for the first time behind one that came
    in after it, in the same inbound partition."""
    STALE = "stale"
    """An entry's current row is not the highest standing version of its history, or shows another
    stamp; it is missing, is there twice, or is there though nothing stands."""
    SKIPPED = "skipped"
    """The conservation law differs for a partition or table."""
    TORN = "torn"
    """Some members of a group are in the accepted topic, the fund, a view or a consumer's
    deliveries and others, which belong there too, are not; or a consumer took a part of a group,
    even if it took the whole of it some other time. Or members that belong together are shown as
    records that stand alone, or in a group of another size."""
    LEAKED = "leaked"
    """A view's record, or a consumer's delivery, that an agreement does not give: the topic, the
    row or a field."""
    REASONLESS = "reasonless"
    """A row in quarantine, or a refusal of the fund, without a reason or with one that is not in
    the closed list."""
    UNSIGNED = "unsigned"
    """A record in an accepted topic or a view that its signature does not prove."""
    UNSEEN = "unseen"
    """It is in the fund, a consumer is entitled to it and has not got it, nor any other member of
    its group, which would be torn. Or it came with fewer fields than its schema version has of the
    agreed ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One finding."""

    name: Name
    what: str
    """The record (its mark), place, group or registry entry concerned."""
    why: str
    """One sentence."""


def found(name: Name, what: str, why: str) -> Anomaly:
    """Note one finding."""
    return Anomaly(name=name, what=what, why=why)
