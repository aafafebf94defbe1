"""One side's decisions, written into an agreement's document; all else in it stays as it was. Pure.

What is added stands on lines of its own, where a person would have put it; a resumption completes
the line of its suspension.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from bus.catalogue.agreement import Agreement, Ending, Side, Suspension
from bus.contracts.yaml_document import read_yaml
from bus.errors import DocumentError
from bus.texts import message

_SUSPENDED: Final = "suspended"
_ENDED: Final = "ended"


def with_ending(ending: Ending, path: str, content: bytes, agreement: Agreement) -> bytes:
    """Write an end down.

    Args:
        ending: To be added.
        path: Of the document, for messages.
        content: Its bytes.
        agreement: As they say.

    Raises:
        DocumentError: It has one already.
    """
    if agreement.ending is not None:
        told = {"path": path, "at": _moment(agreement.ending.at)}
        raise DocumentError(message("error.agreement.has_ended", **told))
    line = f"{_ENDED}: {_members(ending.side, ending.by, at=ending.at)}"
    return _behind(content, [line])


def with_suspension(
    suspension: Suspension, path: str, content: bytes, agreement: Agreement
) -> bytes:
    """Write a suspension down, behind those that are there.

    Raises:
        DocumentError: It rests already, or has no line of its own to be put behind.
    """
    _expect_no_rest(path, agreement, suspension.begins)
    item = f"  - {_members(suspension.side, suspension.by, **{'from': suspension.begins})}"
    if not agreement.suspensions:
        return _behind(content, [f"{_SUSPENDED}:", item])
    lines = content.splitlines(keepends=True)
    lines.insert(_last_item(path, content), f"{item}\n".encode())
    return b"".join(lines)


def with_resumption(at: datetime, path: str, content: bytes, agreement: Agreement) -> bytes:
    """Write down when the suspension ends that has no end yet.

    Raises:
        DocumentError: It does not rest, or the suspension has no line of its own.
    """
    if not agreement.suspensions or agreement.suspensions[-1].ends is not None:
        raise DocumentError(message("error.agreement.does_not_rest", path=path))
    place = _last_item(path, content) - 1
    lines = content.splitlines(keepends=True)
    line = lines[place].decode().rstrip()
    lines[place] = f"{line[:-1]}, to: {_moment(at)}}}\n".encode()
    return b"".join(lines)


def _expect_no_rest(path: str, agreement: Agreement, begins: datetime) -> None:
    if any(one.ends is None or begins < one.ends for one in agreement.suspensions):
        raise DocumentError(message("error.agreement.rests_already", path=path))


def _last_item(path: str, content: bytes) -> int:
    """Give the number of lines up to and with that of the last suspension, `- {…}`."""
    document = read_yaml(path, content)
    items = [place for place in document.lines if len(place) == 2 and place[0] == _SUSPENDED]  # noqa: PLR2004
    number = document.lines[max(items)]
    line = content.splitlines()[number - 1].decode().strip()
    if not (line.startswith("- {") and line.endswith("}")):
        raise DocumentError(message("error.agreement.by_hand", path=path, line=number))
    return number


def _behind(content: bytes, lines: list[str]) -> bytes:
    """Put lines behind all others."""
    end = b"" if not content or content.endswith(b"\n") else b"\n"
    return content + end + "".join(f"{line}\n" for line in lines).encode()


def _members(side: Side, by: str, **moments: datetime) -> str:
    told = [f"side: {side}", f"by: {json.dumps(by, ensure_ascii=False)}"]
    told += [f"{name}: {_moment(moment)}" for name, moment in moments.items()]
    return f"{{{', '.join(told)}}}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
