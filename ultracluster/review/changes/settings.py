"""Single properties: a number that falls or rises, a safeguard that is switched off."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.registry.schemas import at
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import Path
from ultracluster.review.changes.nodes import accelerators, instance_type
from ultracluster.review.changes.update import ANY, Edit, Effect, when
from ultracluster.review.naming import holdings, hourly, quoted
from ultracluster.review.resolved import count, known_text, lost, true
from ultracluster.review.resource_types import FOREVER, Setting, days, resource_type
from ultracluster.review.tables import NAMES

FLAG: Final = ("PointInTimeRecoveryEnabled",)
"""Of continuous backups, within their section."""


@when("changed", ANY)
def setting(edit: Edit) -> Iterator[Effect]:
    for known in resource_type(edit.type).settings:
        for dotted in known.paths:
            path = tuple(dotted.split("."))
            if edit.touches(*path) and edit.differs(*path):
                yield from _judged(edit, known, path)


def _judged(edit: Edit, known: Setting, path: Path) -> Iterator[Effect]:
    was, now = edit.both(*path)
    values = {"name": edit.name, "path": path[-1], "was": quoted(was), "now": quoted(now)}
    says = f"{'.'.join(path)} of {edit.name} is not known before and after"
    not_known = Effect(Danger.CANNOT_TELL, says, known.why)
    match known.kind:
        case "amount":
            yield _amount(edit, known, path, values) or not_known
        case "switch":
            before, after = (known_text(value) in known.dangerous for value in (was, now))
            if any(value is not None and known_text(value) is None for value in (was, now)):
                yield not_known
            elif before is not after:
                yield _said(known, values, otherwise=before)
        case "members":
            for members, come in ((lost(was, now), False), (lost(now, was), True)):
                values["members"] = ", ".join(map(quoted, members))
                if members:
                    yield _said(known, values, otherwise=come)
        case _:
            there = now is not None and now != []
            yield _said(known, values, otherwise=known.kind == "part" and there)


def _said(known: Setting, values: Mapping[str, str], *, otherwise: bool) -> Effect:
    if otherwise:
        return Effect(known.otherwise, known.says_otherwise.format_map(values), known.why)
    return Effect(known.danger, known.says.format_map(values), known.why, known.instead)


def _amount(edit: Edit, known: Setting, path: Path, values: Mapping[str, str]) -> Effect | None:
    """Return what a number does that falls or rises, None where it is not known."""
    old, new = (known.unset if v is None else count(v) for v in edit.both(*path))
    old, new = (FOREVER if n is not None and n == known.endless else n for n in (old, new))
    if old is None or new is None:
        return None
    was, now = (days(n) if known.unit == "days" else f"{n:,}" for n in (old, new))
    money = ""
    if known.unit == "nodes":
        kind = instance_type(edit.pair.new, edit.new)
        now = accelerators(kind, new)
        money = hourly(edit.region, kind, new - old) if new > old else ""
    says = known.says.format_map({**values, "was": was, "now": now})
    says += f"; {new - old:,} more{money}" if money else ""
    if new < old:
        return Effect(known.danger, says, known.why, known.instead)
    return Effect(known.otherwise if new > old else Danger.HARMLESS, says, known.why)


@when("changed", ANY)
def protection(edit: Edit) -> Iterator[Effect]:
    """Judge protection from deletion, encryption and backups by their names, of any type."""
    name, data = edit.path[-1], resource_type(edit.type).holds
    why = f"{name} is {quoted(edit.now)}"
    if name in NAMES["protections"]:
        if known_text(edit.now) not in (None, "false", "none"):
            yield Effect(Danger.HARMLESS, f"{edit.name} is protected from deletion", why)
        else:
            danger = Danger.LOSES_DATA if data else Danger.LOOSENS_SECURITY
            more = f": {holdings(edit.resource)} may be lost" if data else ""
            yield Effect(danger, f"{edit.name} is no longer protected from deletion{more}", why)
    elif name in NAMES["encryptions"] and edit.was is not None:
        if edit.now is None or known_text(edit.now) == "false":
            says = f"{edit.name} is no longer encrypted by the key or in the way it was"
            yield Effect(Danger.LOOSENS_SECURITY, says, why)
    elif name in NAMES["backup_days"]:
        was, now = (count(value) or 0 for value in (edit.was, edit.now))
        less = now < was
        says = f"automatic backups of {edit.name} are kept {days(now)} instead of {days(was)}"
        yield Effect(
            Danger.LOSES_DATA if less else Danger.COSTS_MORE,
            says + (": no more are made" if now == 0 else ""),
            f"{why}; it is assumed that this deletes existing backups as well",
            "copy the backups that matter first" if less else "",
        )
    elif name in NAMES["restorable"] and not true(edit.now) and not true(at(edit.now, FLAG)):
        says = f"{edit.name} can no longer be restored: its continuous backups are deleted"
        yield Effect(Danger.LOSES_DATA, says, why)
