"""The packages that bring the engines: an extra, for elsewhere the engines are external."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bus.errors import Unavailable
from bus.texts import message


def engine_package(name: str) -> ModuleType:
    """Import a package of the extra `local` when it is needed, not before.

    Raises:
        Unavailable: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as problem:
        raise Unavailable(message("error.local.package_missing", package=name)) from problem
