"""Pages of contracts in a real browser: no barriers, at any width, with nothing loaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Request, sync_playwright

from bus.catalogue.documents import read_documents
from bus.catalogue.region import region_of
from bus.catalogue.sources import read_sources
from bus.contract_pages.description import describe_contract
from bus.contract_pages.rendering import render_pages
from tests.factories import ROOT, approved, noon

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = ("index.html", "ru/index.html", "ru/births.html", "en/service-centres.html")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = approved(read_documents(ROOT / "deploy/samara/region.yaml", None))
    sources = read_sources(documents)
    region = region_of(sources)
    contracts = [
        describe_contract(source, region, noon(date(2026, 7, 1))) for source in sources.contracts
    ]
    out = tmp_path_factory.mktemp("pages")
    for path, content in render_pages(contracts, region.name).items():
        (out / path).parent.mkdir(exist_ok=True)
        (out / path).write_text(content, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_barriers_and_load_nothing(
    browser: Browser, folder: Path, scheme: str
) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    said: list[str] = []
    asked: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("console", hear)
    page.on("request", note)
    for path in PAGES:
        page.goto((folder / path).as_uri())
        found = Axe().run(page).response["violations"]
        assert [(path, barrier["id"], barrier["nodes"][0]["html"]) for barrier in found] == []
    assert said == []
    assert asked == [(folder / path).as_uri() for path in PAGES]
    page.close()


def test_pages_fit_a_narrow_screen_and_are_reached_by_keyboard(
    browser: Browser, folder: Path
) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 640})
    for path in PAGES:
        page.goto((folder / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    page.close()
