"""What a mail is: by which signs it is known again, who sent it, which tables it brings. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from fnmatch import fnmatch
from hashlib import blake2b
from typing import Final

from imap_tools import MailMessage

from connectors.mail.config import MailboxConfig

_TOLD_MAX: Final = 2_000
_ODD: Final = re.compile(r"[\x00-\x1f/\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file in a mail that may be a table."""

    name: str
    content: bytes = field(repr=False)


def name_of(mail: MailMessage, uid: int) -> str:
    """Name a mail: its Message-ID, or where it lies."""
    return str(mail.obj.get("Message-ID", "")).strip().strip("<>") or f"uid-{uid}"


def signs_of(mail: MailMessage) -> str:
    """Give what a mail is known again by, when the server numbers its mails anew.

    Why not Message-ID alone: some programs write the same one each time.
    """
    parts = (str(mail.obj.get("Message-ID", "")), mail.date_str, mail.subject, mail.from_)
    return blake2b("\n".join(parts).encode(errors="replace"), digest_size=6).hexdigest()


def is_from(mail: MailMessage, senders: Sequence[str]) -> bool:
    """Tell whether somebody sent a mail whose mails are read."""
    sender = mail.from_.casefold()
    allowed = [one.casefold() for one in senders]
    return not allowed or any(
        sender.endswith(one) if one.startswith("@") else sender == one for one in allowed
    )


def tables_of(mail: MailMessage, config: MailboxConfig) -> Sequence[Attached]:
    """Give the attachments that are called like tables, in their order; each with its own name."""
    found: list[Attached] = []
    for attachment in mail.attachments:
        name = _ODD.sub("_", attachment.filename).strip() or "attachment"
        if not any(fnmatch(name.casefold(), pattern.casefold()) for pattern in config.files):
            continue
        taken = sum(one.name == name or one.name.startswith(f"{name}#") for one in found)
        shown = f"{name}#{taken + 1}" if taken else name
        found.append(Attached(name=shown, content=attachment.payload))
    return found


def told(mail: MailMessage) -> str:
    """Write what a person needs to find a mail."""
    try:
        head = f"{mail.date_str}\n{mail.from_}\n{mail.subject}\n"
        return (head + mail.text)[:_TOLD_MAX]
    except (HeaderParseError, LookupError, ValueError):
        return str(mail.uid)
