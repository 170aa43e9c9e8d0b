"""Reviews that are made once, and a browser to look at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.review.browser import Browser
from tests.review.subjects import (
    ENVIRONMENTS,
    GOLDEN,
    HERE,
    STRANGE,
    figures,
    golden,
    planted,
    reviewed,
)
from ultracluster.review.page.pages import html
from ultracluster.style_sheet import picture_style


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give a browser; it is only asked for by tests that are marked as needing one."""
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return pages: each environment, a stranger's template, and many dangerous changes."""
    folder = tmp_path_factory.mktemp("pages")
    reviews = {name: reviewed(golden(name), "golden") for name in ENVIRONMENTS}
    reviews["foreign"] = reviewed([str(HERE / "foreign.yaml")])
    reviews["changed"] = reviewed(planted(folder), str(GOLDEN / "ultracluster"))
    for name, made in reviews.items():
        (folder / f"{name}.html").write_text(html(made))
    return {name: folder / f"{name}.html" for name in reviews}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page with the pictures of all strange templates."""
    folder = tmp_path_factory.mktemp("strange")
    drawn = [
        figure.inline
        for name, resources in STRANGE.items()
        for figure in figures(folder / f"{name}.json", {"Resources": resources})
    ]
    page = folder / "strange.html"
    style = f"<style>{picture_style()}body{{margin:16px}}</style>"
    page.write_text(f"<!doctype html><meta charset=utf-8>{style}{''.join(drawn)}")
    return page
