"""Markdown that fits a comment of a pull request: what matters most is whole, the rest is named."""

import re
from typing import Final

LONGEST: Final = 65_536
"""Characters that GitHub takes ("body is too long (maximum is 65536 characters)", read 2026-11-27);
bytes are counted, of which there are never fewer."""
IMPORTANT: Final = ("", "Changes", "Findings and exceptions", "Who may do what", "Numbers")
"""Titles of sections in the order in which they get room, the head of the page first."""
RESERVED: Final = 600
"""Bytes for the line that says what was left out."""
SECTION: Final = re.compile(r"^## (.*)$", re.MULTILINE)


def fitted(page: str) -> str:
    """Return a page as it is, or so much of it as a comment holds, with a line for what is not."""
    if _bytes(page) <= LONGEST:
        return page
    sections = _sections(page)
    left = LONGEST - RESERVED
    kept: dict[str, str] = {}
    said: list[str] = []
    for title in sorted(sections, key=_rank):
        text = _cut(sections[title], left)
        left -= _bytes(text)
        kept[title] = text
        lines = sections[title].count("\n") - text.count("\n")
        if lines and not text:
            said.append(title)
        elif lines:
            said.append(f"{lines:,} lines of {title or 'the head'}")
    head, *others = (kept[title] for title in sections)
    note = (
        f"**Left out, as a comment holds 65,536 characters: {', '.join(said)}.** The HTML has all."
    )
    return f"{head}{note}\n\n{''.join(others)}"


def _sections(page: str) -> dict[str, str]:
    """Return the sections of a page by title, each with its heading; the first one has none."""
    begins = [("", 0), *((match[1], match.start()) for match in SECTION.finditer(page))]
    ends = [start for _, start in begins[1:]] + [len(page)]
    return {title: page[start:end] for (title, start), end in zip(begins, ends, strict=True)}


def _rank(title: str) -> int:
    return IMPORTANT.index(title) if title in IMPORTANT else len(IMPORTANT)


def _cut(section: str, most: int) -> str:
    """Return the lines of a section that have room; a picture is whole or not there."""
    if _bytes(section) <= most:
        return section
    if "\n```" in section:
        return ""
    found: list[str] = []
    for line in section.splitlines(keepends=True):
        most -= _bytes(line)
        if most < len("\n"):
            break
        found.append(line)
    # A heading alone says nothing.
    return f"{''.join(found)}\n" if len(found) > len(("heading", "space")) else ""


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))
