"""Lustre file systems and buckets: what an update in place does, and what the service refuses."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.lustre import problems
from ultracluster.model.storage import FileSystem
from ultracluster.registry.schemas import at
from ultracluster.review import tables as source
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.replacement import outlives
from ultracluster.review.changes.update import Edit, Effect, when
from ultracluster.review.naming import holdings, monthly, quoted, tebibytes
from ultracluster.review.resolved import count, entries, known_text, linked, or_none, read
from ultracluster.review.resource_types import FOREVER, days

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
CONFIGURATION: Final = "LustreConfiguration"
COPY: Final = "make a second file system beside the first, copy, switch over"


@when("changed", FILE_SYSTEM)
def refused(edit: Edit) -> Iterator[Effect]:
    """Judge a value that FSx takes for no file system, new or old."""
    was, now = edit.former.properties, edit.resource.properties
    before = {problem.field for problem in problems(was)}
    for problem in problems(now) if known_text(now.get("FileSystemType")) == "LUSTRE" else ():
        if problem.field not in before and edit.touches(*problem.field.split(".")):
            says = f"FSx refuses {problem.field} {quoted(problem.got)}"
            yield Effect(Danger.FAILS, says, "catalogue of FSx for Lustre", problem.fix)


@when("changed", FILE_SYSTEM)
def throughput(edit: Edit) -> Iterator[Effect]:
    name = edit.path[-1]
    if edit.path[0] != CONFIGURATION or not name.endswith(("Throughput", "ThroughputCapacity")):
        return
    was, now = count(edit.was), count(edit.now)
    rates = [or_none(read(FileSystem(r, ()).throughput)) for r in (edit.former, edit.resource)]
    rated = f" ({' to '.join(f'{rate:,.1f} GB/s' for rate in rates)})" if all(rates) else ""
    unit = "MB/s per TiB" if name.startswith("Per") else "MB/s"
    yield Effect(
        Danger.INTERRUPTS,
        f"the throughput goes from {quoted(edit.was)} to {quoted(edit.now)} {unit}{rated}; jobs "
        "wait while the file servers are switched",
        source.LUSTRE_THROUGHPUT,
        "change it by FSx itself, which does so in place: aws fsx update-file-system "
        f"--lustre-configuration {name}={quoted(edit.now)}",
    )
    if was is None or now is None or now > was:
        yield Effect(Danger.COSTS_MORE, "more throughput is billed", source.LUSTRE_PRICE)
    if was is None or now is None or now < was:
        yield Effect(Danger.REDUCES_CAPACITY, f"less throughput{rated}", source.LUSTRE_THROUGHPUT)


@when("changed", FILE_SYSTEM)
def capacity(edit: Edit) -> Iterator[Effect]:
    if edit.path != ("StorageCapacity",):
        return
    was, now = count(edit.was), count(edit.now)
    if was is None or now is None:
        says = f"the size of {edit.name} is not known before and after"
        yield Effect(Danger.CANNOT_TELL, says, source.LUSTRE_CAPACITY)
        return
    sizes = f"{tebibytes(was)} to {tebibytes(now)}"
    if now < was:
        says = f"FSx refuses to make {edit.name} smaller ({sizes})"
        yield Effect(Danger.FAILS, says, source.LUSTRE_CAPACITY, COPY)
        yield Effect(Danger.REDUCES_CAPACITY, f"from {sizes}", source.LUSTRE_CAPACITY)
        return
    says = f"{edit.name} grows from {sizes}: away for some minutes, then slower while it rebalances"
    yield Effect(Danger.INTERRUPTS, says, source.LUSTRE_CAPACITY, "do it between jobs")
    sold_as = or_none(read(FileSystem(edit.resource, ()).sold_as))
    money = monthly(edit.region, sold_as, now - was)
    more = f", {money} more" if money else ""
    yield Effect(Danger.COSTS_MORE, f"{sizes} is billed{more}", source.LUSTRE_PRICE)


@when("removed", ASSOCIATION)
def association_removed(edit: Edit) -> Iterator[Effect]:
    own = edit.resource.properties
    says = f"{quoted(own.get('FileSystemPath'))} is no longer linked to S3; its files stay on the "
    says += "file system"
    if at(own, ("S3", "AutoExportPolicy")) is not None:
        says += ", and what is written from now on is not exported"
    yield Effect(Danger.INTERRUPTS, says, source.UNLINKED)


@when("removed", FILE_SYSTEM)
def file_system_removed(edit: Edit) -> Iterator[Effect]:
    kept = outlives(edit.former, "DeletionPolicy") == "Retain"
    stays = "; its files stay in the account, which goes on paying for them" if kept else ""
    says = f"the environment has {holdings(edit.resource)} less{stays}"
    yield Effect(Danger.REDUCES_CAPACITY, says, "it is in the old template and not in the new one")


BUCKET: Final = "AWS::S3::Bucket"
EMPTIED: Final = "aws-cdk:auto-delete-objects"
"""Tag by which CDK's helper knows that it may empty a bucket."""
EXPIRIES: Final = (
    ("ExpirationInDays",),
    ("NoncurrentVersionExpirationInDays",),
    ("NoncurrentVersionExpiration", "NoncurrentDays"),
)


