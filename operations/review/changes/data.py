"""Buckets, logs, images and keys: what is deleted earlier, and which safeguard goes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from constructs_lib.rules.reading import items
from operations.review.changes.change import Danger
from operations.review.changes.retention import STATEFUL, removed
from operations.review.changes.sources import AUTO_DELETE, BUCKETS, IMAGES, KEYS, LIFECYCLE, LOGS
from operations.review.changes.update import linked
from operations.review.changes.verdict import ANY, Site, Verdict, at, changed, coming, going
from operations.review.changes.words import count, holdings, known_text, quoted

EMPTIED: Final = "aws-cdk:auto-delete-objects"
BUCKET: Final = "AWS::S3::Bucket"
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
    days = f"{_days(was)} instead of {_days(now)}"
    if was is None or now is None:
        yield Verdict(Danger.CANNOT_TELL, "how long logs are kept is not known", LOGS)
    elif now < was:
        yield Verdict(
            Danger.LOSES_DATA,
            f"logs are kept {_days(now)} instead of {_days(was)}: older ones are deleted within "
            "72 hours",
            LOGS,
            "export what must be kept first (aws logs create-export-task)",
        )
    elif now > was:
        yield Verdict(
            Danger.COSTS_MORE,
            f"logs are kept {_days(now)} instead of {_days(was)}",
            f"stored logs are billed by the GB and month; {LOGS}",
        )
    else:
        yield Verdict(Danger.HARMLESS, f"logs are kept {days}", LOGS)


def _days(value: int | None) -> str:
    return "for ever" if value == FOREVER else f"{value:,} days"


@changed(BUCKET)
def public_access(site: Site) -> Iterator[Verdict]:
    """Judge the block of public access."""
    if site.touches("PublicAccessBlockConfiguration"):
        names = (
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        )
        pairs = {n: site.both("PublicAccessBlockConfiguration", n) for n in names}
        opened = [n for n, (was, now) in pairs.items() if true(was) and not true(now)]
        yield Verdict(
            Danger.LOOSENS_SECURITY if opened else Danger.HARMLESS,
            f"{site.name} may be made public: {', '.join(opened)} is off"
            if opened
            else f"{site.name} is closed to the public more than before",
            f"Block Public Access ({BUCKETS})",
            "keep all four on" if opened else "",
        )
    if site.path == ("AccessControl",):
        yield Verdict(
            Danger.LOOSENS_SECURITY if "Public" in quoted(site.now) else Danger.CANNOT_TELL,
            f"the canned ACL of {site.name} becomes {quoted(site.now)}",
            f"ACLs ({BUCKETS})",
        )
    if site.touches("OwnershipControls"):
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"whether ACLs hold for {site.name} changes",
            f"only BucketOwnerEnforced turns them off ({BUCKETS})",
        )


@changed(BUCKET)
def bucket_safeguards(site: Site) -> Iterator[Verdict]:
    """Judge encryption, versions and access logs."""
    if site.touches("BucketEncryption"):
        was, now = (_algorithm(value) for value in site.both("BucketEncryption"))
        weaker = was.startswith("aws:kms") and not now.startswith("aws:kms")
        yield Verdict(
            Danger.LOOSENS_SECURITY if weaker else Danger.HARMLESS,
            f"new objects of {site.name} are encrypted by {now} instead of {was}"
            if was != now
            else f"new objects of {site.name} are encrypted by {now} with another setting",
            f"PutBucketEncryption is of new objects ({BUCKETS})",
            "keep the customer's key" if weaker else "",
        )
    if site.touches("VersioningConfiguration"):
        on = known_text(site.both("VersioningConfiguration", "Status")[1]) == "Enabled"
        yield Verdict(
            Danger.COSTS_MORE if on else Danger.LOSES_DATA,
            f"every version of an object of {site.name} is kept"
            if on
            else f"what is overwritten or deleted in {site.name} is gone from now on",
            f"versioning ({BUCKETS})",
            "" if on else "keep versioning on",
        )
    if site.touches("LoggingConfiguration") and site.both("LoggingConfiguration")[1] is None:
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"access to {site.name} is no longer logged",
            f"server access logs ({BUCKETS})",
        )
    elif site.touches("LoggingConfiguration"):
        yield Verdict(Danger.HARMLESS, f"access to {site.name} is logged elsewhere", BUCKETS)
    if site.touches("ReplicationConfiguration"):
        gone = site.now is None
        yield Verdict(
            Danger.INTERRUPTS if gone else Danger.COSTS_MORE,
            f"{site.name} is {'no longer' if gone else 'otherwise'} replicated",
            BUCKETS,
        )
    if site.touches("WebsiteConfiguration") and site.now is not None:
        yield Verdict(Danger.LOOSENS_SECURITY, f"{site.name} is a web site", BUCKETS)


def _algorithm(encryption: Any) -> str:
    rules = at(encryption, ("ServerSideEncryptionConfiguration",))
    for rule in rules if isinstance(rules, list) else ():
        named = known_text(at(rule, ("ServerSideEncryptionByDefault", "SSEAlgorithm")))
        if named:
            return named
    return "S3's own keys"


EXPIRIES: Final = (
    ("ExpirationInDays",),
    ("NoncurrentVersionExpirationInDays",),
    ("NoncurrentVersionExpiration", "NoncurrentDays"),
)


@changed(BUCKET)
def lifecycle(site: Site) -> Iterator[Verdict]:
    """Judge when objects expire."""
    if not site.touches("LifecycleConfiguration"):
        return
    was, now = (_expiry(v) for v in site.both("LifecycleConfiguration", "Rules"))
    sooner = [(old, new) for old, new in zip(was, now, strict=True) if new < old]
    later = [(old, new) for old, new in zip(was, now, strict=True) if new > old]
    for old, new in sooner:
        yield Verdict(
            Danger.LOSES_DATA,
            f"objects or versions in {site.name} are deleted after {_days(new)} instead of "
            f"{'never' if old == FOREVER else _days(old)}",
            LIFECYCLE,
        )
    for old, new in later:
        yield Verdict(
            Danger.COSTS_MORE,
            f"objects or versions in {site.name} are kept {_days(new)} instead of {_days(old)}",
            LIFECYCLE,
        )
    if not sooner and not later:
        yield Verdict(
            Danger.COSTS_MORE,
            f"other rules clean up or move objects of {site.name}; none expires sooner",
            LIFECYCLE,
        )


def _expiry(rules: Any) -> list[int]:
    """Return the shortest expiry of each kind, in days, over the rules that are on."""
    found = [FOREVER] * len(EXPIRIES)
    for rule in rules if isinstance(rules, list) else ():
        if known_text(at(rule, ("Status",))) != "Enabled":
            continue
        for index, path in enumerate(EXPIRIES):
            days = count(at(rule, path))
            found[index] = min(found[index], FOREVER if days is None else days)
    return found


@going("Custom::S3AutoDeleteObjects")
def emptied(site: Site) -> Iterator[Verdict]:
    """CDK's helper empties its bucket when it goes, if the bucket still has its tag."""
    assert site.old is not None  # noqa: S101  (it was there)
    bucket = next(iter(linked(site.old.properties.get("BucketName"))), None)
    left = site.moment.new.resources.get(bucket) if bucket else None
    tags = entries(left.properties.get("Tags")) if left else []
    if left and not any(known_text(tag.get("Key")) == EMPTIED for tag in tags):
        yield Verdict(
            Danger.HARMLESS,
            "CDK's helper leaves the bucket as it is: the bucket loses its tag first",
            AUTO_DELETE,
        )
        return
    yield Verdict(
        Danger.LOSES_DATA,
        f"CDK's helper empties the bucket when it goes: the bucket keeps the tag {EMPTIED}",
        AUTO_DELETE,
        f"deploy without the tag {EMPTIED} first",
    )


