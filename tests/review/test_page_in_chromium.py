"""The page as a browser shows, reads and prints it."""

import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pypdf
import pytest

from tests.review.browser import Browser, Page, Theme
from tests.review.subjects import ROOT, golden, reviewed
from ultracluster.accept.report import table
from ultracluster.cli import main
from ultracluster.review.changes.change import Danger
from ultracluster.review.page.pages import html
from ultracluster.review.three_ways import ThreeWays
from ultracluster.style_sheet import html_page
from ultracluster.waste.command import page as waste
from ultracluster.waste.usage import JobUse, Usage

pytestmark = pytest.mark.needs("chromium")

HERE = Path(__file__).parent
OVERLAP = (HERE / "overlap.js").read_text()
CLIPPED = (HERE / "clipped.js").read_text()
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text
NAMES = ("dev", "staging", "ultracluster", "foreign", "changed")
THEMES: tuple[Theme, ...] = ("light", "dark")
A4_PIXELS = 688
"""Width of A4 within margins of 14 mm, at 96 pixels an inch."""


@pytest.fixture
def shown(browser: Browser, pages: dict[str, Path], request: pytest.FixtureRequest):
    """Give the page that a test names."""
    page = browser.open(pages[request.param])
    yield page
    page.close()


every = pytest.mark.parametrize("shown", NAMES, indirect=True)
one = pytest.mark.parametrize("shown", ["changed"], indirect=True)


@every
def test_it_asks_nobody_for_anything(shown: Page):
    """A reviewer opens it behind a firewall, from a mail; and what it says must not leave."""
    asked = shown.requests()

    assert len(asked) == 1
    assert asked[0].startswith("file://")
    assert shown.complaints() == []
    assert shown.run("document.scripts.length") == 0


@every
def test_every_link_leads_somewhere(shown: Page):
    """A link that does nothing makes a reader doubt the rest."""
    targets = shown.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    there = shown.run("[...document.querySelectorAll('[id]')].map(e => e.id)")

    assert len(targets) >= 7
    assert [t for t in targets if not t.startswith("#") or t[1:] not in there] == []
    assert len(there) == len(set(there))


@every
def test_nothing_lies_on_anything_and_nothing_is_cut(shown: Page):
    """What cannot be read was not said: on a laptop, beside another window, on a telephone."""
    for width in (1280, 800, 390):
        shown.resize(width)
        assert shown.run(OVERLAP) == [], width
        assert shown.run(CLIPPED) == [], width


@one
def test_on_a_telephone_the_picture_scrolls_in_its_own_box(shown: Page):
    """Letters that shrink with the screen are not read; a page that scrolls both ways is worse."""
    shown.resize(390)
    box, picture, letters = shown.run(
        "(() => { const box = document.querySelector('#picture .wide');"
        "const svg = box.querySelector('svg'), texts = [...svg.querySelectorAll('text')];"
        "return [box.scrollWidth > box.clientWidth, svg.getBoundingClientRect().width,"
        "Math.min(...texts.map(t => t.getBoundingClientRect().height))]; })()"
    )

    assert box is True
    assert picture > 850
    assert letters >= 10
    assert shown.run("scrollTo(500, 0), scrollX") == 0


@pytest.mark.parametrize(
    ("shown", "order"),
    [
        ("changed", ["changes", "picture", "findings", "access", "security", "numbers"]),
        ("dev", ["picture", "changes", "findings", "access", "security", "numbers"]),
    ],
    indirect=["shown"],
)
def test_what_changes_stands_first(shown: Page, order: list[str]):
    """A reviewer opens the page for the change; where there is none, for the picture."""
    assert shown.run("[...document.querySelectorAll('main > section')].map(s => s.id)") == order
    assert len(shown.run("[...document.querySelectorAll('.facts dt')].map(d => d.innerText)")) == 2


@one
def test_changed_boxes_are_marked_by_sign_and_colour(shown: Page):
    """Who sees no red still finds them; the legend says what the sign means."""
    marked = shown.run(
        "[...document.querySelectorAll('.topology rect.box.changed')].map(r => "
        "[r.parentElement.querySelector('title').textContent,"
        "[...r.parentElement.querySelectorAll('text')].map(t => t.textContent)"
        ".filter(t => t.startsWith('▲')), getComputedStyle(r).stroke])"
    )
    plain = shown.run("getComputedStyle(document.querySelector('.topology rect.vpc')).stroke")

    assert {title for title, _, _ in marked} >= {"516 × p4d.24xlarge", "1 × m6i.xlarge"}
    assert all(signs and colour != plain for _, signs, colour in marked)
    texts = shown.run("[...document.querySelectorAll('.topology text')].map(t => t.textContent)")
    assert {"Legend", "▲ changed", "fabric: members exchange everything"} <= set(texts)
    assert "▲ reduces capacity: 256 reserved by capacity reservation Placement/Reservation" in texts


