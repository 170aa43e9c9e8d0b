"""The parts of a shell script that run, where an `if` compares two words that are both written.

A parameter's value that a template writes into such a test decides it. Of any other test every
branch may run, and of a script whose branches are not understood everything does.
"""

import re
from typing import Final

WORD: Final = r"""(?:"([^"$`\\\x00]*)"|([^\s"'$`\\*?\[\]\x00]+))"""
DECIDED: Final = re.compile(rf"if\s+\[\[?\s+{WORD}\s+(==?|!=)\s+{WORD}\s+\]\]?\s*(?:;|$).*")
BEGINS_OR_ENDS: Final = re.compile(r"(if|elif|else|fi)\b(?!.*\bfi\s*;?$)")
"""A line that begins or ends a branch; a whole `if` on one line does neither."""


def living(script: str) -> str:
    """Return a script without the branches that surely do not run."""
    kept: list[str] = []
    stack: list[bool | None] = []
    """Of every open `if`, whether the branch that is read runs; None where it may."""
    for line in script.splitlines():
        found = BEGINS_OR_ENDS.match(line.strip())
        word = found[1] if found else "fi" if line.strip() == "fi" else None
        if word == "if":
            stack.append(_holds(line.strip()))
        elif word and not stack:
            return script
        elif word == "fi":
            stack.pop()
        elif word:
            other = None if word == "elif" else True
            stack[-1] = {True: False, False: other, None: None}[stack[-1]]
        if False not in stack:
            kept.append(line)
    return script if stack else "\n".join(kept)


def _holds(line: str) -> bool | None:
    found = DECIDED.fullmatch(line)
    if found is None:
        return None
    left, right = found[1] or found[2] or "", found[4] or found[5] or ""
    return (left == right) is (found[3] != "!=")
