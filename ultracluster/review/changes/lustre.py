"""Lustre file systems: what an update in place does, and what FSx refuses."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.lustre import problems
from ultracluster.catalogue.prices import Item, lustre_storage
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.money import monthly
from ultracluster.review.changes.retention import outlives
from ultracluster.review.changes.sources import (
    LUSTRE_CAPACITY,
    LUSTRE_PRICE,
    LUSTRE_THROUGHPUT,
    LUSTRE_UPDATE,
    UNLINKED,
)
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, coming, going
from ultracluster.review.changes.words import count, known_text, quoted, tebibytes

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
CONFIGURATION: Final = "LustreConfiguration"
COPY: Final = "make a second file system beside the first, copy, switch over"


@changed(FILE_SYSTEM)
def refused(site: Site) -> Iterator[Verdict]:
    """Judge a value that FSx takes for no file system, new or old."""
    if site.path[0].startswith("@") or site.old is None or site.new is None:
        return
    kind = known_text(site.new.properties.get("FileSystemType"))
    before = {problem.field for problem in problems(site.old.properties)}
    for problem in problems(site.new.properties) if kind == "LUSTRE" else ():
        if problem.field not in before and site.touches(*problem.field.split(".")):
            says = f"FSx refuses {problem.field} {quoted(problem.got)}"
            yield Verdict(Danger.FAILS, says, "catalogue of FSx for Lustre", problem.fix)


@changed(FILE_SYSTEM)
def throughput(site: Site) -> Iterator[Verdict]:
    name = site.path[-1]
    if site.path[0] != CONFIGURATION or not name.endswith(("Throughput", "ThroughputCapacity")):
        return
    was, now = count(site.was), count(site.now)
    rates = [_bandwidth(each.properties) for each in (site.old, site.new) if each]
    rated = f" ({' to '.join(map(str, rates))})" if all(rates) else ""
    unit = "MB/s per TiB" if name.startswith("Per") else "MB/s"
    yield Verdict(
        Danger.INTERRUPTS,
        f"the throughput goes from {quoted(site.was)} to {quoted(site.now)} {unit}{rated}; jobs "
        "wait while the file servers are switched",
        LUSTRE_THROUGHPUT,
        "change it by FSx itself, which does so in place: aws fsx update-file-system "
        f"--lustre-configuration {name}={quoted(site.now)}",
    )
    if was is None or now is None or now > was:
        yield Verdict(Danger.COSTS_MORE, "more throughput is billed", LUSTRE_PRICE)
    if was is None or now is None or now < was:
        yield Verdict(Danger.REDUCES_CAPACITY, f"less throughput{rated}", LUSTRE_THROUGHPUT)


def _bandwidth(properties: Any) -> str | None:
    gib = count(at(properties, ("StorageCapacity",)))
    tier = count(at(properties, (CONFIGURATION, "PerUnitStorageThroughput")))
    return f"{gib / 1024 * tier / 1000:,.1f} GB/s" if gib and tier else None


@changed(FILE_SYSTEM)
def capacity(site: Site) -> Iterator[Verdict]:
    if site.path != ("StorageCapacity",):
        return
    was, now = count(site.was), count(site.now)
    if was is None or now is None:
        says = f"the size of {site.name} is not known before and after"
        yield Verdict(Danger.CANNOT_TELL, says, LUSTRE_CAPACITY)
        return
    sizes = f"{tebibytes(was)} to {tebibytes(now)}"
    if now < was:
        says = f"FSx refuses to make {site.name} smaller ({sizes})"
        yield Verdict(Danger.FAILS, says, LUSTRE_CAPACITY, COPY)
        yield Verdict(Danger.REDUCES_CAPACITY, f"from {sizes}", LUSTRE_CAPACITY)
        return
    says = f"{site.name} grows from {sizes}: away for some minutes, then slower while it rebalances"
    yield Verdict(Danger.INTERRUPTS, says, LUSTRE_CAPACITY, "do it between jobs")
    money = monthly(site, _bought(site), now - was)
    more = f", {money} more" if money else ""
    yield Verdict(Danger.COSTS_MORE, f"{sizes} is billed{more}", LUSTRE_PRICE)


def _bought(site: Site) -> Item:
    """Return what a GB-month of the new file system is sold as."""
    own = site.resource.properties
    configuration = own.get(CONFIGURATION)
    return lustre_storage(
        known_text(at(configuration, ("DeploymentType",))) or "SCRATCH_1",
        known_text(own.get("StorageType")) or "SSD",
        count(at(configuration, ("PerUnitStorageThroughput",))),
    )


@changed(FILE_SYSTEM)
def metadata(site: Site) -> Iterator[Verdict]:
    path = (CONFIGURATION, "MetadataConfiguration")
    if not site.within(*path):
        return
    was, now = (count(value) for value in site.both(*path, "Iops"))
    modes = site.both(*path, "Mode")
    says = f"metadata IOPS go from {quoted(was or modes[0])} to {quoted(now or modes[1])}"
    if was and now and now < was:
        why = f"a value must be at least the current one ({LUSTRE_UPDATE})"
        yield Verdict(Danger.FAILS, f"FSx refuses that {says}", why)
    elif known_text(modes[1]) == "USER_PROVISIONED":
        yield Verdict(Danger.COSTS_MORE, says, LUSTRE_PRICE)
    else:
        refuses = "FSx refuses it where they are above what it would choose"
        yield Verdict(Danger.CANNOT_TELL, f"{says}; {refuses}", LUSTRE_UPDATE)


@going(ASSOCIATION)
def association_removed(site: Site) -> Iterator[Verdict]:
    own = site.resource.properties
    says = f"{quoted(own.get('FileSystemPath'))} is no longer linked to S3; its files stay on the "
    says += "file system"
    if at(own, ("S3", "AutoExportPolicy")) is not None:
        says += ", and what is written from now on is not exported"
    yield Verdict(Danger.INTERRUPTS, says, UNLINKED)


@coming(FILE_SYSTEM)
def file_system_added(site: Site) -> Iterator[Verdict]:
    says = f"{_size(site)} is billed from its creation on"
    yield Verdict(Danger.COSTS_MORE, says, LUSTRE_PRICE)


@going(FILE_SYSTEM)
def file_system_removed(site: Site) -> Iterator[Verdict]:
    kept = outlives(site.old, name="DeletionPolicy") == "Retain"
    stays = "; its files stay in the account, which goes on paying for them" if kept else ""
    says = f"the environment has {_size(site)} less{stays}"
    yield Verdict(Danger.REDUCES_CAPACITY, says, "it is in the old template and not in the new one")


def _size(site: Site) -> str:
    gib = count(site.resource.properties.get("StorageCapacity"))
    return tebibytes(gib) if gib else "one file system"
