"""Consistent assumptions about conditions that templates leave open.

An assumption is made of an atom: that a value is a certain text, that two values are the same, or
that a condition holds of which nothing else is known. What is assumed of a value is its value
from then on, and what follows from an assumption is not asked again.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from ultracluster.partitions import partition, url_suffix

REGION: Final = "AWS::Region"
PARTITION: Final = "AWS::Partition"
URL_SUFFIX: Final = "AWS::URLSuffix"

DERIVED: Final = {PARTITION: partition, URL_SUFFIX: url_suffix}
"""Values that follow from the Region."""


class Atom(NamedTuple):
    """The smallest thing that can be assumed."""

    kind: Literal["is", "same", "holds"]
    subject: str
    """Symbol of a value, or the name of what holds."""
    other: str = ""
    """The text that the value is compared with, or the symbol of another value."""


class Choices:
    """Assumptions that agree with each other."""

    def __init__(
        self, prefer: Callable[[Atom], bool], allowed: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Begin with no assumption.

        Args:
            prefer: what to assume where nothing follows from what was assumed before.
            allowed: by symbol, the only texts that a value can be (`AllowedValues`).
        """
        self.decisions: dict[Atom, bool] = {}
        """What was assumed, in the order in which it was."""
        self._prefer = prefer
        self._allowed = allowed or {}
        self._values: dict[str, str] = {}
        self._denied: defaultdict[str, set[str]] = defaultdict(set)

    def value(self, symbol: str) -> str | None:
        """Return the text of a value, None where nothing that was assumed tells it."""
        if symbol in self._values:
            return self._values[symbol]
        if symbol in DERIVED and REGION in self._values:
            return DERIVED[symbol](self._values[REGION])
        if symbol in self._allowed:
            denied = self._denied.get(symbol, set())
            left = [text for text in self._allowed[symbol] if text not in denied]
            return left[0] if len(left) == 1 else None
        return None

    def candidate(self, symbol: str) -> Atom:
        """Return what to assume next of a value that takes only certain texts."""
        denied = self._denied.get(symbol, set())
        return Atom("is", symbol, next(t for t in self._allowed[symbol] if t not in denied))

    def settle(self, symbol: str) -> str:
        """Return the text of a value that takes only certain ones, assuming one where needed."""
        while (found := self.value(symbol)) is None:
            self.decide(self.candidate(symbol))
        return found

    def holds(self, atom: Atom) -> bool | None:
        """Return whether an atom holds, None where nothing that was assumed tells it."""
        if atom in self.decisions:
            return self.decisions[atom]
        mine = self.value(atom.subject)
        if atom.kind == "holds":
            return None
        if atom.kind == "same":
            other = self.value(atom.other)
            return None if mine is None or other is None else mine == other
        if mine is not None:
            return mine == atom.other
        if self._excluded(atom.subject, atom.other):
            return False
        return None

    def decide(self, atom: Atom) -> bool:
        held = self.holds(atom)
        if held is not None:
            return held
        held = self._prefer(atom)
        self.decisions[atom] = held
        if atom.kind == "is":
            if held:
                self._values[atom.subject] = atom.other
            else:
                self._denied[atom.subject].add(atom.other)
        return held

    def _excluded(self, symbol: str, text: str) -> bool:
        if text in self._denied.get(symbol, ()):
            return True
        if symbol in self._allowed and text not in self._allowed[symbol]:
            return True
        if symbol != REGION:
            return False
        # A Region cannot be in a partition that was assumed or denied before.
        for derived, follows in DERIVED.items():
            assumed = self._values.get(derived)
            if assumed is not None and assumed != follows(text):
                return True
            if follows(text) in self._denied.get(derived, ()):
                return True
        return False


class Spread:
    """Preferences that make a number of variants as different from each other as can be.

    Atoms about values that are compared once take the columns of an orthogonal array of strength
    2 (Hadamard's, 16 rows): of any two of up to 15 such atoms, all four combinations are looked
    at. A value that is compared with several texts takes each of them in turn, and none of them.
    """

    COLUMNS: Final = 15

    def __init__(self, variant: int, atoms: Sequence[Atom]) -> None:
        """Prefer what belongs to one row of the array, from 0, of all atoms known to be open."""
        self._variant = variant
        self._texts: dict[str, list[str]] = {}
        for atom in atoms:
            if atom.kind == "is":
                self._texts.setdefault(atom.subject, []).append(atom.other)
        self._columns: dict[str, int] = {}

    def __call__(self, atom: Atom) -> bool:
        """Return what this variant assumes of an atom."""
        texts = self._texts.get(atom.subject, []) if atom.kind == "is" else []
        name = atom.subject if texts else "/".join(atom)
        column = self._columns.setdefault(name, len(self._columns))
        if len(texts) > 1:
            turn = (self._variant + column) % (len(texts) + 1)
            return turn < len(texts) and texts[turn] == atom.other
        mask = column % self.COLUMNS + 1
        return (self._variant & mask).bit_count() % 2 == 1
