"""Delegating a key to the gateway, so that it can sign what a system sends as JSON.

The key is the system's: what it signs is the system's record. It has a name of its own
(`<system>.gateway-<n>`), so that everybody can see who signed, and it is revoked like any other,
in its document; with it goes the gateway's right to write the system's topics.
Source: ADR-0023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bus.access.credentials import (
    delegated_key_file,
    delegated_key_id,
    gateway_key_folder,
    public_key_file,
)
from bus.access.enrol import admit, begin_of_day, new_private_key, write_public_half
from bus.access.secret_file import make_private_folder, write_once
from bus.catalogue.parties import GATEWAY, SigningKey
from bus.kafka.administration import Administration
from bus.model.identifiers import KeyId, SystemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What delegating came to."""

    system: SystemCode
    key_id: KeyId
    is_new: bool


def delegate(
    home: Path,
    admin: Administration,
    system: SystemCode,
    known: Mapping[KeyId, SigningKey],
    now: datetime,
) -> Delegation:
    """Let the gateway sign and send for a system, from the next catalogue on.

    A key that is valid and whose private half is here stays; after a revocation the next is made.

    Args:
        home: Folder of the gateway's installation.
        admin: Of a user that may administer users: the gateway gets its own Kafka user.
        system: Who delegates.
        known: The region's keys.
        now: Aware.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: A file can't be read or written.
    """
    admit(home, admin, GATEWAY)
    for key_id, key in sorted(known.items()):
        is_here = key.is_delegated and delegated_key_file(home, key_id).exists()
        if key.system == system and is_here and key.is_valid_at(now):
            return Delegation(system=system, key_id=key_id, is_new=False)
    number = 1
    while public_key_file(home, delegated_key_id(system, number)).exists():
        number += 1
    key_id = delegated_key_id(system, number)
    make_private_folder(gateway_key_folder(home), inside=home)
    private = delegated_key_file(home, key_id)
    write_once(private, new_private_key())
    write_public_half(public_key_file(home, key_id), private, key_id, system, begin_of_day(now))
    return Delegation(system=system, key_id=key_id, is_new=True)
