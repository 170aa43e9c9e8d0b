"""Single properties: a number that falls or rises, a safeguard that is switched off."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.registry.schemas import at
from ultracluster.review.changes.capacity import accelerators, instance_type
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import Path
from ultracluster.review.changes.rules import ANY, Edit, Effect, when_changed
from ultracluster.review.changes.values import count, known_text, lost, true
from ultracluster.review.changes.wording import holdings, hourly, quoted
from ultracluster.review.resource_types import (
    FOREVER,
    Amount,
    Members,
    Note,
    Part,
    Setting,
    Switch,
    resource_type,
)
from ultracluster.review.tables import NAMES

FLAG: Final = ("PointInTimeRecoveryEnabled",)
"""Of continuous backups, within their section."""


@when_changed(ANY)
def setting(edit: Edit) -> Iterator[Effect]:
    if edit.old is None or edit.new is None:
        return
    for known in resource_type(edit.type).settings:
        for dotted in known.paths:
            path = tuple(dotted.split("."))
            if edit.touches(*path) and edit.differs(*path):
                yield from _judged(edit, known, path)


def _judged(edit: Edit, known: Setting, path: Path) -> Iterator[Effect]:
    was, now = edit.both(*path)
    values: dict[str, Any] = {
        "name": edit.name,
        "path": path[-1],
        "was": quoted(was),
        "now": quoted(now),
    }
    says = known.says.format_map(values)
    match known:
        case Amount():
            yield _amount(edit, known, path, values)
        case Switch():
            yield from _switch(edit, known, path, values)
        case Part():
            if now is None or now == []:
                yield Effect(known.gone, says, known.why)
            else:
                yield Effect(known.changed, known.says_changed.format_map(values), known.why)
        case Members():
            for members, danger, said in (
                (lost(was, now), known.lost, known.says_lost),
                (lost(now, was), known.gained, known.says_gained),
            ):
                values["members"] = ", ".join(map(quoted, members))
                if members:
                    yield Effect(danger, said.format_map(values), known.why)
        case Note():
            yield Effect(known.danger, says, known.why, known.instead)


def _switch(edit: Edit, known: Switch, path: Path, values: Mapping[str, Any]) -> Iterator[Effect]:
    both = edit.both(*path)
    before, after = (known_text(value) in known.dangerous for value in both)
    if any(value is not None and known_text(value) is None for value in both):
        yield _not_known(known, path, values)
    elif after and not before:
        yield Effect(known.danger, known.says.format_map(values), known.why, known.instead)
    elif before and not after:
        yield Effect(known.otherwise, known.says_otherwise.format_map(values), known.why)


def _amount(edit: Edit, known: Amount, path: Path, values: Mapping[str, Any]) -> Effect:
    old, new = (known.unset if v is None else count(v) for v in edit.both(*path))
    old, new = (FOREVER if n is not None and n == known.endless else n for n in (old, new))
    if old is None or new is None:
        return _not_known(known, path, values)
    written = {"was": known.written(old), "now": known.written(new)}
    money = ""
    if known.unit == "nodes":
        kind = instance_type(edit.pair.new, edit.new)
        written["now"] = accelerators(kind, new)
        money = hourly(edit.region, kind, new - old) if new > old else ""
    says = known.says.format_map({**values, **written})
    says += f"; {new - old:,} more{money}" if money else ""
    if new < old:
        return Effect(known.less, says, known.why, known.instead)
    return Effect(known.more if new > old else Danger.HARMLESS, says, known.why)


def _not_known(known: Setting, path: Path, values: Mapping[str, Any]) -> Effect:
    says = f"{'.'.join(path)} of {values['name']} is not known before and after"
    return Effect(Danger.CANNOT_TELL, says, known.why)


@when_changed(ANY)
def protection(edit: Edit) -> Iterator[Effect]:
    """Judge protection from deletion, encryption and backups by their names, of any type."""
    name = edit.path[-1]
    if edit.beside or edit.old is None or edit.new is None:
        return
    data = resource_type(edit.type).holds
    why = f"{name} is {quoted(edit.now)}"
    if name in NAMES["protections"]:
        if known_text(edit.now) not in (None, "false", "none"):
            yield Effect(Danger.HARMLESS, f"{edit.name} is protected from deletion", why)
        else:
            danger = Danger.LOSES_DATA if data else Danger.LOOSENS_SECURITY
            more = f": {holdings(edit.new)} may be lost" if data else ""
            yield Effect(danger, f"{edit.name} is no longer protected from deletion{more}", why)
    elif name in NAMES["encryptions"] and edit.was is not None:
        if edit.now is None or known_text(edit.now) == "false":
            says = f"{edit.name} is no longer encrypted by the key or in the way it was"
            yield Effect(Danger.LOOSENS_SECURITY, says, why)
    elif name in NAMES["backup_days"]:
        was, now = (count(value) or 0 for value in (edit.was, edit.now))
        less = now < was
        says = f"automatic backups of {edit.name} are kept {now} days instead of {was}"
        yield Effect(
            Danger.LOSES_DATA if less else Danger.COSTS_MORE,
            says + (": no more are made" if now == 0 else ""),
            f"{why}; whether backups that are there are deleted as well is taken for yes",
            "copy the backups that matter first" if less else "",
        )
    elif name in NAMES["restorable"] and not true(edit.now) and not true(at(edit.now, FLAG)):
        says = f"{edit.name} can no longer be restored: its continuous backups are deleted"
        yield Effect(Danger.LOSES_DATA, says, why)
