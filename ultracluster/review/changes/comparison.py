"""Every change between two sets of templates, the dangerous ones first.

for change in changes(before, after):
    print(change.worst, change.place, change.what)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.registry.schemas import any_schema
from ultracluster.review.changes.cascade import followers
from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.defaults import renamed
from ultracluster.review.changes.difference import Path, Unit, between, dotted, of_resources
from ultracluster.review.changes.judging import coming, going, judged
from ultracluster.review.changes.sections import of_sections
from ultracluster.review.changes.update import Key, Moment, Update, bodies, update
from ultracluster.review.changes.verdict import Site, Verdict, differs, missing
from ultracluster.review.resolved import ResolvedTemplates
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
    if bodies(before) != bodies(after):
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

    site: Site
    covers: tuple[Difference, ...]
    before: Any
    after: Any
    verdicts: list[Verdict] = field(default_factory=list)
    caused_by: Difference | None = None


class _Comparison:
    """The lines of one update."""

    def __init__(self, given: Update) -> None:
        self._update = given
        self._lines: dict[Difference, _Line] = {}
        self._replaced: dict[int, dict[Key, Difference]] = {}

    def changes(self) -> Iterator[Change]:
        """Yield a line for each difference of a resource, and for what follows."""
        pairing = self._update.pairing
        for key in pairing.same:
            self._same(key)
        for old, new in pairing.renamed:
            self._whole(old, new, renamed)
        for key in pairing.removed:
            self._whole(key, None, going)
        for key in pairing.added:
            self._whole(None, key, coming)
        for moment in self._update.moments:
            self._follow(moment)
        for place, line in self._lines.items():
            yield _change(self._update, place, line)

    def _same(self, key: Key) -> None:
        before = self._update.raw(self._update.before, key)
        after = self._update.raw(self._update.after, key)
        units = list(of_resources(key, before, after))
        for moment in self._update.moments:
            old, new = moment.old.resources.get(key), moment.new.resources.get(key)
            if old is None or new is None:
                self._condition(key, moment, units)
                continue
            for unit in units:
                site = Site(self._update, moment, key, key, unit.path, unit.before, unit.after)
                self._add(unit.place, site, unit, judged(site))
            if not units and old.properties == new.properties:
                continue
            written = [unit.path for unit in units]
            sides = _plain(old.properties), _plain(new.properties)
            for path, _, _ in between(*sides, any_schema(new.resource_type)):
                if not any(_related(path, other) for other in written):
                    self._resolved(key, moment, path)
        for unit in units:
            # A resource that exists under no choice that was looked at still has its line.
            if unit.place not in self._lines:
                self._unmade(key, unit)

    def _condition(self, key: Key, moment: Moment, units: Sequence[Unit]) -> None:
        """A resource that is made on one side only, by its condition."""
        old, new = moment.old.resources.get(key), moment.new.resources.get(key)
        if old is None and new is None:
            return
        site = Site(
            self._update, moment, key if old else None, key if new else None, (), None, None
        )
        verdicts = going(site) if old else coming(site)
        place = next(
            (u.place for u in units if u.path == ("@Condition",)), Difference(*key, "@Condition")
        )
        unit = next((u for u in units if u.path == ("@Condition",)), None)
        line = self._add(place, site, unit, verdicts)
        if unit is None:
            line.caused_by = Difference(key[0], "Conditions", "")
        for other in units:
            if other.path != ("@Condition",):
                self._add(other.place, site, other, verdicts)

    def _unmade(self, key: Key, unit: Unit) -> None:
        moment = self._update.moments[0]
        site = Site(self._update, moment, key, key, unit.path, unit.before, unit.after)
        self._lines[unit.place] = _Line(
            site,
            (unit.place,),
            unit.before,
            unit.after,
            [
                Verdict(
                    Danger.CANNOT_TELL,
                    f"{key[1]} changes, which is made under no condition that was looked at",
                    "conditions of the template",
                )
            ],
        )

    def _resolved(self, key: Key, moment: Moment, path: Path) -> None:
        """A value that changes though the resource is written as before."""
        site = Site(self._update, moment, key, key, path, None, None, follows=True)
        if not differs(site.was, site.now) or missing(site.was):
            # What the old templates did not tell either is no change that they show.
            return
        place = Difference(*key, dotted(path))
        line = self._add(place, site, None, judged(site))
        line.before, line.after = site.was, site.now
        line.caused_by = _origin(self._update, key[0])

    def _whole(self, old: Key | None, new: Key | None, judge: Any) -> None:
        covers = tuple(Difference(*key, "") for key in (old, new) if key)
        for moment in self._update.moments:
            site = Site(self._update, moment, old, new, (), None, None)
            if site.old is None and site.new is None:
                continue
            unit = Unit(
                covers[0],
                (),
                self._update.raw(self._update.before, old) or None,
                self._update.raw(self._update.after, new) or None,
            )
            line = self._add(covers[0], site, unit, judge(site))
            line.covers = covers
            if old and new:
                self._replaced.setdefault(id(moment), {})[new] = covers[0]
        if covers[0] not in self._lines:
            self._never_made(covers, old, new)

    def _never_made(self, covers: tuple[Difference, ...], old: Key | None, new: Key | None) -> None:
        moment = self._update.moments[0]
        self._lines[covers[0]] = _Line(
            Site(self._update, moment, old, new, (), None, None),
            covers,
            self._update.raw(self._update.before, old) or None,
            self._update.raw(self._update.after, new) or None,
            [
                Verdict(
                    Danger.CANNOT_TELL,
                    f"{covers[0].resource} {'goes' if old else 'comes'}, which is made under no "
                    "condition that was looked at",
                    "conditions of the template",
                )
            ],
        )

    def _add(
        self, place: Difference, site: Site, unit: Unit | None, verdicts: Iterable[Verdict]
    ) -> _Line:
        line = self._lines.get(place)
        if line is None:
            line = _Line(
                site,
                (place,) if unit else (),
                unit.before if unit else None,
                unit.after if unit else None,
            )
            self._lines[place] = line
        for verdict in verdicts:
            if verdict not in line.verdicts:
                line.verdicts.append(verdict)
            if verdict.remakes and site.old_key and site.new_key:
                replaced = self._replaced.setdefault(id(site.moment), {})
                replaced.setdefault(site.new_key, place)
        return line

    def _follow(self, moment: Moment) -> None:
        replaced = self._replaced.get(id(moment), {})
        for site, place, cause, verdicts in followers(self._update, moment, replaced):
            line = self._add(place, site, None, verdicts)
            if line.covers == ():
                line.caused_by = line.caused_by or cause


def _plain(value: Any) -> Any:
    """Return resolved values in a form in which equal ones are equal."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return identity(value) or repr(value)


