"""Buckets: who may read them, what is deleted earlier, and which safeguard goes."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.data import FOREVER, entries, lasting, true
from ultracluster.review.changes.sources import AUTO_DELETE, BUCKETS, LIFECYCLE
from ultracluster.review.changes.update import linked
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, coming, going
from ultracluster.review.changes.words import count, known_text, quoted

BUCKET: Final = "AWS::S3::Bucket"
EMPTIED: Final = "aws-cdk:auto-delete-objects"
"""Tag by which CDK's helper knows that it may empty a bucket."""


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
            f"objects or versions in {site.name} are deleted after {lasting(new)} instead of "
            f"{'never' if old == FOREVER else lasting(old)}",
            LIFECYCLE,
        )
    for old, new in later:
        yield Verdict(
            Danger.COSTS_MORE,
            f"objects or versions in {site.name} are kept {lasting(new)} instead of {lasting(old)}",
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
def will_be_emptied(_site: Site) -> Iterator[Verdict]:
    """CDK's helper makes that data goes with the stack."""
    yield Verdict(
        Danger.LOSES_DATA,
        "every object of the bucket will be deleted with the stack",
        AUTO_DELETE,
        "leave auto_delete_objects off where the data matters",
    )
