"""How pages are looked at, and when one is there."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

Opening = Callable[..., Page]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True},
}


def ready(page: Page, charts: int = 0) -> None:
    """Wait until the page and its charts are there."""
    page.wait_for_function("document.querySelector('main').dataset.shown === location.hash")
    expect(page.locator("main h2, main .tiles").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("object HTML")
    expect(page.locator("main .error")).to_have_count(0)
    if charts:
        expect(page.locator(".chart svg")).to_have_count(charts)
