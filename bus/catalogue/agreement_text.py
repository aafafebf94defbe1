"""Agreements and decisions written down as YAML, the same bytes for the same meaning. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bus.catalogue.decision import Decision, moment_text

_MEMBERS: Final = (
    *("agreement", "consumer", "systems", "dataset", "providers", "fields", "rows"),
    *("history_from", "purpose", "legal_basis", "valid_from", "valid_to"),
)
_PLAIN: Final = re.compile(r"[a-z][a-z0-9_-]*|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS_OF_YAML: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def render_agreement(members: Mapping[str, object], remarks: Sequence[str] = ()) -> bytes:
    """Write an agreement's document.

    Args:
        members: By name; values as YAML has them. None is left out.
        remarks: Comment lines, `# …`, that stand above them.
    """
    lines = [*remarks]
    for name in (*_MEMBERS, *sorted(members.keys() - set(_MEMBERS))):
        value = members.get(name)
        if name == "rows" and isinstance(value, list) and value:
            lines += [f"{name}:", *[f"  - {_value(row)}" for row in value]]
        elif value is not None:
            lines.append(f"{name}: {_value(value)}")
    return ("\n".join(lines) + "\n").encode()


def remarks_of(content: bytes) -> tuple[str, ...]:
    """Take the comment lines above a document's first member."""
    remarks = []
    for line in content.decode("utf-8-sig").splitlines():
        if line.strip() and not line.startswith("#"):
            break
        remarks.append(line)
    return tuple(remarks)


def render_decisions(decisions: Sequence[Decision]) -> bytes:
    """Write all decisions of one side of one agreement, at least one, in their order."""
    first = decisions[0]
    lines = [f"agreement: {first.agreement}", f"side: {first.side}", "decisions:"]
    for decision in decisions:
        lines += [
            f"  {'-' if place == 0 else ' '} {line}"
            for place, line in enumerate(_decision(decision))
        ]
    return ("\n".join(lines) + "\n").encode()


def _decision(decision: Decision) -> Iterator[str]:
    yield f"decision: {decision.kind}"
    yield f"by: {_quoted(decision.by)}"
    yield f"on: {decision.on}"
    if decision.at is not None:
        yield f"at: {moment_text(decision.at)}"
    if decision.why is not None:
        yield f"why: {_quoted(decision.why)}"
    if decision.terms is not None:
        yield f"terms: {_quoted(decision.terms)}"
    if decision.fields is not None:
        yield "fields:" if decision.fields else "fields: {}"
        for name, said in sorted(decision.fields.items()):
            yield f"  {_quoted(name)}: {_quoted(said)}"
    yield f"key_id: {decision.key_id}"
    yield f"signature: {_quoted(base64.b64encode(decision.signature).decode())}"


def _value(value: object) -> str:
    match value:
        case Mapping():
            members = (f"{_value(name)}: {_value(one)}" for name, one in value.items())
            return f"{{{', '.join(members)}}}"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case str() if _PLAIN.fullmatch(value) and value not in _WORDS_OF_YAML:
            return value
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    """Quote a text: a JSON string is a YAML one, and can't be taken for a number or a day."""
    return json.dumps(text, ensure_ascii=False)