@pytest.mark.parametrize("width", [1280, 800])
def test_pictures_of_strange_templates_hold(browser: Browser, pictures: Path, width: int):
    """40 subnets, huge names, none at all: the layout is one for inputs that nobody foresaw."""
    page = browser.open(pictures, width=width)

    assert page.run("document.querySelectorAll('svg.topology').length") >= 15
    assert page.run(OVERLAP) == []
    assert page.complaints() == []
    page.close()


def test_the_overlap_check_sees_an_overlap(browser: Browser, pictures: Path):
    """A check that nothing can fail is no check."""
    page = browser.open(pictures)
    page.run("document.querySelectorAll('svg.topology text').forEach(t => t.setAttribute('x', 30))")

    assert page.run(OVERLAP)
    page.close()


@one
def test_it_is_read_by_keyboard_alone(shown: Page):
    """The first key skips what stands on every page; focus is seen wherever it is."""
    seen = []
    for _ in range(8):
        shown.press("Tab")
        seen.append(
            shown.run(
                "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                "const r = e.getBoundingClientRect();"
                "return [e.textContent.trim(), s.outlineStyle, parseFloat(s.outlineWidth),"
                "r.left >= 0 && r.right <= innerWidth]; })()"
            )
        )

    names = [re.sub(r"\s+\d+$", "", name) for name, *_ in seen]
    assert names[0] == "Skip to the review"
    assert names[1:7] == ["Changes", "Picture", "Findings", "Access", "Security groups", "Numbers"]
    assert all(style != "none" and width >= 2 and inside for _, style, width, inside in seen)
    for _ in range(20):
        if shown.run("document.activeElement.tagName") == "SUMMARY":
            break
        shown.press("Tab")
    assert shown.run("document.activeElement.textContent") == "The picture in words"
    shown.press("Enter")
    assert shown.run("document.querySelector('details').open") is True


@one
def test_the_skip_link_skips(shown: Page):
    """After it, the next key is within the review."""
    shown.press("Tab")
    shown.press("Enter")

    assert shown.run("document.activeElement.id") == "main"


