"""The one written form of a UUID that Avro's logical type allows (RFC 9562): 8-4-4-4-12."""

from __future__ import annotations

import re
from typing import Final

is_uuid: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
"""Match a UUID's text, or None. (a compiled method, so that generated code can call it directly)"""
