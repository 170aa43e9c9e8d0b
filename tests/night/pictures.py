"""The night's dashboards: pages to look at while it goes on, and the pictures of the docs."""

from pathlib import Path
from typing import Final

from tests.night.cluster import ENVIRONMENT
from tests.repository import ROOT
from tests.review.browser import Browser
from ultracluster.dashboards.command import dashboards, draw
from ultracluster.prometheus import source

PAGES: Final = ROOT / "build" / "night"
PICTURES: Final = ROOT / "docs" / "operate"
SHOWN: Final = {"cluster": 1150, "job": 1420}
"""Dashboards of which the docs have pictures, and how high these are."""


def draw_pages(url: str, since: float, until: float) -> None:
    """Draw every dashboard between two Unix times, from the Prometheus at an address."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for each in dashboards():
        text = draw(each, ENVIRONMENT, source(url, "", None), since, until)
        (PAGES / f"{each.name}.html").write_text(text)


def take_pictures(profile: Path) -> None:
    """Write the pictures of the pages that were drawn last."""
    browser = Browser(profile)
    for name, height in SHOWN.items():
        page = browser.open(PAGES / f"{name}.html")
        page.picture(PICTURES / f"night-{name}.webp", 1280, height)
    browser.close()
