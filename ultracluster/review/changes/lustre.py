"""Lustre file systems: what an update in place does."""

from collections.abc import Iterator
from typing import Any, Final

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
    api,
)
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, coming, going
from ultracluster.review.changes.words import count, known_text, quoted, tebibytes

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
CONFIGURATION: Final = "LustreConfiguration"
UPDATED_BY_API: Final = frozenset(
    {
        "AutoImportPolicy",
        "AutomaticBackupRetentionDays",
        "DailyAutomaticBackupStartTime",
        "DataCompressionType",
        "DataReadCacheConfiguration",
        "LogConfiguration",
        "MetadataConfiguration",
        "PerUnitStorageThroughput",
        "RootSquashConfiguration",
        "ThroughputCapacity",
        "WeeklyMaintenanceStartTime",
    }
)
"""Members of `UpdateFileSystemLustreConfiguration` in botocore 1.43.106: what else is in
`LustreConfiguration` holds for the life of a file system."""


def bandwidth(properties: Any) -> str | None:
    """Return the throughput of a file system: `98.4 GB/s`."""
    gib = count(at(properties, ("StorageCapacity",)))
    tier = count(at(properties, (CONFIGURATION, "PerUnitStorageThroughput")))
    if not gib or not tier:
        return None
    return f"{gib / 1024 * tier / 1000:,.1f} GB/s"


@changed(FILE_SYSTEM)
def tier(site: Site) -> Iterator[Verdict]:
    """Judge the throughput that is bought for every TiB."""
    name = next(
        (n for n in ("PerUnitStorageThroughput", "ThroughputCapacity") if site.path[-1] == n), None
    )
    if name is None or site.path[0] != CONFIGURATION:
        return
    was, now = count(site.was), count(site.now)
    rates = [bandwidth(r.properties) for r in (site.old, site.new) if r]
    figures = f" ({rates[0]} to {rates[1]})" if len(rates) > 1 and all(rates) else ""
    yield Verdict(
        Danger.INTERRUPTS,
        f"the throughput goes from {quoted(site.was)} to {quoted(site.now)} MB/s"
        f"{' per TiB' if name.startswith('Per') else ''}{figures}; jobs wait while the file "
        "servers are switched",
        LUSTRE_THROUGHPUT,
        "change it by FSx itself, which does so in place: aws fsx update-file-system "
        f"--lustre-configuration {name}={quoted(site.now)}",
    )
    if was is None or now is None or now > was:
        yield Verdict(Danger.COSTS_MORE, "more throughput is billed", LUSTRE_PRICE)
    if was is None or now is None or now < was:
        yield Verdict(Danger.REDUCES_CAPACITY, f"less throughput{figures}", LUSTRE_THROUGHPUT)


@changed(FILE_SYSTEM)
def capacity(site: Site) -> Iterator[Verdict]:
    """Judge the size."""
    if site.path != ("StorageCapacity",):
        return
    was, now = count(site.was), count(site.now)
    if was is None or now is None:
        yield Verdict(
            Danger.CANNOT_TELL,
            f"the size of {site.name} is not known on both sides",
            LUSTRE_CAPACITY,
        )
        return
    sizes = f"{tebibytes(was)} to {tebibytes(now)}"
    if now < was:
        yield Verdict(
            Danger.FAILS,
            f"FSx refuses to make {site.name} smaller ({sizes})",
            LUSTRE_CAPACITY,
            "make a second, smaller file system, copy, switch over, then remove the first",
        )
        yield Verdict(Danger.REDUCES_CAPACITY, f"{sizes} is asked for", LUSTRE_CAPACITY)
        return
    yield Verdict(
        Danger.INTERRUPTS,
        f"{site.name} grows from {sizes}: away for some minutes, then slower while it rebalances",
        LUSTRE_CAPACITY,
        "do it between jobs",
    )
    money = monthly(site, bought(site), now - was)
    more = f", {money} more" if money else ""
    yield Verdict(Danger.COSTS_MORE, f"{sizes} is billed{more}", LUSTRE_PRICE)


def bought(site: Site) -> Item:
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
    """Judge metadata operations."""
    if not site.within(CONFIGURATION, "MetadataConfiguration"):
        return
    was, now = (count(value) for value in site.both(CONFIGURATION, "MetadataConfiguration", "Iops"))
    if was and now and now < was:
        yield Verdict(
            Danger.FAILS,
            f"FSx refuses fewer metadata IOPS ({was:,} to {now:,})",
            f"a value must be at least the current one ({LUSTRE_UPDATE})",
        )
        return
    modes = site.both(CONFIGURATION, "MetadataConfiguration", "Mode")
    if known_text(modes[1]) == "USER_PROVISIONED":
        yield Verdict(
            Danger.COSTS_MORE,
            f"metadata IOPS go from {quoted(was or modes[0])} to {quoted(now)}",
            LUSTRE_PRICE,
        )
    else:
        yield Verdict(
            Danger.CANNOT_TELL,
            f"metadata IOPS go from {quoted(was or modes[0])} to {quoted(now or modes[1])}, which "
            "FSx refuses where they are above what it would choose",
            LUSTRE_UPDATE,
        )


