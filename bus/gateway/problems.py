"""What the gateway answers when it can't do what was asked: a code, what is wrong, what to do.

Source: RFC 9457 (problem documents).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bus.errors import Finding, say
from bus.texts import Language, message

RETRY_AFTER_S: Final = 2
"""What a client that is told to try again is told to wait."""
MEDIA_TYPE: Final = "application/problem+json"
_ERRORS_MAX: Final = 100
_TRY_AGAIN: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class WrongPart(BaseModel):
    """One part of a request that is not as it has to be; never with its value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="place in the body or the query, parts joined by dots")
    found: str
    expected: str
    remedy: str | None = Field(default=None, description="what to do about it, where it is known")


class ProblemDocument(BaseModel):
    """A problem (RFC 9457), with the code that programs go by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(description="`urn:bus:problem:<code>`")
    title: str
    status: int
    detail: str = Field(description="what is wrong, in Russian or English by Accept-Language")
    code: str
    next_step: str = Field(description="what to do about it")
    errors: list[WrongPart] | None = Field(default=None, description="every part that is wrong")
    error_code: int = Field(description="the status again, where registry clients look for it")
    message: str = Field(description="the detail again, where registry clients look for it")


class Problem(Exception):
    """An answer in place of what was asked for; its words stand in `bus/texts/catalogue.yaml`."""

    def __init__(
        self,
        status: int,
        code: str,
        *,
        findings: Sequence[Finding] = (),
        retry_after_s: int = RETRY_AFTER_S,
        **values: object,
    ) -> None:
        """Choose the answer.

        Args:
            status: Of HTTP.
            code: For programs, and the key of its words: `gateway.<code>`.
            findings: What is wrong with which part of the request; without values.
            retry_after_s: What a client waits, where the status tells it to try again.
            values: Put into the words.
        """
        super().__init__(code)
        self.status = status
        self.code = code
        self.findings = findings
        self.retry_after_s = retry_after_s
        self._values = values

    def content(self, language: Language) -> dict[str, object]:
        """Write it for the answer's body."""
        detail = message(f"gateway.{self.code}", **self._values).spoken(language)
        document = ProblemDocument(
            type=f"urn:bus:problem:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=detail,
            code=self.code,
            next_step=message(f"gateway.{self.code}.next", **self._values).spoken(language),
            errors=[
                WrongPart(
                    path=one.path,
                    found=say(one.found, language),
                    expected=say(one.expected, language),
                    remedy=say(one.remedy, language) or None,
                )
                for one in self.findings[:_ERRORS_MAX]
            ]
            or None,
            error_code=self.status,
            message=detail,
        )
        return document.model_dump(exclude_none=True)

    def answer(self, language: Language) -> web.Response:
        """Make the answer."""
        again = {"Retry-After": str(self.retry_after_s)} if self.status in _TRY_AGAIN else None
        text = json.dumps(self.content(language), ensure_ascii=False)
        return web.Response(status=self.status, text=text, content_type=MEDIA_TYPE, headers=again)


def language_of(accept_language: str) -> Language:
    """Choose the language of an answer by header `Accept-Language`."""
    return Language.RU if accept_language.lower().startswith("ru") else Language.EN
