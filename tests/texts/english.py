"""What is wrong, with its words said, so that a test can write what it expects as plain text."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from bus.contracts.evolution import Break
from bus.contracts.gate import Refusal
from bus.errors import Finding, say

Told = TypeVar("Told", Finding, Break, Refusal)


def in_english(told: Told) -> Told:
    """Say what is found, expected and advised in English."""
    return replace(
        told,
        found=say(told.found, "en"),
        expected=say(told.expected, "en"),
        remedy=say(told.remedy, "en"),
    )
