"""What the gateway answers when it can't do what was asked: a code, what is wrong, what to do."""

from __future__ import annotations

from typing import Final

from bus.texts import Language, message

RETRY_AFTER_S: Final = 2
"""What a client that is told to try again is told to wait."""


class Problem(Exception):
    """An answer in place of what was asked for; its words stand in `bus/texts/catalogue.yaml`."""

    def __init__(self, status: int, code: str, **values: object) -> None:
        """Choose the answer.

        Args:
            status: Of HTTP.
            code: For programs, and the key of its words: `gateway.<code>`.
            values: Put into the words.
        """
        super().__init__(code)
        self.status = status
        self.code = code
        self._values = values

    def content(self, language: Language) -> dict[str, object]:
        """Write it for the answer's body."""
        return {
            "code": self.code,
            # Why beside the code: clients of a schema registry look for a number.
            "error_code": self.status,
            "message": message(f"gateway.{self.code}", **self._values).spoken(language),
            "next_step": message(f"gateway.{self.code}.next").spoken(language),
        }
