"""Buckets: how objects are encrypted, and when they expire."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.registry.schemas import at
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_added, when_changed, when_removed
from ultracluster.review.known import count, entries, known_text, linked
from ultracluster.review.resource_types import FOREVER, days
from ultracluster.review.tables import AUTO_DELETE, BUCKETS, LIFECYCLE

BUCKET: Final = "AWS::S3::Bucket"
EMPTIED: Final = "aws-cdk:auto-delete-objects"
"""Tag by which CDK's helper knows that it may empty a bucket."""
EXPIRIES: Final = (
    ("ExpirationInDays",),
    ("NoncurrentVersionExpirationInDays",),
    ("NoncurrentVersionExpiration", "NoncurrentDays"),
)


@when_changed(BUCKET)
def encryption(edit: Edit) -> Iterator[Effect]:
    if not edit.touches("BucketEncryption"):
        return
    was, now = (_algorithm(value) for value in edit.both("BucketEncryption"))
    weaker = was.startswith("aws:kms") and not now.startswith("aws:kms")
    says = f"new objects of {edit.name} are encrypted by {now}"
    yield Effect(
        Danger.LOOSENS_SECURITY if weaker else Danger.HARMLESS,
        f"{says} instead of {was}" if was != now else f"{says} with another setting",
        f"PutBucketEncryption is of new objects ({BUCKETS})",
        "keep the customer's key" if weaker else "",
    )


def _algorithm(encryption: Any) -> str:
    for rule in entries(at(encryption, ("ServerSideEncryptionConfiguration",))):
        named = known_text(at(rule, ("ServerSideEncryptionByDefault", "SSEAlgorithm")))
        if named:
            return named
    return "S3's own keys"


@when_changed(BUCKET)
def lifecycle(edit: Edit) -> Iterator[Effect]:
    if not edit.touches("LifecycleConfiguration"):
        return
    before, after = (_expiry(v) for v in edit.both("LifecycleConfiguration", "Rules"))
    pairs = list(zip(before, after, strict=True))
    for was, now in pairs:
        if now < was:
            old = "never" if was == FOREVER else days(was)
            says = f"objects or versions in {edit.name} are deleted after {days(now)} instead of "
            yield Effect(Danger.LOSES_DATA, says + old, LIFECYCLE)
        elif now > was:
            says = f"objects or versions in {edit.name} are kept {days(now)} instead of {days(was)}"
            yield Effect(Danger.COSTS_MORE, says, LIFECYCLE)
    if all(now == was for was, now in pairs):
        says = f"other rules clean up or move objects of {edit.name}; none expires sooner"
        yield Effect(Danger.COSTS_MORE, says, LIFECYCLE)


def _expiry(rules: Any) -> list[int]:
    """Return the shortest expiry of each kind, in days, over the rules that are on."""
    active = [rule for rule in entries(rules) if known_text(rule.get("Status")) == "Enabled"]
    return [
        min((n for rule in active if (n := count(at(rule, path))) is not None), default=FOREVER)
        for path in EXPIRIES
    ]


@when_removed("Custom::S3AutoDeleteObjects")
def emptied(edit: Edit) -> Iterator[Effect]:
    """CDK's helper empties its bucket when it is removed, if the bucket still has its tag."""
    helper = edit.resource.properties
    bucket = next(iter(linked(helper.get("BucketName"))), None)
    left = edit.pair.new.at(bucket) if bucket else None
    tags = entries(left.properties.get("Tags")) if left else []
    if left and not any(known_text(tag.get("Key")) == EMPTIED for tag in tags):
        says = "CDK's helper leaves the bucket as it is: the bucket loses its tag first"
        yield Effect(Danger.HARMLESS, says, AUTO_DELETE)
    else:
        says = f"CDK's helper empties the bucket: the bucket keeps the tag {EMPTIED}"
        advice = f"deploy without the tag {EMPTIED} first"
        yield Effect(Danger.LOSES_DATA, says, AUTO_DELETE, advice)


@when_added("Custom::S3AutoDeleteObjects")
def will_be_emptied(_site: Edit) -> Iterator[Effect]:
    says = "every object of the bucket will be deleted with the stack"
    advice = "leave auto_delete_objects off where the data matters"
    yield Effect(Danger.LOSES_DATA, says, AUTO_DELETE, advice)
