"""Lustre file systems: what an update in place does, and what FSx refuses."""

from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.lustre import problems
from ultracluster.model.storage import FileSystem
from ultracluster.registry.schemas import at
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.retention import outlives
from ultracluster.review.changes.rules import Edit, Effect, when_changed, when_removed
from ultracluster.review.known import count, known_text, or_none, read
from ultracluster.review.naming import holdings, monthly, quoted, tebibytes
from ultracluster.review.tables import (
    LUSTRE_CAPACITY,
    LUSTRE_PRICE,
    LUSTRE_THROUGHPUT,
    UNLINKED,
)

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
CONFIGURATION: Final = "LustreConfiguration"
COPY: Final = "make a second file system beside the first, copy, switch over"


@when_changed(FILE_SYSTEM)
def refused(edit: Edit) -> Iterator[Effect]:
    """Judge a value that FSx takes for no file system, new or old."""
    if edit.beside or edit.old is None or edit.new is None:
        return
    kind = known_text(edit.new.properties.get("FileSystemType"))
    before = {problem.field for problem in problems(edit.old.properties)}
    for problem in problems(edit.new.properties) if kind == "LUSTRE" else ():
        if problem.field not in before and edit.touches(*problem.field.split(".")):
            says = f"FSx refuses {problem.field} {quoted(problem.got)}"
            yield Effect(Danger.FAILS, says, "catalogue of FSx for Lustre", problem.fix)


@when_changed(FILE_SYSTEM)
def throughput(edit: Edit) -> Iterator[Effect]:
    name = edit.path[-1]
    if edit.path[0] != CONFIGURATION or not name.endswith(("Throughput", "ThroughputCapacity")):
        return
    was, now = count(edit.was), count(edit.now)
    systems = (FileSystem(each, ()) for each in (edit.old, edit.new) if each)
    rates = [or_none(read(system.throughput)) for system in systems]
    rated = f" ({' to '.join(f'{rate:,.1f} GB/s' for rate in rates)})" if all(rates) else ""
    unit = "MB/s per TiB" if name.startswith("Per") else "MB/s"
    yield Effect(
        Danger.INTERRUPTS,
        f"the throughput goes from {quoted(edit.was)} to {quoted(edit.now)} {unit}{rated}; jobs "
        "wait while the file servers are switched",
        LUSTRE_THROUGHPUT,
        "change it by FSx itself, which does so in place: aws fsx update-file-system "
        f"--lustre-configuration {name}={quoted(edit.now)}",
    )
    if was is None or now is None or now > was:
        yield Effect(Danger.COSTS_MORE, "more throughput is billed", LUSTRE_PRICE)
    if was is None or now is None or now < was:
        yield Effect(Danger.REDUCES_CAPACITY, f"less throughput{rated}", LUSTRE_THROUGHPUT)


@when_changed(FILE_SYSTEM)
def capacity(edit: Edit) -> Iterator[Effect]:
    if edit.path != ("StorageCapacity",):
        return
    was, now = count(edit.was), count(edit.now)
    if was is None or now is None:
        says = f"the size of {edit.name} is not known before and after"
        yield Effect(Danger.CANNOT_TELL, says, LUSTRE_CAPACITY)
        return
    sizes = f"{tebibytes(was)} to {tebibytes(now)}"
    if now < was:
        says = f"FSx refuses to make {edit.name} smaller ({sizes})"
        yield Effect(Danger.FAILS, says, LUSTRE_CAPACITY, COPY)
        yield Effect(Danger.REDUCES_CAPACITY, f"from {sizes}", LUSTRE_CAPACITY)
        return
    says = f"{edit.name} grows from {sizes}: away for some minutes, then slower while it rebalances"
    yield Effect(Danger.INTERRUPTS, says, LUSTRE_CAPACITY, "do it between jobs")
    sold_as = or_none(read(FileSystem(edit.resource, ()).sold_as))
    money = monthly(edit.region, sold_as, now - was)
    more = f", {money} more" if money else ""
    yield Effect(Danger.COSTS_MORE, f"{sizes} is billed{more}", LUSTRE_PRICE)


@when_removed(ASSOCIATION)
def association_removed(edit: Edit) -> Iterator[Effect]:
    own = edit.resource.properties
    says = f"{quoted(own.get('FileSystemPath'))} is no longer linked to S3; its files stay on the "
    says += "file system"
    if at(own, ("S3", "AutoExportPolicy")) is not None:
        says += ", and what is written from now on is not exported"
    yield Effect(Danger.INTERRUPTS, says, UNLINKED)


@when_removed(FILE_SYSTEM)
def file_system_removed(edit: Edit) -> Iterator[Effect]:
    kept = outlives(edit.old, name="DeletionPolicy") == "Retain"
    stays = "; its files stay in the account, which goes on paying for them" if kept else ""
    says = f"the environment has {holdings(edit.resource)} less{stays}"
    yield Effect(Danger.REDUCES_CAPACITY, says, "it is in the old template and not in the new one")