def _related(one: Path, other: Path) -> bool:
    depth = min(len(one), len(other))
    return one[:depth] == other[:depth]


def _origin(given: Update, stack: str) -> Difference:
    """Return where a value that is written as before gets its new value from."""
    before, after = bodies(given.before), bodies(given.after)
    for section in ("Parameters", "Mappings", "Conditions"):
        sides = [side.get(stack, {}).get(section) for side in (before, after)]
        if sides[0] != sides[1]:
            return Difference(stack, section, "")
    for other in after:
        if before.get(other) != after.get(other) and other != stack:
            return Difference(other, "Outputs", "")
    return Difference(stack, "Resources", "")


def _change(given: Update, place: Difference, line: _Line) -> Change:
    verdicts = sorted(line.verdicts, key=lambda verdict: verdict.danger.rank)
    dangers = tuple(dict.fromkeys(verdict.danger for verdict in verdicts))
    if len(dangers) > 1:
        dangers = tuple(danger for danger in dangers if danger is not Danger.HARMLESS)
        verdicts = [verdict for verdict in verdicts if verdict.danger is not Danger.HARMLESS]
    raw = line.after if isinstance(line.after, Mapping) else {}
    if place.stack not in given.after.templates:
        verdicts = [v._replace(why=f"{v.why}; {DESTROYED}") for v in verdicts]
    found = line.site.new or line.site.old
    kind = found.resource_type if found else str(raw.get("Type", "")) or None
    return Change(
        stack=place.stack,
        resource=place.resource,
        property=place.property,
        dangers=dangers,
        what="; ".join(dict.fromkeys(v.what for v in verdicts if v.what)),
        why="; ".join(dict.fromkeys(v.why for v in verdicts if v.why)),
        instead="; ".join(dict.fromkeys(v.instead for v in verdicts if v.instead)),
        before=line.before,
        after=line.after,
        resource_type=kind,
        construct_path=found.place.construct_path if found else None,
        covers=line.covers,
        caused_by=line.caused_by,
    )
