"""The variants of templates: their functions resolved, their open conditions chosen.

    variants = resolve([Template("vpc", body)], parameters={"Nodes": "4"}, region="us-east-1")

Nothing is guessed. What a template alone cannot tell becomes `Unknown` with the reason, and where
it leaves a condition open both branches are looked at, each in variants of its own.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ultracluster.templates.assertions import refused
from ultracluster.templates.choices import REGION, Atom, Spread
from ultracluster.templates.evaluation import Evaluation, Read
from ultracluster.templates.resolved import (
    ResolvedGroup,
    ResolvedResource,
    Template,
    Unknown,
    Variant,
)
from ultracluster.templates.resources import resource_of
from ultracluster.templates.scope import Entry, Scope, mapping, section
from ultracluster.templates.stacks import Stacks
from ultracluster.templates.texts import mappings

__all__ = ["MOST_VARIANTS", "Template", "resolve", "resolved_group"]

MOST_VARIANTS: Final = 16
MOST_OF_LARGE: Final = 8
LARGE: Final = 250
"""Resources from which on fewer variants are looked at, so that 1 MB takes about a second."""
MOST_ATTEMPTS: Final = 64
"""Choices that are tried before there are taken to be too many; equal variants are merged."""

_Alternative = tuple[tuple[Read, ...], ResolvedResource | None]
"""What a resource is, with everything that was assumed on the way."""


def resolve(
    templates: Sequence[Template],
    *,
    parameters: Mapping[str, str],
    region: str | None,
    every_value: bool = False,
) -> list[Variant]:
    """Return the variants of templates that are deployed together.

    Args:
        templates: with names that differ.
        parameters: values by parameter name, or by `template:parameter`.
        region: where they go, for templates that do not say it themselves.
        every_value: whether every value that a parameter allows is looked at (`AllowedValues`),
            where none is given, and not its default alone.

    Returns:
        One variant for each consistent choice of what is open and matters, without those that are
        equal; at most `MOST_VARIANTS` (`MOST_OF_LARGE`), and then each says so in `incomplete`.
    """
    return _Resolution(Stacks(templates, parameters, region, every_value=every_value)).variants()


def resolved_group(
    templates: Sequence[Template],
    parameters: Mapping[str, str],
    region: str | None,
    *,
    every_value: bool = False,
) -> ResolvedGroup:
    """Return templates that are deployed together with all their variants; see `resolve`."""
    resolution = _Resolution(Stacks(templates, parameters, region, every_value=every_value))

    def open_defaults(given: Mapping[str, str]) -> list[Variant]:
        opened = [_without_defaults(template) for template in templates]
        return resolve(opened, parameters={**parameters, **given}, region=region)

    variants = tuple(resolution.variants())
    more = resolution.variant, open_defaults
    return ResolvedGroup(tuple(templates), variants, resolution.taken, *more)


def _without_defaults(template: Template) -> Template:
    """Return a template whose parameters have no defaults, but for those that conditions read."""
    read = {each.get("Ref") for each in mappings(template.body.get("Conditions"))}
    parameters = {
        name: {key: v for key, v in mapping(stated).items() if key != "Default" or name in read}
        for name, stated in section(template.body, "Parameters").items()
    }
    return replace(template, body={**template.body, "Parameters": parameters})


class _Resolution:
    """The variants of given templates; what variants share is resolved once."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks, self._scopes = stacks, stacks.scopes
        self._templates = {name: scope.template for name, scope in stacks.scopes.items()}
        self._alternatives: defaultdict[tuple[str, str], list[_Alternative]] = defaultdict(list)
        self._plain = self._stacks.evaluation(self._stacks.usual)
        """Nothing is ever assumed here: it tells which conditions are open."""
        self._open: dict[tuple[str, str], bool] = {}
        self._strict = True
        """Whether what the templates' own rules refuse is left out."""
        self._atoms: list[Atom] = []
        """What is open, where there is too much of it."""

    @property
    def taken(self) -> Mapping[str, str]:
        """Parameters of which the default alone was looked at, by `template/parameter`."""
        return {
            scope.symbol(name): text
            for scope in self._scopes.values()
            for name, text in scope.taken.items()
        }

    def variant(self, assumed: Mapping[Atom, bool], row: int | None = None) -> Variant | None:
        """Return the variant in which something is assumed, None where the template refuses it.

        Args:
            assumed: what.
            row: which of the variants that differ most the rest is of; None for the defaults.
        """
        usual = self._stacks.usual if row is None else Spread(row, self._atoms)
        found: dict[tuple[object, ...], Variant] = {}
        self._attempt(lambda atom: assumed[atom] if atom in assumed else usual(atom), found)
        return next(iter(found.values()), None)

    def variants(self) -> list[Variant]:
        """Return every variant, or the most different ones of too many."""
        found = self._variants()
        if not found:
            # The template's rules refuse all that was looked at: it is judged without them.
            self._strict = False
            found = self._variants()
        return found

    def _variants(self) -> list[Variant]:
        found: dict[tuple[object, ...], Variant] = {}
        atoms: dict[Atom, None] = {}
        queue: deque[dict[Atom, bool]] = deque([{}])
        attempts, usual = 0, self._stacks.usual
        size = sum(len(scope.resources) for scope in self._scopes.values())
        most = MOST_VARIANTS if size < LARGE else MOST_OF_LARGE
        while queue and attempts < MOST_ATTEMPTS and len(found) <= most:
            wanted = queue.popleft()
            attempts += 1
            decisions = self._attempt(lambda atom, w=wanted: w.get(atom, usual(atom)), found)  # type: ignore[misc]
            path = dict(wanted)
            for atom, held in decisions.items():
                atoms.setdefault(atom)
                if atom not in wanted:
                    queue.append({**path, atom: not held})
                    path[atom] = held
        if not queue and len(found) <= most:
            return list(found.values())
        spread: dict[tuple[object, ...], Variant] = {}
        self._atoms = list(atoms)
        self._attempt(usual, spread)
        for row in range(MOST_VARIANTS):
            if len(spread) < most:
                self._attempt(Spread(row, self._atoms), spread)
        # Of rows that came out equal the places are filled with what was seen before.
        for key, variant in found.items():
            if len(spread) < most:
                spread.setdefault(key, variant)
        subjects = len({(atom.kind, atom.subject) for atom in atoms})
        questions = "1 open question makes" if subjects == 1 else f"{subjects} open questions make"
        note = f"{questions} more than {most} combinations; "
        note += f"{len(spread)} that differ most were looked at"
        return [replace(variant, incomplete=note) for variant in spread.values()]

    def _attempt(
        self, prefer: Callable[[Atom], bool], found: dict[tuple[object, ...], Variant]
    ) -> Mapping[Atom, bool]:
        """Add one variant, and return everything that was assumed for it."""
        evaluation = self._stacks.evaluation(prefer)
        while True:
            before = len(evaluation.choices.decisions)
            resources = list(self._resources(evaluation))
            # What was assumed late also holds for what was resolved early.
            if len(evaluation.choices.decisions) == before:
                break
        if self._strict and any(self._refused(s, evaluation) for s in self._scopes.values()):
            return evaluation.choices.decisions
        choices: dict[str, bool | str] = {
            f"{name}/{condition}": held
            for (name, condition), held in evaluation.truths.items()
            if self._is_open(name, condition)
        }
        choices |= {
            symbol: text
            for scope in self._scopes.values()
            for symbol in map(scope.symbol, scope.parameters)
            if symbol in scope.enumerated and (text := evaluation.choices.value(symbol)) is not None
        }
        region = self._region(evaluation)
        key = (str(region), *(id(resource) for resource in resources))
        if key in found:
            same = found[key]
            agreed = {
                name: held for name, held in choices.items() if same.choices.get(name) == held
            }
            found[key] = replace(same, choices=agreed)
        else:
            usual, decided = self._stacks.usual, evaluation.choices.decisions
            unusual = {atom: held for atom, held in decided.items() if held is not usual(atom)}
            found[key] = Variant(tuple(resources), region, choices, self._templates, unusual)
        return evaluation.choices.decisions

    def _refused(self, scope: Scope, evaluation: Evaluation) -> bool:
        """Whether the template's own rules refuse the values of its parameters."""

        def value(name: str) -> Any:
            if name not in scope.parameters:
                return evaluation.choices.value(name) if name == REGION else None
            symbol = scope.symbol(name)
            if symbol in scope.enumerated:
                return evaluation.choices.value(symbol)
            found = scope.parameter(name)
            return None if isinstance(found, Unknown) else found

        return refused(section(scope.template.body, "Rules"), value)

    def _is_open(self, name: str, condition: str) -> bool:
        key = (name, condition)
        if key not in self._open:
            self._open[key] = not self._plain.settled(self._scopes[name], condition)
        return self._open[key]

    def _region(self, evaluation: Evaluation) -> str | Unknown:
        regions = {scope.region for scope in self._scopes.values()}
        if len(regions) > 1:
            return Unknown("the templates go to several Regions")
        region = next(iter(regions), None) or evaluation.choices.value(REGION)
        return region or Unknown("the Region is not given", REGION)

    def _resources(self, evaluation: Evaluation) -> Iterator[ResolvedResource]:
        for scope in self._scopes.values():
            if not self._deployed(scope, evaluation):
                continue
            for entry in scope.resources.values():
                resource = self._resource(scope, entry, evaluation)
                if resource is not None:
                    yield resource

    def _deployed(self, scope: Scope, evaluation: Evaluation, depth: int = 0) -> bool:
        """Whether a nested stack is there at all."""
        parent = scope.template.nested_in
        if parent is None or parent[0] not in self._scopes or depth > len(self._scopes):
            return True
        outer = self._scopes[parent[0]]
        entry = outer.resources.get(parent[1])
        if entry is None or not self._deployed(outer, evaluation, depth + 1):
            return entry is None
        return self._resource(outer, entry, evaluation) is not None

    def _resource(
        self, scope: Scope, entry: Entry, evaluation: Evaluation
    ) -> ResolvedResource | None:
        alternatives = self._alternatives[scope.name, entry.key]
        for reads, resource in alternatives:
            if all(_again(read, evaluation) for read in reads):
                return resource
        evaluation.reads, evaluation.links = [], set()
        made = resource_of(scope, entry, evaluation)
        for _, resource in alternatives:
            if resource == made:
                made = resource
                break
        alternatives.append((tuple(dict.fromkeys(evaluation.reads)), made))
        return made


def _again(read: Read, evaluation: Evaluation) -> bool:
    """Whether what was read for another variant is the same in this one.

    Reads are repeated in their order, so that nothing is assumed that this variant would not need.
    """
    what, template, name, result = read
    scope = evaluation.scopes[template]
    if what == "condition":
        return evaluation.truth(scope, name) is result
    return evaluation.known(scope, name) == result
