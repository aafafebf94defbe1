"""The identity of one version of a registry entry, equal wherever and however often it is sent."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from bus.model.identifiers import RecordId

_RECORD_ID: Final = re.compile(r"[0-9a-f]{32}")


def record_id(agency: str, dataset: str, key: str, version: int, operation: str) -> RecordId:
    """Derive the id of a record: first 16 bytes, in hex, of a SHA-256 over what it identifies.

    No byte of the value takes part, so the id tells nothing about it, and another encoding of the
    same version keeps it. Parts are separated by NUL, which none of them may hold.

    Args:
        agency: Code of the provider.
        dataset: Code of the dataset.
        key: The agency's own registry number.
        version: 1 to 2**63-1.
        operation: `create`, `correct`, `annul` or `cease`.
    """
    text = f"{agency}\0{dataset}\0{key}\0{version}\0{operation}"
    return RecordId(sha256(text.encode()).hexdigest()[:32])


def row_id(view: str, agency: str, dataset: str, key: str, number: int, presence: str) -> RecordId:
    """Derive the id of a record of a standing view, in the same way.

    The view is part of it: two views number their changes of one entry each for itself, and show
    different values under equal numbers.

    Args:
        view: Code of the view.
        agency: Code of the provider.
        dataset: Code of the dataset.
        key: The agency's own registry number.
        number: Of the change, from 1.
        presence: `stands` or `left`.
    """
    text = f"{view}\0{agency}\0{dataset}\0{key}\0{number}\0{presence}"
    return RecordId(sha256(text.encode()).hexdigest()[:32])


def is_record_id(text: str) -> bool:
    """Tell whether `text` has the form of a record id."""
    return _RECORD_ID.fullmatch(text) is not None
