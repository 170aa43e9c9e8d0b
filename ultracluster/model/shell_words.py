"""Words of a shell script's command lines, read in one pass and without running anything.

As `shlex` splits them, which takes the square of a line's length: quotes, escapes, operators,
comments, lines that are continued. What another command writes is `$` alone.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

OPERATORS: Final = frozenset({";", "&", "&&", "|", "||", "(", ")", ";;", "|&", "{", "}"})
KEYWORDS: Final = frozenset(
    {"then", "do", "else", "elif", "if", "while", "until", "!", "time", "exec"}
)
LONGEST_JOIN: Final = 200
"""Lines that one quoted text may span; more is a quote that nobody closed."""

SUBSTITUTION: Final = re.compile(r"(\$?\(|\)|`[^`\n]*`)")
"""Where a command that is run for its output, or a group of commands, begins or ends."""

QUOTED: Final = r"""'[^']*+'|"(?:[^"\\]++|\\.)*+"|\\."""
TOKEN: Final = re.compile(
    rf"""[ \t\r\n]++|\#[^\n]*+|([;&|()<>]++)|((?:[^ \t\r\n;&|()<>'"\\]++|{QUOTED})++)""", re.DOTALL
)
"""Space or a comment, an operator, or a word; what is none of them is a quote that stays open."""

PIECE: Final = re.compile(rf"""{QUOTED}|[^'"\\]++""", re.DOTALL)
ESCAPED: Final = re.compile(r"""\\(["\\])""")
WITHIN: Final = {
    "": re.compile(rf"""(?:[^ \t\r\n'"\\]++|[ \t\r\n]++(?!\#)|{QUOTED})*+""", re.DOTALL),
    "'": re.compile(r"[^']*+"),
    '"': re.compile(r'(?:[^"\\]++|\\.)*+'),
}
"""What of a line belongs to the quote that is open at its beginning, or to none."""


def command_ends(lines: Sequence[str]) -> list[int]:
    """Return on which line the command that begins on each ends; the number of lines for none."""
    ends: list[int] = []
    after = dict.fromkeys(WITHIN, len(lines))
    for number in range(len(lines) - 1, -1, -1):
        line = without_substitutions(lines[number])
        left = {quote: _open_after(line, quote) for quote in WITHIN}
        after = {q: number if then is None else after[then] for q, then in left.items()}
        ends.append(after[""] if after[""] < number + LONGEST_JOIN else len(lines))
    return ends[::-1]


def _open_after(line: str, quote: str) -> str | None:
    r"""Return the quote that is open after a line, none where `\\` continues it; None at an end."""
    if not quote and line.startswith("#"):
        return None
    at = _end(line, quote, 0)
    if quote:
        if line[at : at + 1] != quote:
            return quote
        at = _end(line, "", at + 1)
    if line[at:] == "\\":
        return ""
    return line[at] if line[at : at + 1] in {"'", '"'} else None


def _end(line: str, quote: str, at: int) -> int:
    found = WITHIN[quote].match(line, at)
    return at if found is None else found.end()


def joined(lines: Sequence[str]) -> str:
    """Return one command line of those that it is continued on."""
    parts = [f"{line[:-1]} " if line.endswith("\\") else f"{line}\n" for line in lines[:-1]]
    return "".join([*parts, lines[-1]])


def without_substitutions(line: str) -> str:
    """Return a line with `$` for what another command writes, known only when the script runs."""
    if "(" not in line and "`" not in line:
        return line
    found: list[str] = []
    begun: list[int] = []
    for number, part in enumerate(SUBSTITUTION.split(line)):
        said = part
        if number % 2 == 0:
            pass
        elif part in {"$(", "("}:
            begun.append(len(found))
        elif part != ")":
            said = "$"
        elif begun and found[start := begun.pop()] == "$(":
            del found[start:]
            said = "$"
        found.append(said)
    return "".join(found)


def split(line: str) -> list[str] | None:
    """Return the words and operators of a command line, None where a quote stays open."""
    line, at = without_substitutions(line), 0
    found: list[str] = []
    while at < len(line):
        match = TOKEN.match(line, at)
        if match is None:
            return None
        at = match.end()
        if match.lastindex:
            found.append(match[1] or "".join(map(_unquoted, PIECE.findall(match[2]))))
    return found


def _unquoted(piece: str) -> str:
    if piece[0] == '"':
        return ESCAPED.sub(r"\1", piece[1:-1])
    if piece[0] == "'":
        return piece[1:-1]
    return piece[1:] if piece[0] == "\\" else piece


def commands(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the commands of a line, without what joins them."""
    command: list[str] = []
    for word in words:
        if word in OPERATORS:
            if command:
                yield command
            command = []
        elif word not in KEYWORDS or command:
            command.append(word)
    if command:
        yield command
