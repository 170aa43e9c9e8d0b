"""Suggestions for misspelled words."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean dev?)`, or nothing where no known word is close to the given one."""
    given = word.casefold()
    by_folded = {name.casefold(): name for name in known}
    longer = [name for name in by_folded if given and name.startswith(given)]
    close = longer or difflib.get_close_matches(given, by_folded, n=1)
    return f" (did you mean {by_folded[close[0]]}?)" if close else ""
