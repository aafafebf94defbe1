"""Logging in to a web service; what is secret is sent to the service itself and to nobody else."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import aiohttp
from pydantic import SecretStr

from bus.errors import DocumentError
from connectors.source import SourceDown
from connectors.texts import message
from connectors.web.config import HttpConfig

_EARLY_S: Final = 30.0
"""How long before its end a token is renewed, or a fifth of its time where that is less."""
_LASTS_S: Final = 300.0
"""How long a token is taken to last whose server does not say."""
_REFUSED: Final = range(400, 500)
_MAY_PASS: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    renew_at_s: float


_TOKENS: Final[dict[str, _Token]] = {}
"""Why of the process: a source is made anew for each reading, and a login outlives many."""


class Login:
    """The header that a service knows us by."""

    def __init__(self, config: HttpConfig) -> None:
        """Take the configuration."""
        self._config = config
        secret = _secret(config.client_secret)
        parts = (config.token_url, config.client_id, secret, config.scope)
        self._name = sha256(repr(parts).encode()).hexdigest()

    async def headers(self, session: aiohttp.ClientSession) -> dict[str, str]:
        """Give what goes with each request.

        Raises:
            SourceDown: No token is to be had now.
            DocumentError: The client is refused.
        """
        config = self._config
        match config.auth:
            case "basic":
                auth = aiohttp.encode_basic_auth(
                    config.user or "", _secret(config.password), "utf-8"
                )
                return {"Authorization": auth}
            case "bearer":
                return {"Authorization": f"Bearer {_secret(config.token)}"}
            case "header":
                return {config.token_header: _secret(config.token)}
            case "oauth2":
                return {"Authorization": f"Bearer {await self._token(session)}"}
            case "none":
                return {}

    def forget(self) -> bool:
        """Forget a token that was refused; tell whether another one may be had."""
        return _TOKENS.pop(self._name, None) is not None

    async def _token(self, session: aiohttp.ClientSession) -> str:
        token = _TOKENS.get(self._name)
        if token is None or token.renew_at_s <= time.monotonic():
            token = _TOKENS[self._name] = await self._new_token(session)
        return token.value

    async def _new_token(self, session: aiohttp.ClientSession) -> _Token:
        config = self._config
        form = {"grant_type": "client_credentials"}
        if config.scope:
            form["scope"] = config.scope
        auth = aiohttp.encode_basic_auth(
            config.client_id or "", _secret(config.client_secret), "utf-8"
        )
        async with session.post(
            config.token_url or "",
            data=form,
            headers={"Authorization": auth, "Accept": "application/json"},
            allow_redirects=False,
        ) as answer:
            told = {"url": config.token_url, "status": answer.status}
            if answer.status in _REFUSED and answer.status not in _MAY_PASS:
                raise DocumentError(message("http.no_token", **told))
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise SourceDown(message("http.no_token", **told))
            try:
                said = await answer.json(content_type=None)
                lasts_s = float(said.get("expires_in") or _LASTS_S)
                value = str(said["access_token"])
            except (ValueError, TypeError, KeyError, AttributeError):
                raise SourceDown(message("http.no_token", **told)) from None
        early_s = min(_EARLY_S, lasts_s / 5)
        return _Token(value, time.monotonic() + lasts_s - early_s)


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