@changed(FILE_SYSTEM)
def backups(site: Site) -> Iterator[Verdict]:
    """Judge how long backups are kept."""
    if site.path != (CONFIGURATION, "AutomaticBackupRetentionDays"):
        return
    was, now = count(site.was) or 0, count(site.now) or 0
    if now == was:
        yield Verdict(Danger.HARMLESS, f"automatic backups are kept {now} days", LUSTRE_UPDATE)
    elif now < was:
        yield Verdict(
            Danger.LOSES_DATA,
            f"automatic backups are kept {now} days instead of {was}"
            + (": no more are made" if now == 0 else ""),
            f"{LUSTRE_UPDATE}; whether it also deletes backups that are there is not documented, "
            "and is taken for yes",
            "copy the backups that matter first (aws fsx copy-backup)",
        )
    else:
        yield Verdict(
            Danger.COSTS_MORE,
            f"automatic backups are kept {now} days instead of {was}",
            LUSTRE_PRICE,
        )


@changed(FILE_SYSTEM)
def set_in_place(site: Site) -> Iterator[Verdict]:
    """Judge the rest of what FSx updates, and what it cannot."""
    if site.path == (CONFIGURATION, "EfaEnabled"):
        yield Verdict(
            Danger.FAILS,
            f"{site.name} cannot change whether it takes EFA clients",
            f"EfaEnabled is of the creation alone: {LUSTRE_UPDATE} has no such member",
            "make a second file system beside the first, copy, switch over",
        )
        return
    says = {
        "DataCompressionType": "files written from now on are compressed otherwise; those that are "
        "there stay as they are",
        "WeeklyMaintenanceStartTime": "maintenance, which may interrupt, comes at another time",
        "DailyAutomaticBackupStartTime": "backups are made at another time",
        "LogConfiguration": "events of the links to S3 are logged otherwise",
        "AutoImportPolicy": "new objects of the bucket show up otherwise",
        "DataReadCacheConfiguration": "the read cache is another one",
    }
    if len(site.path) > 1 and site.path[0] == CONFIGURATION and site.path[1] in says:
        yield Verdict(Danger.HARMLESS, says[site.path[1]], f"updated in place; {LUSTRE_UPDATE}")
    if site.within(CONFIGURATION, "RootSquashConfiguration"):
        squash = known_text(
            at(site.new.properties if site.new else {}, (CONFIGURATION, site.path[1], "RootSquash"))
        )
        yield Verdict(
            Danger.LOOSENS_SECURITY if squash in (None, "0:0") else Danger.INTERRUPTS,
            "root of a client is root of the files"
            if squash in (None, "0:0")
            else f"root of a client is {squash} from now on: jobs that run as root are refused",
            f"updated in place; {LUSTRE_UPDATE}",
        )


@changed(ASSOCIATION)
def association_changed(site: Site) -> Iterator[Verdict]:
    """Judge what is imported and exported."""
    if site.within("S3"):
        off = site.now is None or site.now == []
        yield Verdict(
            Danger.INTERRUPTS if off else Danger.HARMLESS,
            "files no longer pass by themselves between S3 and the file system"
            if off
            else "other events make files pass between S3 and the file system",
            api("FSx", "UpdateDataRepositoryAssociation"),
        )
    if site.path == ("ImportedFileChunkSize",):
        yield Verdict(Danger.HARMLESS, "files imported from now on are striped otherwise", UNLINKED)


@going(ASSOCIATION)
def association_removed(site: Site) -> Iterator[Verdict]:
    """Judge a link that goes."""
    assert site.old is not None  # noqa: S101  (it was there)
    path = quoted(site.old.properties.get("FileSystemPath"))
    exports = at(site.old.properties, ("S3", "AutoExportPolicy")) is not None
    yield Verdict(
        Danger.INTERRUPTS,
        f"{path} is no longer linked to S3; its files stay on the file system"
        + (", and what is written from now on is not exported" if exports else ""),
        UNLINKED,
    )


@coming(FILE_SYSTEM)
def file_system_added(site: Site) -> Iterator[Verdict]:
    """Judge a new file system."""
    assert site.new is not None  # noqa: S101  (it is there)
    gib = count(site.new.properties.get("StorageCapacity"))
    yield Verdict(
        Danger.COSTS_MORE,
        f"{tebibytes(gib) if gib else 'a file system'} is billed from its creation on",
        LUSTRE_PRICE,
    )


@going(FILE_SYSTEM)
def file_system_removed(site: Site) -> Iterator[Verdict]:
    """Judge an environment without its file system; what becomes of the data is said elsewhere."""
    assert site.old is not None  # noqa: S101  (it was there)
    gib = count(site.old.properties.get("StorageCapacity"))
    kept = outlives(site.old, name="DeletionPolicy") == "Retain"
    stays = "; its files stay in the account, which goes on paying for them" if kept else ""
    yield Verdict(
        Danger.REDUCES_CAPACITY,
        f"the environment has {tebibytes(gib) if gib else 'one file system'} less{stays}",
        "it is in the old template and not in the new one",
    )
