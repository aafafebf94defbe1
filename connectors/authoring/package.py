"""A package of an author's own: a source that runs, its twin, and the test that proves it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from bus.errors import DocumentError
from connectors.texts import message

_TEMPLATES: Final = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "readme.md.txt",
    "{module}/__init__.py": "init.py.txt",
    "{module}/source.py": "source.py.txt",
    "{module}/twin.py": "twin.py.txt",
    "tests/test_conforms.py": "test_conforms.py.txt",
}


def write_package(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a package with a source that reads a table in SQLite.

    Args:
        name: Of the kind of source: `school-register`.
        folder: Where it is to lie; made, and empty.

    Returns: The files written.

    Raises:
        DocumentError: There is something in the folder.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DocumentError(message("connector.folder_taken", folder=folder))
    names = {
        "name": name,
        "module": name.replace("-", "_"),
        "class_name": "".join(part.capitalize() for part in name.split("-")),
    }
    written = []
    for target, template in _TEMPLATES.items():
        text = files("connectors.authoring").joinpath("templates", template)
        path = folder / target.format(**names)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text.read_text(encoding="utf-8")
        for key, value in names.items():
            content = content.replace(f"@{key}@", value)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return tuple(written)
