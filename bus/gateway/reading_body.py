"""What is wrong with a body, in words: field and expectation, never a value. Pure."""

from __future__ import annotations

from functools import reduce
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bus.errors import Words
from bus.gateway.problems import Problem
from bus.texts import message

ModelT = TypeVar("ModelT", bound=BaseModel)
_PROBLEMS_MAX = 10


def read_body(body: bytes, model: type[ModelT]) -> ModelT:
    """Read a body as a document.

    Raises:
        Problem: It is none, with every member that is wrong.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        told = [
            message(
                "error.requests.member",
                place=".".join(map(str, one["loc"])) or "-",
                problem=_problem(one["type"], one.get("ctx", {}).get("error")),
            )
            for one in error.errors(include_input=False, include_url=False)[:_PROBLEMS_MAX]
        ]
        why = reduce(
            lambda before, one: message("error.requests.and_member", told=before, one=one), told
        )
        raise Problem(400, "body_unreadable", why=why) from None


def _problem(kind: str, raised: object) -> Words:
    """Say a fault: our own words where the model has some, else pydantic's name of its kind."""
    if isinstance(raised, ValueError) and raised.args and not isinstance(raised.args[0], str):
        words: Words = raised.args[0]
        return words
    return kind
