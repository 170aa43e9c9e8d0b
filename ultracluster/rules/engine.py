"""The rules, and what they say of templates in all of their variants."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.rules.acknowledgements import FIXES, OBJECTIONS
from ultracluster.rules.rule import CannotTell, Finding, Rule, Severity, Verdict, results
from ultracluster.suggestions import did_you_mean
from ultracluster.templates.choices import Atom
from ultracluster.templates.resolved import Place, ResolvedGroup, Variant

__all__ = ["FAMILIES", "RULES", "CannotTell", "Finding", "Rule", "Severity", "Verdict", "judge"]

FAMILIES: Final = ("FABRIC", "CAPACITY", "LUSTRE", "SAGEMAKER", "SLURM", "SAFETY", "OPERATE")


def _place(rule: Rule) -> tuple[int, int]:
    family, _, number = rule.id.partition("-")
    return FAMILIES.index(family), int(number)


def _found() -> Iterator[Rule]:
    """Yield the rules of every module beside this one."""
    for module in iter_modules([str(Path(__file__).parent)]):
        for value in vars(import_module(f"{__package__}.{module.name}")).values():
            if isinstance(value, Rule):
                yield value


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {rule.id: rule for rule in sorted(_found(), key=_place)}
)
"""Every rule by its id, in the order of families and numbers."""

Choices = Mapping[str, bool | str]

MOST_TRIALS: Final = 64
"""Further variants that are made to explain findings; each takes a part of a whole audit's time."""
OTHERS: Final = (0, 1, 2, 4, 8, 15)
"""Rows of `Spread` in which a choice is looked at together with others: of each question that has
two answers both are among them."""

FORBIDDEN: Final = frozenset(rule.id for rule in RULES.values() if not rule.acknowledgeable)
"""Rules that nobody may excuse: data would be lost, or it can never work."""


def judge(group: ResolvedGroup) -> Verdict:
    """Return what all rules find, equal findings of several variants merged into one."""
    found_in: dict[Finding, list[int]] = {}
    unknown: dict[tuple[int, CannotTell], None] = {}
    told: set[tuple[int, str, Place]] = set()
    kept: dict[tuple[str, int], Any] = {}
    for index, variant in enumerate(group.variants):
        model = Model(variant, kept)
        for rule in RULES.values():
            for part, result in results(rule, model):
                if isinstance(result, CannotTell):
                    unknown[part, result] = None
                    continue
                told.add((part, result.rule, result.place))
                if index not in (where := found_in.setdefault(result, [])):
                    where.append(index)
    explain = Explanations(group, kept, found_in)
    findings = tuple(explain(finding) for finding in found_in)
    # What the same judge finds under another choice is told.
    left = (u for part, u in unknown if (part, u.rule, u.place) not in told)
    return Verdict(findings, tuple(dict.fromkeys(left)))


