"""What a kind of source or sink is told in its connector's document: a line for each setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of a configuration."""

    name: str
    type: str
    is_required: bool
    default: str
    says: str
    """From the field's own docstring or description; empty: it has none."""


def described(config: type[BaseModel]) -> Sequence[Setting]:
    """Describe the configuration of a kind, in the order in which it is declared."""
    found = []
    for name, field in config.model_fields.items():
        annotation = field.annotation
        kind = getattr(annotation, "__name__", None) or str(annotation)
        is_secret = annotation is SecretStr
        shown = "" if field.is_required() or is_secret else repr(field.get_default())
        found.append(
            Setting(
                name=name,
                type="secret" if is_secret else kind,
                is_required=field.is_required(),
                default=shown,
                says=field.description or "",
            )
        )
    return found
