"""A note: what an administrator did, a right that changed, or what a system was given. Pure.

It stands in clear in the bus's database, sealed by a keyed digest, which is a leaf of the log.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from hashlib import sha256
from typing import Final

from bus.audit.leaf import NoteLeaf
from bus.model.identifiers import DatasetCode

_NOTE: Final = b"bus/1 note\n"
_KEY: Final = b"bus/1 registry key\x00"
_MARK_BYTES: Final = 8
ADMINISTRATOR: Final = "administrator"
"""Writer of what commands do."""
GATEWAY: Final = "gateway"
KEEPER: Final = "keeper"
"""Writer of what changes by itself when an agreement turns."""


@unique
class NoteKind(StrEnum):
    """What a note tells of."""

    READ = "read"
    """A system was given records."""
    RIGHT = "right"
    """A right on Kafka was given or taken away."""
    ACT = "act"
    """Something that an administrator did."""
    SIGNED = "signed"
    """The gateway signed what a system sent as JSON, with the key that it delegated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be noted; its number and time are the database's."""

    kind: NoteKind
    writer: str
    """Who notes it: `gateway`, `keeper`, `administrator`."""
    content: Mapping[str, object]
    """What happened, in codes, posts, times and numbers; nothing of a record."""
    dataset: DatasetCode | None = None
    """That it is about; None: about none, or about all."""
    keys: tuple[int, ...] = ()
    """Marks of the registry keys that were shown, `key_mark`."""

    @property
    def text(self) -> str:
        """Content as it is kept and sealed."""
        return json.dumps(self.content, ensure_ascii=False, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNote:
    """A note as its row has it."""

    number: int
    noted_at: datetime
    """Aware, by the database's clock."""
    kind: str
    writer: str
    dataset: str | None
    keys: tuple[int, ...]
    text: str

    @property
    def content(self) -> Mapping[str, object]:
        """What happened."""
        content: Mapping[str, object] = json.loads(self.text)
        return content

    def leaf(self, key: bytes) -> NoteLeaf:
        """Seal it."""
        return NoteLeaf(number=self.number, kind=self.kind, digest=digest_of(self, key))


def digest_of(note: KeptNote, key: bytes) -> str:
    """Seal a row: HMAC-SHA-256 over all that it says, in hex."""
    moment = note.noted_at.astimezone(UTC).isoformat(timespec="microseconds")
    marks = ",".join(map(str, note.keys))
    lines = [str(note.number), moment, note.kind, note.writer, note.dataset or "", marks, note.text]
    return hmac.digest(key, _NOTE + "\n".join(lines).encode(), "sha256").hex()


def key_mark(key: bytes, dataset: DatasetCode, registry_key: str) -> int:
    """Mark a registry key: the first eight bytes of its HMAC, as PostgreSQL keeps a bigint.

    Args:
        key: The audit key.
        dataset: Of the entry.
        registry_key: Of the provider; equal numbers of two providers have one mark.
    """
    sealed = hmac.digest(key, _KEY + f"{dataset}\x00{registry_key}".encode(), "sha256")
    return int.from_bytes(sealed[:_MARK_BYTES], "big", signed=True)


@unique
class Way(StrEnum):
    """How a system was given records."""

    FIRST_LOAD = "first_load"
    REQUEST = "request"
    """A data request, answered with single entries."""
    FEED = "feed"
    """Records handed on from a topic by the gateway."""
    SQL = "sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """That a system was given records of one dataset."""

    way: Way
    system: str
    """That asked."""
    agency: str
    """That runs it."""
    dataset: DatasetCode
    agreements: tuple[str, ...]
    """Ids of those it was given them under."""
    catalogue: int
    """Version that they were in force by."""
    keys: Iterable[str]
    """Registry keys of what was given; none where nothing was found."""
    providers: tuple[str, ...] = ()
    """Agencies whose entries they are."""
    request: str = ""
    """Number of the request, where it has one."""
    purpose: str = ""
    """A code of the agreement's, where one was stated."""


def read_note(read: Read, key: bytes, writer: str) -> Note:
    """Note a read, its keys as marks."""
    marks = {key_mark(key, read.dataset, one) for one in read.keys}
    content: dict[str, object] = {
        "way": read.way,
        "system": read.system,
        "agency": read.agency,
        "agreements": read.agreements,
        "catalogue": read.catalogue,
        "providers": read.providers,
    }
    told = {"request": read.request, "purpose": read.purpose}
    return Note(
        kind=NoteKind.READ,
        writer=writer,
        content={**content, **{name: one for name, one in told.items() if one}},
        dataset=read.dataset,
        keys=tuple(sorted(marks)),
    )


def act_note(
    act: str,
    *,
    dataset: DatasetCode | None = None,
    keys: tuple[int, ...] = (),
    **content: object,
) -> Note:
    """Note what an administrator is about to do.

    Args:
        act: Its name, as the command's: `quarantine_discard`.
        dataset: That it is about, if it is about one.
        keys: Marks of the registry keys that it is about.
        content: With which arguments; posts and never persons, nothing of a record.
    """
    return Note(
        kind=NoteKind.ACT,
        writer=ADMINISTRATOR,
        content={"act": act, **content},
        dataset=dataset,
        keys=keys,
    )


def signed_note(
    dataset: DatasetCode, *, system: str, key_id: str, body: bytes, record_ids: Iterable[str]
) -> Note:
    """Note that the gateway is about to send records that it signed for a system.

    Args:
        dataset: Of the records.
        system: That sent the request.
        key_id: Delegated by it.
        body: Of the request; its SHA-256 is noted, as header `Content-Digest` has it.
        record_ids: Of what came of it.
    """
    return Note(
        kind=NoteKind.SIGNED,
        writer=GATEWAY,
        content={
            "system": system,
            "key_id": key_id,
            "sha256": sha256(body).hexdigest(),
            "records": list(record_ids),
        },
        dataset=dataset,
    )
