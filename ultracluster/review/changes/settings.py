"""Single properties: a number that falls or rises, a safeguard that is switched off."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.capacity import accelerators, instance_type
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import Path
from ultracluster.review.changes.money import hourly
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed
from ultracluster.review.changes.words import count, holdings, known_text, quoted, true
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

PROTECTIONS: Final = frozenset(
    {
        "DeletionProtection",
        "DeletionProtectionEnabled",
        "DisableApiStop",
        "DisableApiTermination",
        "EnableTerminationProtection",
        "TerminationProtection",
    }
)
ENCRYPTIONS: Final = frozenset(
    {"Encrypted", "EncryptionAtRestOptions", "KmsKeyId", "KmsMasterKeyId", "SSESpecification"}
    | {"StorageEncrypted", "EncryptionConfiguration"}
)
BACKUP_DAYS: Final = ("AutomaticBackupRetentionDays", "BackupRetentionPeriod")
RESTORABLE: Final = "PointInTimeRecoveryEnabled"


@changed(ANY)
def setting(site: Site) -> Iterator[Verdict]:
    """Judge what the record of the type says of a property."""
    if site.old is None or site.new is None:
        return
    for known in resource_type(site.type).settings:
        for dotted in known.paths:
            path = tuple(dotted.split("."))
            if site.touches(*path) and site.differs(*path):
                yield from _judged(site, known, path)


def _judged(site: Site, known: Setting, path: Path) -> Iterator[Verdict]:
    was, now = site.both(*path)
    values: dict[str, Any] = {
        "name": site.name,
        "path": path[-1],
        "was": quoted(was),
        "now": quoted(now),
    }
    says = known.says.format_map(values)
    match known:
        case Amount():
            yield _amount(site, known, path, values)
        case Switch():
            before, after = (known_text(value) in known.dangerous for value in (was, now))
            if after and not before:
                yield Verdict(known.danger, says, known.why, known.instead)
            elif before and not after:
                says = known.says_otherwise.format_map(values)
                yield Verdict(known.otherwise, says, known.why)
        case Part():
            changed = known.says_changed.format_map(values)
            gone = now is None or now == []
            yield Verdict(
                known.gone if gone else Danger.HARMLESS, says if gone else changed, known.why
            )
        case Members():
            gone, come = lost(was, now), lost(now, was)
            if gone:
                said = known.says_lost.format_map(values | {"members": _listed(gone)})
                yield Verdict(known.lost, said, known.why)
            if come:
                said = known.says_gained.format_map(values | {"members": _listed(come)})
                yield Verdict(known.gained, said, known.why)
        case Note():
            yield Verdict(known.danger, says, known.why, known.instead)


def _amount(site: Site, known: Amount, path: Path, values: Mapping[str, Any]) -> Verdict:
    old, new = (known.unset if v is None else count(v) for v in site.both(*path))
    old, new = (FOREVER if n is not None and n == known.endless else n for n in (old, new))
    if old is None or new is None:
        says = f"{'.'.join(path)} of {values['name']} is not known before and after"
        return Verdict(Danger.CANNOT_TELL, says, known.why)
    written = {"was": known.written(old), "now": known.written(new)}
    money = ""
    if known.unit == "nodes":
        kind = instance_type(site.moment.new, site.new)
        written["now"] = accelerators(kind, new)
        money = hourly(site, kind, new - old) if new > old else ""
    says = known.says.format_map({**values, **written})
    says += f"; {new - old:,} more{money}" if money else ""
    if new < old:
        return Verdict(known.less, says, known.why, known.instead)
    return Verdict(known.more if new > old else Danger.HARMLESS, says, known.why)


def _listed(values: list[Any]) -> str:
    return ", ".join(map(quoted, values))


@changed(ANY)
def protection(site: Site) -> Iterator[Verdict]:
    """Judge protection from deletion, encryption and backups by their names, of any type."""
    name = site.path[-1]
    if site.path[0].startswith("@") or site.old is None or site.new is None:
        return
    data = resource_type(site.type).holds
    why = f"{name} is {quoted(site.now)}"
    if name in PROTECTIONS:
        if known_text(site.now) not in (None, "false", "none"):
            yield Verdict(Danger.HARMLESS, f"{site.name} is protected from deletion", why)
        else:
            danger = Danger.LOSES_DATA if data else Danger.LOOSENS_SECURITY
            more = f": {holdings(site.new)} may be lost" if data else ""
            yield Verdict(danger, f"{site.name} is no longer protected from deletion{more}", why)
    elif name in ENCRYPTIONS and site.was is not None:
        if site.now is None or known_text(site.now) == "false":
            says = f"{site.name} is no longer encrypted by the key or in the way it was"
            yield Verdict(Danger.LOOSENS_SECURITY, says, why)
    elif name in BACKUP_DAYS:
        was, now = (count(value) or 0 for value in (site.was, site.now))
        less = now < was
        says = f"automatic backups of {site.name} are kept {now} days instead of {was}"
        yield Verdict(
            Danger.LOSES_DATA if less else Danger.COSTS_MORE,
            says + (": no more are made" if now == 0 else ""),
            f"{why}; whether backups that are there are deleted as well is taken for yes",
            "copy the backups that matter first" if less else "",
        )
    elif name == RESTORABLE and not true(site.now):
        says = f"{site.name} can no longer be restored: its continuous backups are deleted"
        yield Verdict(Danger.LOSES_DATA, says, why)
