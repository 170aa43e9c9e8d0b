"""The parts of a shell script that run, where the script itself tells which branches are taken.

Read without running anything. A test of values that are all written decides its branch; of any
other test every branch may run, and of a script whose branches are not understood everything does.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import eq, ge, gt, le, lt, ne
from typing import Final

DECIDES: Final = re.compile(r"\b(?:if|case)\s|&&")
ASSIGNED: Final = re.compile(r"(?:export\s+|readonly\s+|local\s+)?([A-Za-z_]\w*)=(\S*|\"[^\"]*\")")
NAMED: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}$]*))?\})")
WHOLE: Final = re.compile(r"-?\d{1,18}")
OPEN: Final = re.compile(r"[$`\x00]")
CASE: Final = re.compile(r"case\s+(\S+|\"[^\"]*\")\s+in\b\s*(.*)", re.DOTALL)
BRANCH: Final = re.compile(r"\(?([^()\s]+)\)\s*(.*)", re.DOTALL)
TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": fnmatchcase,
    "==": fnmatchcase,
    "!=": lambda word, pattern: not fnmatchcase(word, pattern),
}
NUMBERS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "-eq": eq, "-ne": ne, "-gt": gt, "-ge": ge, "-lt": lt, "-le": le,
}  # fmt: skip


class _UnclearError(ValueError):
    """A script whose branches are not understood."""


@dataclass
class _Branches:
    """One `if` or `case`, as far as it was read."""

    word: str | None = None
    """What a `case` compares, None where that is not known."""
    is_case: bool = False
    runs: bool | None = None
    """Whether the branch that is read runs, None where it may."""
    taken: bool | None = False
    """Whether an earlier branch ran."""

    def next(self, holds: bool | None) -> None:  # noqa: FBT001  (what a test gives)
        """Begin a branch with what its test gives."""
        self.taken = _either(self.taken, self.runs)
        self.runs = False if self.taken else (None if holds and self.taken is None else holds)


def _either(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001
    if one or other:
        return True
    return None if None in (one, other) else False


def living(script: str) -> str:
    """Return a script without the branches that surely do not run."""
    if not DECIDES.search(script):
        return script
    known = _known(script)
    stack: list[_Branches] = []
    kept, dropped = [], False
    try:
        for line in script.splitlines():
            said = [part for part in _parts(line) if _runs(part, stack, known)]
            dropped = dropped or len(said) < len(list(_parts(line)))
            kept.append("; ".join(said))
    except _UnclearError:
        return script
    return "\n".join(kept) if dropped and not stack else script


def _parts(line: str) -> Iterator[str]:
    """Yield the commands of a line, split where no quote is open."""
    bare = line.strip().removeprefix("- ")
    if bare.startswith("#"):
        yield bare
        return
    for found in re.finditer(r"(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\.|;;|[^;])+?(?=;|$)|;;", bare):
        text = found[0].strip()
        if text.startswith(";;"):
            yield ";;"
            text = text.removeprefix(";;").strip()
        if text:
            yield text


def _runs(part: str, stack: list[_Branches], known: Mapping[str, str]) -> bool:
    """Follow one command, and return whether it may run."""
    word, _, rest = part.partition(" ")
    if word == "if":
        stack.append(_Branches(runs=_truth(rest, known)))
        return _alive(stack[:-1])
    if begun := CASE.fullmatch(part):
        stack.append(_Branches(_value(begun[1].strip("\"'"), known), is_case=True, runs=False))
        return _runs(begun[2], stack, known) if begun[2] else _alive(stack[:-1])
    if word in ("then", "do") and rest:
        return _runs(rest, stack, known)
    if word in ("elif", "else", "fi", "esac", ";;") or (stack and stack[-1].is_case):
        return _follow(part, word, rest, stack, known)
    first, both, _ = part.partition("&&")
    if both and "||" not in part and _truth(first, known) is False:
        return False
    return _alive(stack)


def _follow(
    part: str, word: str, rest: str, stack: list[_Branches], known: Mapping[str, str]
) -> bool:
    """Follow what begins or ends a branch."""
    if word in ("fi", "esac"):
        if not stack or stack.pop().is_case is not (word == "esac"):
            raise _UnclearError
        return _alive(stack)
    if word == ";;":
        return _alive(stack)
    if not stack:
        raise _UnclearError
    top = stack[-1]
    if word in ("elif", "else"):
        top.next(_truth(rest, known) if word == "elif" else not top.taken and not top.runs)
        if word == "else" and None in (top.taken, top.runs):
            top.runs = None
        return _runs(rest, stack, known) if word == "else" and rest else _alive(stack)
    if begun := BRANCH.fullmatch(part):
        patterns = begun[1].split("|")
        whole = top.word is None or any(OPEN.search(each) for each in patterns)
        top.next(None if whole else any(fnmatchcase(top.word or "", p) for p in patterns))
        return _alive(stack)
    return _alive(stack)


def _alive(stack: list[_Branches]) -> bool:
    return all(each.runs is not False for each in stack)


def _known(script: str) -> dict[str, str]:
    """Return the variables that are given one value that is written, and no other."""
    found: dict[str, list[str]] = {}
    for line in script.splitlines():
        for part in _parts(line):
            if match := ASSIGNED.fullmatch(part):
                found.setdefault(match[1], []).append(match[2].strip("\"'"))
            else:
                for name in re.findall(r"\b(?:read(?: -\w+)*|for)\s+(\w+)|\b(\w+)\+?=", part):
                    found.setdefault(name[0] or name[1], []).append("$")
    return {n: v[0] for n, v in found.items() if len(v) == 1 and not OPEN.search(v[0])}


def _value(word: str, known: Mapping[str, str]) -> str | None:
    """Return a word with the variables in it, None where one is not known."""
    whole = NAMED.sub(lambda m: known.get(m[1] or m[2], m[0]), word)
    return None if OPEN.search(whole) else whole


def _truth(test: str, known: Mapping[str, str]) -> bool | None:
    """Return whether a test holds, None where the script does not tell."""
    if "||" in test:
        return None
    results = [_one(part.strip(), known) for part in test.split("&&")]
    if False in results:
        return False
    return None if None in results else True


def _one(test: str, known: Mapping[str, str]) -> bool | None:
    try:
        words = [_value(word, known) for word in shlex.split(test)]
    except ValueError:
        return None
    plain = [word for word in words if word is not None and word not in ("[", "[[", "]", "]]", "!")]
    if None in words or not plain:
        return None
    command = "test" if words[0] in ("[", "[[") or "[" in words[:2] else plain.pop(0)
    holds = {"true": True, "false": False}.get(command)
    if command == "test":
        holds = _compared(plain)
    return holds if holds is None or words.count("!") % 2 == 0 else not holds


def _compared(words: Sequence[str]) -> bool | None:
    """Return what `test` says of some words, None where it asks for anything but texts."""
    if len(words) == len(("-n", "")) and words[0] in ("-n", "-z"):
        return bool(words[1]) is (words[0] == "-n")
    if len(words) != len(("a", "=", "b")):
        return None
    left, operator, right = words
    if operator in TESTS:
        return TESTS[operator](left, right)
    if operator in NUMBERS and WHOLE.fullmatch(left) and WHOLE.fullmatch(right):
        return NUMBERS[operator](int(left), int(right))
    return None