@every
def test_a_screen_reader_hears_its_structure(shown: Page):
    """Landmarks, headings without gaps, a name for every picture and table."""
    nodes = shown.ask("Accessibility.getFullAXTree")["nodes"]
    heard = [
        (n["role"]["value"], n.get("name", {}).get("value", ""), n.get("properties", []))
        for n in nodes
        if not n["ignored"]
    ]
    roles = [role for role, _, _ in heard]

    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    levels = [
        next(p["value"]["value"] for p in properties if p["name"] == "level")
        for role, _, properties in heard
        if role == "heading"
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    named = [(role, name) for role, name, _ in heard if role in ("image", "table", "region")]
    assert {"image", "table"} <= {role for role, _ in named}
    assert [pair for pair in named if not pair[1]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["changed", "foreign"])
def test_axe_finds_nothing(browser: Browser, pages: dict[str, Path], name: str, theme: Theme):
    """axe-core holds WCAG 2.2 AA, contrast among it, in both themes."""
    page = browser.open(pages[name], theme=theme)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")

    assert violations(page) == []
    page.close()


def violations(page: Page) -> list[object]:
    """Return what axe-core finds."""
    page.run(AXE())
    tags = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']"
    return page.run(
        f"axe.run(document, {{runOnly: {tags}}}).then(r => r.violations.map(v => "
        "[v.id, v.nodes.slice(0, 3).map(n => n.html + n.failureSummary)]))"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_of_pictures_have_contrast(browser: Browser, pages: dict[str, Path], theme: Theme):
    """Axe does not look into SVG: each text is held against the box under it, at 4.5 to 1."""
    page = browser.open(pages["changed"], theme=theme)

    assert page.run((HERE / "contrast.js").read_text()) == []
    page.close()


def test_the_page_of_a_plan_has_the_same_style(browser: Browser, tmp_path: Path):
    """Both are mailed and read on a telephone, by day and by night."""
    path = tmp_path / "plan.html"
    model = ["--parameters", "7e9", "--tokens", "1e11", "--nodes", "4"]
    assert main(["plan", *model, "--html", str(path)]) == 0
    grounds = []
    for theme in THEMES:
        page = browser.open(path, width=390, theme=theme)
        assert page.run("document.documentElement.scrollWidth") == 390
        assert page.run("document.querySelectorAll('svg.chart, .bars, td.bar').length") >= 4
        assert page.complaints() == []
        assert violations(page) == []
        grounds.append(page.run("getComputedStyle(document.body).backgroundColor"))
        page.close()

    assert grounds == ["rgb(255, 255, 255)", "rgb(17, 22, 28)"]


def _waste() -> str:
    use = JobUse("7", "ada", Decimal(8), Decimal(1), Decimal("0.5"))
    nobody = Usage(Decimal(24), (), Decimal(0), Decimal(0), (use,))
    return waste("ultracluster", "7d", nobody)


def _acceptance() -> str:
    row = dict.fromkeys(("step", "expected", "measured"), f"{'/var/log/' * 9}x") | {
        "stage": "login",
        "verdict": "pass",
        "commands": [f"aws s3api head-object --key {'a' * 90}"],
    }
    names = ("stage", "step", "verdict", "expected", "measured")
    return html_page("Acceptance", f"<h2>Steps</h2>{table(names, [row])}")


def _delivery() -> str:
    made = reviewed(golden("dev"), "golden")
    way = ThreeWays(Danger.LOSES_DATA, "dev/Network/FlowLogGroup", "RetentionInDays", 60, 7, 3, "x")
    return html(replace(made, ways=[way]))


@pytest.mark.parametrize("page_of", [_waste, _acceptance, _delivery])
def test_other_pages_are_read_on_a_telephone_and_on_paper(
    browser: Browser, page_of: Callable[[], str], tmp_path: Path
):
    """Each cell below a heading, or with the name of its column before it, and never both."""
    path = tmp_path / "page.html"
    path.write_text(page_of())
    page = browser.open(path, width=390)
    assert page.run(CLIPPED) == []
    assert violations(page) == []
    labels = page.run("document.querySelectorAll('td .narrow').length")
    shown = page.run(
        "[...document.querySelectorAll('td .narrow')]"
        ".filter(e => getComputedStyle(e).display !== 'none').length"
    )
    hidden = page.run("getComputedStyle(document.querySelector('thead')).position") == "absolute"
    assert (shown == labels > 0) is hidden
    page.media("print")
    page.resize(A4_PIXELS)
    assert page.run(CLIPPED) == []
    page.close()


@pytest.mark.parametrize("shown", ["staging", "ultracluster", "foreign", "changed"], indirect=True)
def test_it_prints(shown: Page):
    """A reviewer prints it: on A4, in ink on white, every section and row of it."""
    shown.media("print", "dark")
    shown.resize(A4_PIXELS)
    assert shown.run(CLIPPED) == []
    assert shown.run("getComputedStyle(document.body).color") == "rgb(26, 33, 43)"
    rows = shown.run(
        "[...document.querySelectorAll('main tr:last-child')]"
        ".map(r => (r.querySelector('.what') || r.cells[0]).innerText)"
    )
    headings = shown.run("[...document.querySelectorAll('h1,h2')].map(h => h.innerText)")
    tall = shown.run(
        "Math.max(...[...document.querySelectorAll('svg')]"
        ".map(s => s.getBoundingClientRect().height))"
    )

    paper = pypdf.PdfReader(io.BytesIO(shown.pdf()))
    sizes = {tuple(round(float(n)) for n in page.mediabox[2:]) for page in paper.pages}
    # Some fonts join letters ("fi") into one sign.
    text = unicodedata.normalize("NFKC", "".join(page.extract_text() for page in paper.pages))
    printed = re.sub(r"\s", "", text)

    assert sizes == {(595, 842)}
    assert 2 <= len(paper.pages) <= 24
    # No picture is cut in two by the end of a sheet of 269 mm.
    assert tall <= 269 / 25.4 * 96
    for words in (*headings, *rows):
        assert re.sub(r"\s", "", unicodedata.normalize("NFKC", words)) in printed, words
    assert all(page.extract_text().strip() for page in paper.pages)
