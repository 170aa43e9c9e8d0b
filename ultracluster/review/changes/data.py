"""Logs, images and keys: what is deleted earlier, and which safeguard goes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.retention import STATEFUL, removed
from ultracluster.review.changes.sources import IMAGES, KEYS, LOGS
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed, going
from ultracluster.review.changes.words import count, holdings, known_text, quoted
from ultracluster.templates.reading import items

FOREVER: Final = 10**6
"""Days, in place of a retention that is not written."""


def true(value: Any) -> bool:
    """Whether a value is known to be true."""
    return known_text(value) in ("true", "True")


@going(*STATEFUL)
def data_removed(site: Site) -> Iterator[Verdict]:
    """Judge what is in it."""
    assert site.old is not None  # noqa: S101  (it was there)
    yield from removed(site.old)


@changed("AWS::Logs::LogGroup")
def log_retention(site: Site) -> Iterator[Verdict]:
    """Judge how long logs are kept."""
    if site.path != ("RetentionInDays",):
        return
    was, now = (count(v) if v is not None else FOREVER for v in (site.was, site.now))
    days = f"{lasting(was)} instead of {lasting(now)}"
    if was is None or now is None:
        yield Verdict(Danger.CANNOT_TELL, "how long logs are kept is not known", LOGS)
    elif now < was:
        yield Verdict(
            Danger.LOSES_DATA,
            f"logs are kept {lasting(now)} instead of {lasting(was)}: older ones are deleted "
            "within 72 hours",
            LOGS,
            "export what must be kept first (aws logs create-export-task)",
        )
    elif now > was:
        yield Verdict(
            Danger.COSTS_MORE,
            f"logs are kept {lasting(now)} instead of {lasting(was)}",
            f"stored logs are billed by the GB and month; {LOGS}",
        )
    else:
        yield Verdict(Danger.HARMLESS, f"logs are kept {days}", LOGS)


def lasting(value: int | None) -> str:
    """Return a number of days in words."""
    return "for ever" if value == FOREVER else f"{value:,} days"


@changed("AWS::ECR::Repository")
def images(site: Site) -> Iterator[Verdict]:
    """Judge what may happen to images."""
    if site.path == ("ImageTagMutability",):
        mutable = known_text(site.now) in (None, "MUTABLE")
        yield Verdict(
            Danger.LOOSENS_SECURITY if mutable else Danger.INTERRUPTS,
            "a tag may be moved to another image: what was tested is not what runs"
            if mutable
            else "a push to a tag that is there is refused",
            IMAGES,
        )
    if site.touches("ImageScanningConfiguration"):
        scans = true(site.both("ImageScanningConfiguration", "ScanOnPush")[1])
        yield Verdict(
            Danger.HARMLESS if scans else Danger.LOOSENS_SECURITY,
            f"images are {'' if scans else 'not '}scanned when they are pushed",
            IMAGES,
        )
    if site.path == ("EmptyOnDelete",):
        yield Verdict(
            Danger.LOSES_DATA if true(site.now) else Danger.HARMLESS,
            "images are deleted with the repository"
            if true(site.now)
            else "a repository with images is not deleted",
            IMAGES,
        )
    if site.touches("LifecyclePolicy"):
        yield _expiring(*site.both("LifecyclePolicy", "LifecyclePolicyText"))


def _expiring(before: Any, after: Any) -> Verdict:
    """Return what another lifecycle policy deletes."""
    if after is None:
        return Verdict(Danger.COSTS_MORE, "images no longer expire", IMAGES)
    was, now = _kept(before), _kept(after)
    if now is None or (before is not None and was is None):
        return Verdict(Danger.CANNOT_TELL, "which images expire cannot be read", IMAGES)
    if was is not None and was <= now:
        return Verdict(Danger.COSTS_MORE, "images are kept longer or in greater number", IMAGES)
    return Verdict(Danger.LOSES_DATA, "images expire sooner, or more of them", IMAGES)


class _Kept(tuple[tuple[str, int], ...]):
    """How many images or days each selection of a lifecycle policy keeps."""

    __slots__ = ()

    def __le__(self, other: object) -> bool:
        """Whether another policy expires nothing that this one does not."""
        mine = dict(self)
        return isinstance(other, _Kept) and all(
            selection in mine and mine[selection] <= number for selection, number in other
        )


def _kept(value: Any) -> _Kept | None:
    """Return what a lifecycle policy keeps; None where that cannot be read."""
    try:
        rules = json.loads(known_text(value) or "")["rules"]
        return _Kept(
            (
                json.dumps({k: v for k, v in rule["selection"].items() if k != "countNumber"}),
                int(rule["selection"]["countNumber"]),
            )
            for rule in rules
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@changed("AWS::KMS::Key")
def key_state(site: Site) -> Iterator[Verdict]:
    """Judge rotation, the state of a key and how long its deletion can be taken back."""
    if site.path == ("EnableKeyRotation",):
        on = true(site.now)
        yield Verdict(
            Danger.HARMLESS if on else Danger.LOOSENS_SECURITY,
            f"{site.name} is {'' if on else 'no longer '}rotated every year",
            f"rotation keeps old key material for what was encrypted with it ({KEYS})",
        )
    if site.path == ("RotationPeriodInDays",):
        was, now = (count(v) or 365 for v in (site.was, site.now))
        yield Verdict(
            Danger.LOOSENS_SECURITY if now > was else Danger.HARMLESS,
            f"{site.name} is rotated every {now} days instead of {was}",
            KEYS,
        )
    if site.path == ("Enabled",):
        off = known_text(site.now) == "false"
        yield Verdict(
            Danger.INTERRUPTS if off else Danger.HARMLESS,
            f"nothing that is encrypted under {site.name} can be read"
            if off
            else f"{site.name} can be used",
            f"a disabled key decrypts nothing ({KEYS})",
        )
    if site.path == ("PendingWindowInDays",):
        was, now = (count(v) or 30 for v in (site.was, site.now))
        yield Verdict(
            Danger.LOSES_DATA if now < was else Danger.HARMLESS,
            f"the deletion of {site.name} can be taken back for {now} days instead of {was}",
            f"then all that is encrypted under it is gone ({KEYS})",
        )
    if site.path == ("BypassPolicyLockoutSafetyCheck",) and true(site.now):
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"a policy that locks everybody out of {site.name} is not refused",
            KEYS,
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


@changed(ANY)
def protection(site: Site) -> Iterator[Verdict]:
    """Judge protection from deletion, and encryption, of any type."""
    name = site.path[-1]
    if site.path[0].startswith("@") or site.old is None or site.new is None:
        return
    if name in PROTECTIONS:
        kept = known_text(site.now) not in (None, "false", "none")
        danger = Danger.LOSES_DATA if site.type in STATEFUL else Danger.LOOSENS_SECURITY
        yield Verdict(
            Danger.HARMLESS if kept else danger,
            f"{site.name} is {'' if kept else 'no longer '}protected from deletion"
            + (f": {holdings(site.new)} may go" if not kept and site.type in STATEFUL else ""),
            f"{name} is {quoted(site.now)}",
        )
    elif name in ENCRYPTIONS and site.was is not None:
        off = site.now is None or known_text(site.now) == "false"
        if off:
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                f"{site.name} is no longer encrypted by the key or in the way it was",
                f"{name} is {quoted(site.now)}",
            )


def entries(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, none where it is not known."""
    try:
        return [item for item in items(value) if isinstance(item, Mapping)]
    except LookupError:
        return []
