"""The packages that bring the engines: an extra, for elsewhere the engines are external."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bus.errors import Unavailable


def engine_package(name: str) -> ModuleType:
    """Import a package of the extra `local` when it is needed, not before.

    Raises:
        Unavailable: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as problem:
        raise Unavailable(
            f"package {name} is not installed, which a local engine comes from; run "
            "`pip install 'interagency-bus[local]'`, or name external engines in the settings"
        ) from problem
