"""XML with one repeating element a row, read element by element; entities and DTDs stay closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from connectors.source import Bad, Cell, Row
from connectors.sources.formats.found import Found, Rows, Unreadable
from connectors.sources.formats.options import FileOptions
from connectors.texts import message

_ELEMENTS_OF_A_ROW_MAX: Final = 10_000
_RAW_CHARACTERS_MAX: Final = 50_000


def read_xml(path: Path, name: str, options: FileOptions) -> Rows:
    """Read each row's element: its attributes as `@name`, what stands in it by its path.

    `<org code="1"><name>N</name><at><city>C</city></at></org>` is `@code`, `name` and `at/city`;
    an element that comes several times is a list, of texts or of objects.

    Raises:
        Unreadable: It declares entities, or is no XML from the start.
    """
    with path.open("rb") as file:
        reading = etree.iterparse(
            file,
            events=("start", "end"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        number = 0
        try:
            for row in _elements(reading, options.row_element):
                number += 1
                yield _found(row, f"{name}:{number}")
        except etree.XMLSyntaxError as problem:
            why = message("folder.xml_broken", problem=problem.msg, rows=number)
            if not number:
                raise Unreadable(why) from problem
            yield Bad(raw="", why=why, place=f"{name}:{number + 1}")
            return
        if not number and options.row_element:
            raise Unreadable(message("folder.xml_no_row", element=options.row_element))


def _elements(reading: Any, wanted: str | None) -> Iterator[Any]:  # noqa: ANN401 - lxml has no types
    """Give each element that is a row, and let go of everything else as soon as it is read."""
    depth, row_depth, inside = 0, 0, 0
    for event, element in reading:
        if event == "start":
            if depth == 0:
                _refuse_entities(element)
            depth += 1
            inside += bool(row_depth)
            if inside > _ELEMENTS_OF_A_ROW_MAX:
                raise Unreadable(message("folder.xml_wide", elements=_ELEMENTS_OF_A_ROW_MAX))
            is_row = depth == 2 if wanted is None else _local(element) == wanted  # noqa: PLR2004 - a child of the root
            if not row_depth and is_row:
                row_depth, inside = depth, 0
            continue
        if depth == row_depth:
            yield element
            row_depth = 0
        depth -= 1
        if not row_depth:
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]


def _refuse_entities(root: Any) -> None:  # noqa: ANN401 - lxml has no types
    """Refuse entities of its own: unfolded they may fill the memory, left alone they are lost."""
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise Unreadable(message("folder.xml_entities"))


def _found(element: Any, place: str) -> Found:  # noqa: ANN401 - lxml has no types
    cells: dict[str, Cell] = {}
    _flatten(_value(element), "", cells)
    if not any(cell is not None for cell in cells.values()):
        raw = etree.tostring(element, encoding="unicode", with_tail=False)
        return Bad(raw=raw[:_RAW_CHARACTERS_MAX], why=message("folder.xml_empty"), place=place)
    return Row(cells, place=place)


def _value(element: Any) -> str | dict[str, object] | None:  # noqa: ANN401 - lxml has no types
    text = (element.text or "").strip() or None
    if not element.attrib and not len(element):
        return text
    found: dict[str, object] = {
        f"@{etree.QName(key).localname}": value.strip() or None
        for key, value in element.attrib.items()
    }
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name, value = _local(child), _value(child)
        before = found.get(name)
        if name not in found:
            found[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[name] = [before, value]
    if text is not None:
        found["#text"] = text
    return found


def _flatten(value: object, path: str, cells: dict[str, Cell]) -> None:
    if not isinstance(value, dict):
        cells[path or "#text"] = value  # type: ignore[assignment]  # text, list or nothing
        return
    for name, inner in value.items():
        _flatten(inner, f"{path}/{name}" if path else name, cells)


def _local(element: Any) -> str:  # noqa: ANN401 - lxml has no types
    return str(etree.QName(element).localname)
