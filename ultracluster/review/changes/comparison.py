"""Every change between two sets of templates, the dangerous ones first.

for change in changes(before, after):
    print(change.worst, change.place, change.what)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

from ultracluster.registry.schemas import any_schema
from ultracluster.review.changes.change import Change, Danger, Difference, Key
from ultracluster.review.changes.difference import (
    Path,
    between,
    dotted,
    of_resources,
    related,
    same_text,
)
from ultracluster.review.changes.judgement import added, judged, removed, renamed
from ultracluster.review.changes.replacement import consequences
from ultracluster.review.changes.sections import of_sections
from ultracluster.review.changes.update import Edit, Effect, Update, VariantPair, update
from ultracluster.review.resolved import ResolvedTemplates, differs, missing
from ultracluster.templates.texts import identity

DESTROYED: Final = (
    "the stack is in the old templates alone: this happens when it is destroyed, and a deployment "
    "of the others leaves it"
)


def changes(before: ResolvedTemplates, after: ResolvedTemplates) -> tuple[Change, ...]:
    """Return every change between two sets of templates, the worst first.

    Returns:
        One line for each difference, and one for each consequence elsewhere (`caused_by`). Empty
        where nothing but the order of sets differs.
    """
    lines = list(of_sections(before, after))
    if not same_text(before.bodies, after.bodies):
        lines += _Comparison(update(before, after)).changes()
    return tuple(sorted(lines, key=_order))


def _order(change: Change) -> tuple[object, ...]:
    return (
        change.worst.rank,
        # What makes others follow stands before them.
        change.caused_by is not None,
        [*(danger.rank for danger in change.dangers), len(Danger)],
        change.stack,
        change.resource,
        change.property,
    )


@dataclass
class _Line:
    """What is collected about one place over all choices of open conditions."""

    edit: Edit
    covers: tuple[Difference, ...] = ()
    before: Any = None
    after: Any = None
    effects: dict[Effect, None] = field(default_factory=dict)
    caused_by: Difference | None = None


class _Comparison:
    """The lines of one update."""

    def __init__(self, given: Update) -> None:
        self._update = given
        self._lines: dict[Difference, _Line] = {}
        # Whole sections are compared for it, and thousands of values may have one.
        self._origin = cache(partial(_origin, given))

    def changes(self) -> Iterator[Change]:
        pairing = self._update.pairing
        for key in pairing.same:
            self._same(key)
        for old, new in pairing.renamed:
            self._whole(old, new, renamed)
        for key in pairing.removed:
            self._whole(key, None, removed)
        for key in pairing.added:
            self._whole(None, key, added)
        for pair in self._update.pairs:
            for edit, place, cause, effects in consequences(self._update, pair):
                line = self._add(place, edit, effects)
                if not line.covers:
                    line.caused_by = line.caused_by or cause
        for place, line in self._lines.items():
            yield _change(self._update, place, line)

    def _same(self, key: Key) -> None:
        before, after = (each.written(*key) for each in (self._update.before, self._update.after))
        written = {path: values for path, *values in of_resources(before, after)}
        places = {path: Difference(*key, dotted(path)) for path in written}
        for pair in self._update.pairs:
            old, new = pair.old.at(key), pair.new.at(key)
            if old is None and new is None:
                continue
            if old is None or new is None:
                self._condition(key, pair, places)
                continue
            if not written and old.properties == new.properties:
                continue
            values = _comparable(old.properties), _comparable(new.properties)
            resolved = [path for path, _, _ in between(*values, any_schema(new.resource_type))]
            for at, place in places.items():
                # Properties that are written as one function are compared as they are resolved.
                for path in [at] if at else resolved or [()]:
                    edit = Edit(self._update, pair, key, key, path)
                    self._add(place, edit, judged(edit))
            for path in resolved:
                if not any(related(path, at) for at in written):
                    self._resolved(key, pair, path)
        for path, place in places.items():
            line = self._line((place,), key, key, f"{key[1]} changes")
            line.before, line.after = written[path]

    def _condition(self, key: Key, pair: VariantPair, places: Mapping[Path, Difference]) -> None:
        """A resource that is made before or after alone, by its condition."""
        was, now = (each.at(key) is not None for each in (pair.old, pair.new))
        edit = Edit(self._update, pair, key if was else None, key if now else None)
        effects = removed(edit) if was else added(edit)
        own = Difference(*key, "@Condition")
        for place in (own, *places.values()):
            self._add(place, edit, effects)
        if own not in places.values():
            self._lines[own].caused_by = Difference(key[0], "Conditions", "")

    def _resolved(self, key: Key, pair: VariantPair, path: Path) -> None:
        """A value that changes though the resource is written as before."""
        edit = Edit(self._update, pair, key, key, path, follows=True)
        if not differs(edit.was, edit.now) or missing(edit.was):
            # What the old templates did not tell either is no change that they show.
            return
        line = self._add(Difference(*key, dotted(path)), edit, judged(edit))
        line.before, line.after = edit.was, edit.now
        line.caused_by = self._origin(key[0])

    def _whole(
        self, old: Key | None, new: Key | None, judge: Callable[[Edit], Iterable[Effect]]
    ) -> None:
        covers = tuple(Difference(*key, "") for key in (old, new) if key)
        for pair in self._update.pairs:
            edit = Edit(self._update, pair, old, new)
            if edit.old or edit.new:
                self._add(covers[0], edit, judge(edit))
            if old and new:
                pair.replaced[new] = covers[0]
        line = self._line(
            covers, old, new, f"{covers[0].resource} is {'removed' if old else 'added'}"
        )
        line.before = (old and self._update.before.written(*old)) or None
        line.after = (new and self._update.after.written(*new)) or None

    def _line(
        self, covers: tuple[Difference, ...], old: Key | None, new: Key | None, what: str
    ) -> _Line:
        """Return the line of a difference, also of a resource that no choice makes."""
        if covers[0] not in self._lines:
            says = f"{what}, and no condition that was looked at makes it"
            unmade = Effect(Danger.CANNOT_TELL, says, "conditions of the template")
            self._add(covers[0], Edit(self._update, self._update.pairs[0], old, new), [unmade])
        line = self._lines[covers[0]]
        line.covers = covers
        return line

    def _add(self, place: Difference, edit: Edit, effects: Iterable[Effect]) -> _Line:
        line = self._lines.setdefault(place, _Line(edit))
        for effect in effects:
            line.effects[effect] = None
            if effect.new_id and edit.old_key and edit.new_key:
                edit.pair.replaced.setdefault(edit.new_key, place)
        return line


def _comparable(value: Any) -> Any:
    """Return resolved values in a form in which equal ones are equal."""
    if isinstance(value, str):
        return identity(value)
    if isinstance(value, Mapping):
        return {name: _comparable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return identity(value) or repr(value)


def _origin(given: Update, stack: str) -> Difference:
    """Return where a value that is written as before gets its new value from."""
    before, after = given.before.bodies, given.after.bodies
    for section in ("Parameters", "Mappings", "Conditions"):
        if before.get(stack, {}).get(section) != after.get(stack, {}).get(section):
            return Difference(stack, section, "")
    others = (name for name in after if name != stack and before.get(name) != after[name])
    other = next(others, None)
    return Difference(other, "Outputs", "") if other else Difference(stack, "Resources", "")


def _change(given: Update, place: Difference, line: _Line) -> Change:
    effects = sorted(line.effects, key=lambda effect: effect.danger.rank)
    if any(effect.danger is not Danger.HARMLESS for effect in effects):
        effects = [effect for effect in effects if effect.danger is not Danger.HARMLESS]
    if place.stack not in given.after.templates:
        effects = [v._replace(why=f"{v.why}; {DESTROYED}") for v in effects]
    raw = line.after if isinstance(line.after, Mapping) else {}
    found = line.edit.new or line.edit.old
    return Change(
        stack=place.stack,
        resource=place.resource,
        property=place.property,
        dangers=tuple(dict.fromkeys(effect.danger for effect in effects)),
        what=_sentences(effect.what for effect in effects),
        why=_sentences(effect.why for effect in effects),
        instead=_sentences(effect.instead for effect in effects),
        before=line.before,
        after=line.after,
        resource_type=found.resource_type if found else str(raw.get("Type", "")) or None,
        construct_path=found.place.construct_path if found else None,
        covers=line.covers,
        caused_by=line.caused_by,
    )


def _sentences(found: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(sentence for sentence in found if sentence))
