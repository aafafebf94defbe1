"""What a connector's document says of a mailbox."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FilePath, SecretStr

from bus.client import TableOptions
from connectors.source import SourceConfig


class MailboxConfig(SourceConfig):
    """A mailbox on an IMAP server, and which of its mails are read."""

    host: str = Field(description="Name of the IMAP server")
    user: str = Field(description="Name of the mailbox's user")
    password: SecretStr = Field(description="The user's password, or one for this program alone")
    port: Annotated[int, Field(gt=0, le=65535)] | None = Field(
        default=None, description="Left out: 993 with tls, else 143"
    )
    security: Literal["tls", "starttls", "none"] = Field(
        default="tls", description="How the connection is kept secret; none: on loopback only"
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the server's is checked by (PEM)"
    )
    folder: str = Field(default="INBOX", description="Folder of the mailbox that is read")
    from_only: tuple[str, ...] = Field(
        default=(),
        description="Senders whose mails are read: addresses, or @domain. Empty: all. A sender's"
        " address can be forged: let the mail server check it",
    )
    files: tuple[str, ...] = Field(
        default=("*.csv", "*.tsv", "*.txt", "*.jsonl", "*.xlsx", "*.xls"),
        description="Patterns of the names of attachments that are tables, letter case aside",
    )
    encoding: str | None = Field(default=None, description="Of the tables; left out: detected")
    delimiter: str | None = Field(default=None, description="Of the tables; left out: detected")
    sheet: str | None = Field(default=None, description="Of workbooks; left out: the first")
    skip_rows: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="Rows above the header"
    )
    mail_bytes_max: Annotated[int, Field(gt=0)] = Field(
        default=32 * 1024 * 1024, description="How large a mail may be that is read, bytes"
    )
    attachments_max: Annotated[int, Field(gt=0)] = Field(
        default=50, description="How many tables a mail may bring"
    )
    flag: str | None = Field(
        default=None,
        description=r"Set on a mail whose rows are on the bus: \Seen, or a word such as OnTheBus."
        " Left out: the mailbox is not changed",
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=30, description="How long the server may take for one answer, seconds"
    )

    @property
    def table_options(self) -> TableOptions:
        """What is said of the tables.

        Raises:
            ValidationError: Nothing that a table can be.
        """
        stated = {"encoding": self.encoding, "delimiter": self.delimiter, "sheet": self.sheet}
        given = {name: value for name, value in stated.items() if value is not None}
        return TableOptions.model_validate({**given, "skip_rows": self.skip_rows})
