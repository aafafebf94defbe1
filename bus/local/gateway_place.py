"""Where the gateway of a home listens: a port chosen once, so that systems find it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bus.errors import DocumentError
from bus.local.choices import LOOPBACK, free_port, is_free
from bus.local.layout import Layout
from bus.local.private_files import READABLE_FILE, READABLE_FOLDER, make_folder, write_file
from bus.texts import message


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPlace:
    """The address of a home's gateway; no secret inside."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Without a path."""
        return f"https://{self.host}:{self.port}"


_PLACE = TypeAdapter(GatewayPlace)


def read_gateway_place(home: Path) -> GatewayPlace | None:
    """Tell where a home's gateway listens; None where none was ever started.

    Raises:
        DocumentError: The file is there and damaged.
    """
    path = Layout.of(home).gateway_file
    try:
        return _PLACE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DocumentError(
            message("error.local.gateway_place_unreadable", path=path, problem=error)
        ) from error


def choose_gateway_place(home: Path) -> GatewayPlace:
    """Keep the port of before where it is free, else choose another, and publish it."""
    layout = Layout.of(home)
    known = read_gateway_place(home)
    if known is not None and is_free(known.port):
        return known
    place = GatewayPlace(host=LOOPBACK, port=free_port())
    make_folder(layout.run, mode=READABLE_FOLDER)
    write_file(layout.gateway_file, _PLACE.dump_json(place).decode(), mode=READABLE_FILE)
    return place