@when("changed", BUCKET)
def encryption(edit: Edit) -> Iterator[Effect]:
    if not edit.touches("BucketEncryption"):
        return
    was, now = (_algorithm(value) for value in edit.both("BucketEncryption"))
    weaker = was.startswith("aws:kms") and not now.startswith("aws:kms")
    says = f"new objects of {edit.name} are encrypted by {now}"
    yield Effect(
        Danger.LOOSENS_SECURITY if weaker else Danger.HARMLESS,
        f"{says} instead of {was}" if was != now else f"{says} with another setting",
        f"PutBucketEncryption is of new objects ({source.BUCKETS})",
        "keep the customer's key" if weaker else "",
    )


def _algorithm(encryption: Any) -> str:
    for rule in entries(at(encryption, ("ServerSideEncryptionConfiguration",))):
        named = known_text(at(rule, ("ServerSideEncryptionByDefault", "SSEAlgorithm")))
        if named:
            return named
    return "S3's own keys"


@when("changed", BUCKET)
def lifecycle(edit: Edit) -> Iterator[Effect]:
    if not edit.touches("LifecycleConfiguration"):
        return
    before, after = (_expiry(v) for v in edit.both("LifecycleConfiguration", "Rules"))
    pairs = list(zip(before, after, strict=True))
    for was, now in pairs:
        if now < was:
            old = "never" if was == FOREVER else days(was)
            says = f"objects or versions in {edit.name} are deleted after {days(now)} instead of "
            yield Effect(Danger.LOSES_DATA, says + old, source.LIFECYCLE)
        elif now > was:
            says = f"objects or versions in {edit.name} are kept {days(now)} instead of {days(was)}"
            yield Effect(Danger.COSTS_MORE, says, source.LIFECYCLE)
    if all(now == was for was, now in pairs):
        says = f"the rules that clean up or move objects of {edit.name} change; none expires sooner"
        yield Effect(Danger.COSTS_MORE, says, source.LIFECYCLE)


def _expiry(rules: Any) -> list[int]:
    """Return the shortest expiry of each kind, in days, over the rules that are on."""
    active = [rule for rule in entries(rules) if known_text(rule.get("Status")) == "Enabled"]
    return [
        min((n for rule in active if (n := count(at(rule, path))) is not None), default=FOREVER)
        for path in EXPIRIES
    ]


@when("removed", "Custom::S3AutoDeleteObjects")
def emptied(edit: Edit) -> Iterator[Effect]:
    """CDK's helper empties its bucket when it is removed, if the bucket still has its tag."""
    helper = edit.resource.properties
    bucket = next(iter(linked(helper.get("BucketName"))), None)
    left = edit.pair.new.at(bucket) if bucket else None
    tags = entries(left.properties.get("Tags")) if left else []
    if left and not any(known_text(tag.get("Key")) == EMPTIED for tag in tags):
        says = "CDK's helper leaves the bucket as it is: the bucket loses its tag first"
        yield Effect(Danger.HARMLESS, says, source.AUTO_DELETE)
    else:
        says = f"CDK's helper empties the bucket: the bucket keeps the tag {EMPTIED}"
        advice = f"deploy without the tag {EMPTIED} first"
        yield Effect(Danger.LOSES_DATA, says, source.AUTO_DELETE, advice)


@when("added", "Custom::S3AutoDeleteObjects")
def will_be_emptied(_site: Edit) -> Iterator[Effect]:
    says = "every object of the bucket will be deleted with the stack"
    advice = "leave auto_delete_objects off where the data matters"
    yield Effect(Danger.LOSES_DATA, says, source.AUTO_DELETE, advice)
