"""A real IMAP server on loopback (pymap), whose one mailbox gets tables by mail."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from connectors.kit.twin import CANARY, Twin
from connectors.mail.config import MailboxConfig

SENDER: Final = "registry@schools.example"
_USER: Final = "bus"


class MailboxTwin(Twin):
    """A mailbox; each writing of rows is a mail with one table."""

    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, secured: SSLContext | None = None) -> None:
        """Know of no mail, and listen nowhere.

        Args:
            secured: What connections are secured with.
        """
        super().__init__()
        self._secured = secured
        self._sent = self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._backend: Any = None

    async def __aenter__(self) -> Self:
        # Why here: a library of tests alone.
        from pymap.backend.dict import DictBackend  # noqa: PLC0415

        given = {"host": "127.0.0.1", "port": 0, "debug": False, "cert": None, "key": None}
        more = {"tls": False, "proxy_protocol": None, "passlib_cfg": None, "demo_data": False}
        who = {"demo_user": _USER, "demo_password": CANARY}
        arguments = Namespace(**given, **more, **who)
        self._backend, _ = await DictBackend.init(
            arguments, ssl_context=SSLContext(PROTOCOL_TLS_SERVER), hash_context=_Plain()
        )
        await self.come_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_down()

    @property
    def config(self) -> MailboxConfig:
        """See `Twin.config`."""
        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self._port,
            "security": "none",
            "user": _USER,
            "password": SecretStr(CANARY),
            "from_only": (SENDER,),
        }
        return MailboxConfig.model_validate(given | dict(self.settings))

    async def put(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put`."""
        lines = ["number;name", *(f"{key};{name}" for key, name in rows.items())]
        await self.send(table("\n".join(lines).encode()))
        self.rows.update({key: {"number": key, "name": name} for key, name in rows.items()})

    async def put_together(self, rows: Mapping[str, str]) -> None:
        """See `Twin.put_together`."""
        await self.put(rows)

    async def spoil(self, key: str) -> None:
        """See `Twin.spoil`: a row with a cell too many."""
        await self.send(table(f"number;name\n{key};x;y\n".encode()))

    async def mend(self, key: str, name: str) -> None:
        """See `Twin.mend`."""
        await self.put({key: name})

    async def drift(self) -> None:
        """See `Twin.drift`."""
        await self.send(table(b"number;kind\nd-1;x\n"))

    async def stir(self) -> None:
        """See `Twin.stir`: somebody writes whose mails are not read."""
        mail = EmailMessage()
        mail["From"] = "stranger@elsewhere.example"
        mail.set_content("Hello")
        await self.send(mail)

    async def send(self, mail: EmailMessage) -> None:
        """Put a mail into the mailbox."""
        from pymap.parsing.message import AppendMessage  # noqa: PLC0415 - see above

        self._sent += 1
        if "From" not in mail:
            mail["From"] = f"Registry of schools <{SENDER}>"
        if "Message-ID" not in mail:
            mail["Message-ID"] = f"<{self._sent}@schools.example>"
        mail["Subject"] = "Schools"
        now = datetime(2026, 1, 5, 9, 0, self._sent % 60, tzinfo=UTC)
        async with self._backend.login.demo_user_identity.new_session() as session:
            folder = await session.mailbox_set.get_mailbox("INBOX")
            await folder.append(AppendMessage(mail.as_bytes(), now, frozenset()))

    async def number_anew(self) -> None:
        """Number all mails anew, as a server does that is restored."""
        async with self._backend.login.demo_user_identity.new_session() as session:
            folder = await session.mailbox_set.get_mailbox("INBOX")
            folder._uid_validity += 1  # noqa: SLF001 - pymap offers no other way

    async def flags(self) -> list[set[str]]:
        """Tell the flags of each mail."""
        async with self._backend.login.demo_user_identity.new_session() as session:
            folder = await session.mailbox_set.get_mailbox("INBOX")
            return [{str(flag) for flag in one.permanent_flags} async for one in folder.messages()]

    async def go_down(self) -> None:
        """See `Twin.go_down`."""
        if self._server is None:
            return
        self._server.close()
        for writer in self._connections:
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None
        while self._connections:  # noqa: ASYNC110 - the library tells nobody
            await asyncio.sleep(0.005)

    async def come_up(self) -> None:
        """See `Twin.come_up`."""
        from proxyprotocol.sock import SocketInfoLocal  # noqa: PLC0415 - see above
        from pymap.imap import IMAPServer  # noqa: PLC0415 - see above

        self._backend.config.apply_context()
        answer = IMAPServer(self._backend.login, self._backend.config)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.add(writer)
            try:
                with suppress(ConnectionError):
                    who = SocketInfoLocal(writer, unique_id=os.urandom(8))
                    await answer(reader, writer, who)
            finally:
                writer.close()
                self._connections.discard(writer)

        self._server = await asyncio.start_server(
            connected, "127.0.0.1", self._port, ssl=self._secured
        )
        self._port = self._server.sockets[0].getsockname()[1]


class _Plain:
    """Keeps passwords as they are: hashing one takes longer than reading all mails of a test."""

    def copy(self, **_: object) -> Self:
        """See pymap."""
        return self

    def hash(self, value: str) -> str:
        """See pymap."""
        return value

    def verify(self, value: str, digest: str) -> bool:
        """See pymap."""
        return value == digest


def table(content: bytes, name: str = "школы.csv") -> EmailMessage:
    """Make a mail that brings a table."""
    mail = EmailMessage()
    mail.set_content("See the attachment.")
    mail.add_attachment(content, maintype="text", subtype="csv", filename=name)
    return mail
