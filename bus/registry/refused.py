"""How a request ends that gets no answer: HTTP status, the registry's code, words for a person."""

from __future__ import annotations

from typing import Final

SUBJECT_NOT_FOUND: Final = 40401
VERSION_NOT_FOUND: Final = 40402
SCHEMA_NOT_FOUND: Final = 40403
INVALID_SCHEMA: Final = 42201
INVALID_VERSION: Final = 42202
NOT_PERMITTED: Final = 42205
_CODES_IN_A_STATUS: Final = 100


class Refused(Exception):
    """A request is refused; the handlers write it as `{"error_code", "message"}`."""

    def __init__(self, code: int, message: str) -> None:
        """Name the reason.

        Args:
            code: The registry's own, whose first three digits are the HTTP status.
            message: Thing, value, expectation, next step.
        """
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """HTTP status, 400 to 599."""
        return self.code if self.code < 600 else self.code // _CODES_IN_A_STATUS  # noqa: PLR2004


def read_only(what: str) -> Refused:
    """Refuse a write, and say how the thing is really done."""
    return Refused(
        NOT_PERMITTED,
        f"{what} can't be written here: schemas come from the region's documents. Put the schema "
        "beside its contract as the next version, run `bus contract publish`, and have the "
        "catalogue applied; then ask for its id again",
    )
