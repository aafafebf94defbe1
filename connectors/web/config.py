"""What a connector's document says of a web service: an interface described, not programmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, model_validator

from connectors.source import SourceConfig

Pages = Literal["none", "page", "offset", "cursor", "link", "next_url"]
Auth = Literal["none", "basic", "bearer", "header", "oauth2"]
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": ("user", "password"),
    "bearer": ("token",),
    "header": ("token",),
    "oauth2": ("token_url", "client_id", "client_secret"),
}
"""What each way of logging in is not possible without."""


class HttpConfig(SourceConfig):
    """A web service that gives lists of rows as JSON."""

    base_url: str = Field(description="Address that all paths stand under: https://host/api/v1")
    path: str = Field(default="", description="Of the list, below base_url")
    query: Mapping[str, str] = Field(
        default_factory=dict, description="Parameters of every request for rows; no secrets"
    )
    headers: Mapping[str, str] = Field(
        default_factory=dict, description="Headers of every request; no secrets"
    )
    rows: str = Field(
        default="", description="Where rows stand in an answer: data.items; empty: the answer is it"
    )
    total: str | None = Field(
        default=None, description="Where an answer says how many rows there are: meta.total"
    )
    key: str | None = Field(
        default=None,
        description="Field of a row that tells it from others; names its place for people",
    )
    pages: Pages = Field(
        default="none",
        description="How further rows are asked for: page number, offset, cursor or next_url in the"
        " answer (see next), Link header",
    )
    page_parameter: str = Field(
        default="page", description="Parameter for the page's number, the offset or the cursor"
    )
    first_page: int = Field(default=1, description="Number of the first page")
    size_parameter: str | None = Field(
        default=None, description="Parameter that asks for page_size rows"
    )
    page_size: Annotated[int, Field(gt=0)] | None = Field(
        default=None,
        description="Rows of a full page: one with fewer is the last. Left out: an empty one is",
    )
    next: str | None = Field(
        default=None, description="Where an answer has the next cursor or address: meta.next"
    )
    stable_pages: bool | None = Field(
        default=None,
        description="Whether rows keep their pages while others change. Left out: with cursors they"
        " do. Where they do not, lists of several pages are read until two readings agree",
    )
    cursor: str | None = Field(
        default=None, description="Field of a row that grows with each change: updated_at"
    )
    cursor_parameter: str | None = Field(
        default=None, description="Parameter that asks for rows from a value of the cursor on"
    )
    cursor_template: str = Field(
        default="{value}", description="What that parameter is sent: updated_at>={value}"
    )
    cursor_includes_equal: bool = Field(
        default=True, description="Whether rows of that very value come too: >= and not >"
    )
    cursor_start: str | None = Field(
        default=None, description="Value to begin with; left out: the parameter is not sent"
    )
    ordered: bool = Field(
        default=False,
        description="Rows come in the order of the cursor: a long list is read on where it ended",
    )
    overlap: Annotated[float, Field(ge=0)] = Field(
        default=0,
        description="How much earlier rows may still appear: seconds of a moment, or units of a"
        " number",
    )
    since_parameter: str | None = Field(
        default=None, description="Parameter for the beginning of a stretch of history"
    )
    until_parameter: str | None = Field(default=None, description="Parameter for its end")
    auth: Auth = Field(default="none", description="How to log in")
    user: str | None = Field(default=None, description="auth basic: name")
    password: SecretStr | None = Field(default=None, description="auth basic: password")
    token: SecretStr | None = Field(default=None, description="auth bearer and header: the token")
    token_header: str = Field(
        default="X-Api-Key", description="auth header: which header has the token"
    )
    token_url: str | None = Field(
        default=None, description="auth oauth2: address that gives tokens (client credentials)"
    )
    client_id: str | None = Field(default=None, description="auth oauth2: name of this client")
    client_secret: SecretStr | None = Field(default=None, description="auth oauth2: its secret")
    scope: str | None = Field(default=None, description="auth oauth2: what is asked for")
    requests_per_minute: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Requests a minute at most, of all connectors of this process"
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=30, description="How long an answer may take, seconds"
    )
    response_bytes_max: Annotated[int, Field(gt=0)] = Field(
        default=32 * 1024 * 1024, description="How large an answer may be, bytes"
    )
    ca_file: FilePath | None = Field(
        default=None, description="Certificates that the service's is checked by (PEM)"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in ("base_url", "token_url"):
            address = urlsplit(getattr(self, name) or "https://none")
            if address.scheme not in {"http", "https"} or not address.hostname:
                raise ValueError(f"{name} is to be an address that begins with http:// or https://")
            if address.username or address.password:
                raise ValueError(f"{name} is to hold no password: see auth")
        missing = [name for name in _NEEDS.get(self.auth, ()) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"auth {self.auth} needs {', '.join(missing)}")
        if self.pages in {"cursor", "next_url"} and self.next is None:
            raise ValueError(f"pages {self.pages} needs next")
        if self.cursor is not None and self.cursor_parameter is None:
            raise ValueError("cursor needs cursor_parameter")
        if "{value}" not in self.cursor_template:
            raise ValueError("cursor_template is to hold {value}")
        return self

    @property
    def pages_are_stable(self) -> bool:
        """Whether rows keep their pages while others change."""
        if self.stable_pages is not None:
            return self.stable_pages
        return self.pages in {"none", "cursor"}

    @property
    def name(self) -> str:
        """The list's name for people: of the places of its rows."""
        return self.path.strip("/") or urlsplit(self.base_url).path.strip("/") or "list"