@coming("Custom::S3AutoDeleteObjects")
def will_be_emptied(site: Site) -> Iterator[Verdict]:
    """CDK's helper makes that data goes with the stack."""
    yield Verdict(
        Danger.LOSES_DATA,
        "every object of the bucket will be deleted with the stack",
        AUTO_DELETE,
        "leave auto_delete_objects off where the data matters",
    )


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
        was, now = (_kept(v) for v in site.both("LifecyclePolicy", "LifecyclePolicyText"))
        yield Verdict(
            Danger.COSTS_MORE if now is None or (was and was <= now) else Danger.LOSES_DATA,
            "images are kept longer or in greater number"
            if now is None or (was and was <= now)
            else "images may expire sooner or in greater number",
            IMAGES,
        )


class _Kept(tuple[tuple[str, int], ...]):
    """How many images or days each selection of a lifecycle policy keeps."""

    def __le__(self, other: object) -> bool:
        """Whether another policy expires nothing that this one does not."""
        mine = dict(self)
        return isinstance(other, _Kept) and all(
            selection in mine and mine[selection] <= number for selection, number in other
        )


def _kept(value: Any) -> _Kept | None:
    """Return what a lifecycle policy keeps; None where there is none."""
    if value is None:
        return None
    try:
        rules = json.loads(known_text(value) or "{}").get("rules", [])
        return _Kept(
            (
                json.dumps({k: v for k, v in rule["selection"].items() if k != "countNumber"}),
                int(rule["selection"]["countNumber"]),
            )
            for rule in rules
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Kept()


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
