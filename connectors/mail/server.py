"""An IMAP server as a source asks it: each call in a thread, and ended when it is not waited for.

What is read is not changed: the folder is examined, and mails are peeked at.
"""

from __future__ import annotations

import asyncio
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from imap_tools import (
    BaseMailBox,
    ImapToolsError,
    MailBox,
    MailboxFolderSelectError,
    MailboxLoginError,
    MailBoxStartTls,
    MailBoxUnencrypted,
    MailMessage,
)

from bus.errors import DocumentError
from connectors.mail.config import MailboxConfig
from connectors.source import SourceDown
from connectors.texts import message

_AT_ONCE: Final = 200
"""Mails that are asked about together."""
_CLOSE_S: Final = 3.0
_UID: Final = re.compile(rb"\bUID (\d+)")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d+)")
_ARRIVED: Final = re.compile(rb"\bINTERNALDATE \"[^\"]+\"")
_PASSING: Final = (b"UNAVAILABLE", b"INUSE", b"SERVERBUG", b"LIMIT")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """A mail that lies in the folder, as the server describes it."""

    uid: int
    size_bytes: int
    arrived_s: int
    """When it came to lie there, seconds since 1970; 0: the server does not say."""


class Server:
    """A folder of a mailbox, while it is read."""

    def __init__(self, config: MailboxConfig) -> None:
        """Take the configuration; nothing is opened before it is entered."""
        self._config = config
        self._box: BaseMailBox | None = None
        self._running: asyncio.Future[Any] | None = None
        self._is_closed = False
        self.validity = 0
        """The server's number for the folder's numbering of mails."""

    async def __aenter__(self) -> Self:
        try:
            self.validity = await self._call(self._open)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def behind(self, uid: int) -> Sequence[Lying]:
        """Tell the mails behind one, in the order in which they came."""
        return await self._call(lambda: self._behind(uid))

    async def header(self, uid: int) -> MailMessage | None:
        """Read a mail's header; None: it is not there any more."""
        return await self._call(lambda: self._mail(uid, headers_only=True))

    async def mail(self, uid: int) -> MailMessage | None:
        """Read a mail; None: it is not there any more."""
        return await self._call(lambda: self._mail(uid, headers_only=False))

    async def put_flag(self, flag: str, uids: Sequence[int]) -> None:
        """Set a flag on mails; those that are gone are passed over."""
        await self._call(lambda: self._put_flag(flag, uids))

    async def folders(self) -> Sequence[str]:
        """Tell the folders of the mailbox."""
        return await self._call(lambda: [one.name for one in self._opened.folder.list()])

    def _open(self) -> int:
        """Log in and look at the folder; give its validity."""
        config = self._config
        self._box = box = self._connected()
        if self._is_closed:
            _shut(box, is_idle=False)
        log_in = box.login if (config.user + self._password).isascii() else box.login_utf8
        log_in(config.user, self._password, initial_folder=None)
        box.folder.set(config.folder, readonly=True)
        return box.folder.status(config.folder, ["UIDVALIDITY"])["UIDVALIDITY"]

    def _connected(self) -> BaseMailBox:
        config = self._config
        if config.security == "none":
            return MailBoxUnencrypted(config.host, config.port or 143, timeout=config.timeout_s)
        tls = ssl.create_default_context(cafile=config.ca_file)
        if config.security == "starttls":
            return MailBoxStartTls(config.host, config.port or 143, config.timeout_s, tls)
        return MailBox(config.host, config.port or 993, timeout=config.timeout_s, ssl_context=tls)

    @property
    def _password(self) -> str:
        return self._config.password.get_secret_value()

    @property
    def _opened(self) -> BaseMailBox:
        assert self._box is not None, "entered first"
        return self._box

    def _behind(self, uid: int) -> Sequence[Lying]:
        # Why compared again: `n:*` gives the last mail too, whatever its number is.
        found = sorted(int(one) for one in self._opened.uids(f"UID {uid + 1}:*", charset=None))
        wanted = [one for one in found if one > uid]
        lying = {one: Lying(uid=one, size_bytes=0, arrived_s=0) for one in wanted}
        for begin in range(0, len(wanted), _AT_ONCE):
            some = ",".join(map(str, wanted[begin : begin + _AT_ONCE]))
            _, answers = self._opened.client.uid("FETCH", some, "(UID RFC822.SIZE INTERNALDATE)")
            described = [one for one in map(_lying, answers) if one is not None]
            lying |= {one.uid: one for one in described if one.uid in lying}
        return list(lying.values())

    def _mail(self, uid: int, *, headers_only: bool) -> MailMessage | None:
        mails = self._opened.fetch(uid_list=[str(uid)], mark_seen=False, headers_only=headers_only)
        return next(iter(mails), None)

    def _put_flag(self, flag: str, uids: Sequence[int]) -> None:
        self._opened.folder.set(self._config.folder, readonly=False)
        self._opened.flag([str(uid) for uid in uids], flag, True, chunks=_AT_ONCE)  # noqa: FBT003

    async def _call(self, ask: Callable[[], T]) -> T:
        """Let a thread ask the server.

        Raises:
            SourceDown: It does not answer.
            DocumentError: It refuses the login, or has no such folder.
        """
        config = self._config
        told = {"host": config.host, "user": config.user, "folder": config.folder}
        self._running = asyncio.get_running_loop().run_in_executor(None, ask)
        try:
            return await asyncio.shield(self._running)
        except MailboxLoginError as problem:
            if any(code in repr(problem.command_result).encode() for code in _PASSING):
                raise SourceDown(message("mailbox.not_logged_in", **told)) from None
            raise DocumentError(message("mailbox.not_logged_in", **told)) from None
        except MailboxFolderSelectError:
            raise DocumentError(message("mailbox.no_folder", **told)) from None
        except (ssl.SSLError, imaplib.IMAP4.error, ImapToolsError, OSError) as problem:
            # Why only the kind: what the server said may hold what it was sent.
            kind = str(problem) if isinstance(problem, OSError) else type(problem).__name__
            raise SourceDown(message("mailbox.down", **told, problem=kind)) from None

    async def _close(self) -> None:
        """Close the connection, also under a thread that still asks."""
        self._is_closed = True
        running, self._running = self._running, None
        if running is not None and not running.done():
            if self._box is not None:
                with suppress(OSError):
                    self._box.client.sock.shutdown(socket.SHUT_RDWR)
            running.add_done_callback(_heard)
            await asyncio.wait({running}, timeout=_CLOSE_S)
        if self._box is None:
            return
        box, self._box = self._box, None
        is_idle = running is None or running.done()
        closing = asyncio.get_running_loop().run_in_executor(None, _shut, box, is_idle)
        await asyncio.wait({closing}, timeout=_CLOSE_S)


def _heard(done: asyncio.Future[Any]) -> None:
    """Take what came of a call that nobody waits for."""
    if not done.cancelled():
        done.exception()


def _shut(box: BaseMailBox, is_idle: bool) -> None:  # noqa: FBT001 - called in a thread
    with suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
        if is_idle:
            box.client.sock.settimeout(_CLOSE_S / 2)
            box.logout()
    with suppress(OSError):
        box.client.shutdown()


def _lying(answer: object) -> Lying | None:
    line = answer[0] if isinstance(answer, tuple) else answer
    if not isinstance(line, bytes):
        return None
    uid, size, arrived = _UID.search(line), _SIZE.search(line), _ARRIVED.search(line)
    if uid is None or size is None or arrived is None:
        return None
    when = imaplib.Internaldate2tuple(arrived[0])
    arrived_s = int(time.mktime(when)) if when else 0
    return Lying(uid=int(uid[1]), size_bytes=int(size[1]), arrived_s=arrived_s)
