"""The parts of a shell script that run, where an `if` compares two words that are both written.

A parameter's value that a template writes into such a test decides it. Of any other test every
branch may run, and of a script whose branches are not understood everything does.
"""

import re
from typing import Final, Literal

WORD: Final = r"""(?:"([^"$`\\\x00]*)"|([^\s"'$`\\*?\[\]\x00]+))"""
DECIDED: Final = re.compile(rf"if\s+\[\[?\s+{WORD}\s+(==?|!=)\s+{WORD}\s+\]\]?\s*(?:;|$).*")
BEGINS_OR_ENDS: Final = re.compile(r"(if|elif|else|fi)\b(?!.*\bfi\s*;?$)")
"""A line that begins or ends a branch; a whole `if` on one line does neither."""
Branch = Literal["runs", "may run", "does not run yet", "ran"]
"""What is known of the branch that is read; `ran` is of all those behind one that runs."""


def living(script: str) -> str:
    """Return a script without the branches that surely do not run."""
    kept: list[str] = []
    stack: list[Branch] = []
    """Of every open `if`."""
    for line in script.splitlines():
        found = BEGINS_OR_ENDS.match(line.strip())
        word = found[1] if found else None
        if word == "if":
            stack.append(_first(line.strip()))
        elif word and not stack:
            return script
        elif word == "fi":
            stack.pop()
        elif word:
            if stack[-1] == "runs":
                stack[-1] = "ran"
            elif stack[-1] == "does not run yet":
                stack[-1] = "may run" if word == "elif" else "runs"
        if not {"does not run yet", "ran"} & set(stack):
            kept.append(line)
    return script if stack else "\n".join(kept)


def _first(line: str) -> Branch:
    found = DECIDED.fullmatch(line)
    if found is None:
        return "may run"
    left, right = found[1] or found[2] or "", found[4] or found[5] or ""
    return "runs" if (left == right) is (found[3] != "!=") else "does not run yet"