class Explanations:
    """Says of findings under which choices they are there."""

    def __init__(
        self,
        group: ResolvedGroup,
        kept: dict[tuple[str, int], Any],
        found_in: Mapping[Finding, Sequence[int]],
    ) -> None:
        """Hold what variants there are, and in which of them each finding is."""
        self._group, self._kept, self._found_in = group, kept, found_in
        self._left = MOST_TRIALS
        self._trials: dict[frozenset[object], Model | None] = {}
        """Findings ask for the same trials, one after the other."""

    def __call__(self, finding: Finding) -> Finding:
        """Return a finding with the choices that it takes."""
        found = self._explained(finding)
        if RULES[found.rule].severity == "error" and not found.avoidable:
            avoidable = self._takes_a_default(found, self._found_in[finding])
            return replace(found, avoidable=avoidable)
        return found

    def _takes_a_default(self, finding: Finding, indexes: Sequence[int]) -> bool:
        """Whether an error at other values than the defaults takes a default as well.

        Whoever gives the one gives the other: of a file system with EFA the capacity, for one.
        """
        make = self._group.open_defaults
        if 0 in indexes or make is None or not _texts(finding.choices):
            return False
        choices = self._group.variants[indexes[0]].choices
        given = {name.replace("/", ":", 1): str(choices[name]) for name in _texts(finding.choices)}
        self._left -= len(OTHERS)
        return self._left < 0 or not any(
            isinstance(other, Finding) and other.place == finding.place
            for variant in make(given)
            for other in self._of(finding, Model(variant, self._kept))
        )

    def _explained(self, finding: Finding) -> Finding:
        indexes = self._found_in[finding]
        if len(indexes) == len(self._group.variants):
            return finding
        if not self._group.variants[0].incomplete:
            every = [variant.choices for variant in self._group.variants]
            choices = _told_apart([every[index] for index in indexes], every)
            several = len(choices) > 1 and bool(_texts(choices))
            return replace(finding, choices=choices, avoidable=several)
        if 0 in indexes:
            # It is there with all defaults, whatever else it is there with.
            return finding
        return self._tried(finding, self._group.variants[indexes[0]])

    def _tried(self, finding: Finding, variant: Variant) -> Finding:
        """Return a finding with what it takes of the choices of a variant that it was seen in.

        Not every combination was looked at: what is left at its default without the finding going
        away has nothing to do with it.
        """
        needed = dict(variant.unusual)
        for subject in dict.fromkeys(atom.subject for atom in needed):
            rest = {atom: held for atom, held in needed.items() if atom.subject != subject}
            if (trial := self._trial(rest)) and finding in self._of(finding, trial):
                needed, variant = rest, trial.variant
        usual = self._group.variants[0].choices
        choices = {
            name: held
            for name, held in variant.choices.items()
            if usual.get(name) != held
            and (isinstance(held, bool) or name in {atom.subject for atom in needed})
        }
        if _texts(choices):
            # What such a value of a parameter decides needs no further words.
            choices = {name: choices[name] for name in _texts(choices)}
        several = len(choices) > 1 and bool(_texts(choices))
        avoidable = several or self._avoidable(finding, needed)
        return replace(finding, choices=choices, avoidable=avoidable)

    def _avoidable(self, finding: Finding, needed: Mapping[Atom, bool]) -> bool:
        """Whether the same choice is right together with others."""
        if not any(atom.kind == "is" for atom in needed):
            return False
        trials = [trial for row in OTHERS if (trial := self._trial(needed, row))]
        for trial in trials:
            there = trial.at(finding.place.key)
            if there is None or there.place != finding.place:
                continue
            if all(other.place != finding.place for other in self._of(finding, trial)):
                return True
        # Where the template refuses them all, or too many were looked at, nobody knows.
        return not trials

    def _trial(self, assumed: Mapping[Atom, bool], row: int | None = None) -> Model | None:
        """Return a further variant, None where there is none or enough were looked at."""
        self._left -= 1
        if self._left < 0 or self._group.variant is None:
            return None
        trial = frozenset([row, *assumed.items()])
        if trial not in self._trials:
            variant = self._group.variant(assumed, row)
            self._trials[trial] = Model(variant, self._kept) if variant else None
        return self._trials[trial]

    def _of(self, finding: Finding, trial: Model) -> list[Finding | CannotTell]:
        return [result for _, result in results(RULES[finding.rule], trial)]


def _texts(choices: Choices) -> list[str]:
    """Return the choices that are values of parameters."""
    return [name for name, held in choices.items() if isinstance(held, str)]


def _told_apart(found_in: Sequence[Choices], every: Sequence[Choices]) -> Choices:
    """Return the fewest choices that tell the variants with a finding from the others."""
    others = [choices for choices in every if choices not in found_in]
    names = [name for name in found_in[0] if all(name in choices for choices in found_in)]
    values = {name: {choices[name] for choices in found_in} for name in names}

    def excluded(told: Iterable[str]) -> set[int]:
        return {
            index
            for index, other in enumerate(others)
            if any(other.get(name) not in values[name] for name in told)
        }

    kept = [name for name in names if excluded([name])]
    # A parameter is what a user can set: it stays rather than a condition that follows from it.
    kept.sort(key=lambda name: (isinstance(found_in[0][name], str), len(excluded([name]))))
    every_one = excluded(kept)
    for name in tuple(kept):
        if excluded(rest := [other for other in kept if other != name]) == every_one:
            kept = rest
    return {name: _either(values[name]) for name in kept}


def _either(values: Collection[bool | str]) -> bool | str:
    """Return the one value, or several texts as one."""
    first, *more = values
    return " or ".join(sorted(map(str, values))) if more else first


def explained(rule: Rule) -> str:
    """Return the section of a rule, in Markdown, without its heading."""
    may = "can" if rule.acknowledgeable else "cannot"
    return (
        f"**{rule.what}** ({rule.severity}, {may} be acknowledged)\n\n{rule.why}\n\n"
        f"* Fix: {rule.fix}\n* Confirm it: `{rule.check}`\n* Source: {rule.source}"
    )


def explanation(name: str) -> str:
    """Return what is to be read about a rule, by its id in any case.

    Raises:
        LookupError: where there is no such rule; it names the nearest.
    """
    wanted = name.strip().upper()
    if wanted in RULES:
        return f"### {wanted}\n\n{explained(RULES[wanted])}"
    if wanted in OBJECTIONS:
        return f"### {wanted}\n\n**{OBJECTIONS[wanted]}** (error)\n\n* Fix: {FIXES[wanted]}"
    near = did_you_mean(wanted, [*RULES, *OBJECTIONS])
    raise LookupError(f"there is no rule {name}{near}; docs/rules.md lists all of them")
