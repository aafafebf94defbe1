"""Where a feed goes on: positions of every partition, as one opaque word that checks itself. Pure.

A token gives no right: what a system may read is decided at each page. The check is there so that
a token cut short or put together wrongly is told from one that was given.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from pydantic import TypeAdapter, ValidationError

from bus.model.identifiers import DatasetCode

TOKEN_CHARACTERS_MAX: Final = 12_000
"""Positions of two topics of 256 partitions."""
_CHECK_BYTES: Final = 8
_Positions = TypeAdapter(dict[str, list[int]])


def resume_token(dataset: DatasetCode, positions: Mapping[str, tuple[int, ...]]) -> str:
    """Write a token.

    Args:
        dataset: That is read.
        positions: Topic → next offset of each of its partitions, ascending from 0.
    """
    content = json.dumps({topic: list(at) for topic, at in positions.items()}).encode()
    return base64.urlsafe_b64encode(_check(dataset, content) + content).decode().rstrip("=")


def parse_resume_token(dataset: DatasetCode, token: str) -> dict[str, tuple[int, ...]] | None:
    """Read a token; None where it is none that was given for this dataset."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        return None
    try:
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        content = whole[_CHECK_BYTES:]
        if whole[:_CHECK_BYTES] != _check(dataset, content):
            return None
        positions = _Positions.validate_json(content, strict=True)
    except (binascii.Error, ValueError, ValidationError):
        return None
    return {topic: tuple(at) for topic, at in positions.items()}


def _check(dataset: DatasetCode, content: bytes) -> bytes:
    return sha256(f"bus resume {dataset}\0".encode() + content).digest()[:_CHECK_BYTES]
