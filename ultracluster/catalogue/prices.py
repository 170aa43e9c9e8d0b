"""Prices of AWS by item and Region, each with source and date.

The data is `prices.json`, generated from `facts/` (EC2 on demand by karpenter's generated table of
2026-07-20 and SkyPilot's catalogue; Capacity Blocks by a copy of AWS's page of 2026-08-01; the
others by third parties; `ultracluster cost --refresh` reads the Price List API instead). Every
price carries its source, its date and how far it is to be trusted. A price of one Region says
nothing about another.
"""

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Final, Literal

from ultracluster.catalogue.instances import names
from ultracluster.catalogue.values import table

Confidence = Literal["A", "B", "C", "stated"]
"""A: read from the Price List API; B: from a table that AWS's own software carries; C: a third
party's copy; stated: written into the environment."""

HOURS_PER_MONTH: Final = 730
"""AWS quotes a month as 730 hours (365 x 24 / 12)."""


class Unit(StrEnum):
    """What one price is charged for."""

    HOUR = "hour"
    """One thing for one hour."""
    MONTH = "month"
    """One thing for one month."""
    GB = "GB"
    """One GB that flows."""
    GB_MONTH = "GB-month"
    """One GB held for a month; AWS bills GiB by this name."""
    IOPS_MONTH = "IOPS-month"
    """One operation per second, provisioned for a month."""
    MBPS_MONTH = "MBps-month"
    """One MB/s, provisioned for a month."""


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """Something that AWS charges for, such as an hour of a p4d.24xlarge on demand."""

    name: str
    """`service/what/how`, for example `ec2/p4d.24xlarge/on-demand`."""
    unit: Unit


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of an item costs in one Region."""

    item: Item
    region: str
    usd: Decimal
    source: str
    date: str
    """Day of the price, `YYYY-MM-DD`, or in words what is known of it."""
    confidence: Confidence
    gone_since: str | None = None
    """Day on which the Price List no longer had it; the last known price is kept."""


def on_demand(instance_type: str) -> Item:
    """Return an hour of a Linux instance on demand; a capacity reservation is charged the same."""
    return Item(f"ec2/{instance_type}/on-demand", Unit.HOUR)


def capacity_block(instance_type: str) -> Item:
    """Return an hour of an instance in a Capacity Block, paid in advance."""
    return Item(f"ec2/{instance_type}/capacity-block", Unit.HOUR)


def sagemaker_training(ml_type: str) -> Item:
    """Return an hour of a SageMaker training instance, for example `ml.p4d.24xlarge`."""
    return Item(f"sagemaker/{ml_type}/training", Unit.HOUR)


def lustre_storage(deployment_type: str, storage_type: str, throughput: int | None) -> Item:
    """Return a GB-month of a Lustre file system.

    Args:
        deployment_type: `SCRATCH_1` to `PERSISTENT_2`.
        storage_type: `SSD`, `HDD` or `INTELLIGENT_TIERING`.
        throughput: MB/s per TiB of a PERSISTENT file system that buys them by the TiB.
    """
    parts = [deployment_type, storage_type, *([str(throughput)] if throughput else [])]
    return Item(f"fsx-lustre/{'-'.join(parts)}/storage", Unit.GB_MONTH)


LUSTRE_METADATA_IOPS: Final = Item("fsx-lustre/metadata-iops", Unit.IOPS_MONTH)
LUSTRE_TIERING_THROUGHPUT: Final = Item(
    "fsx-lustre/INTELLIGENT_TIERING/throughput", Unit.MBPS_MONTH
)
LUSTRE_READ_CACHE: Final = Item("fsx-lustre/INTELLIGENT_TIERING/read-cache", Unit.GB_MONTH)
LUSTRE_HDD_CACHE: Final = Item("fsx-lustre/HDD/read-cache", Unit.GB_MONTH)
LUSTRE_BACKUP: Final = Item("fsx-lustre/backup", Unit.GB_MONTH)
HOMES_STORAGE: Final = Item("efs/standard/storage", Unit.GB_MONTH)
HOMES_READ: Final = Item("efs/elastic/read", Unit.GB)
HOMES_WRITTEN: Final = Item("efs/elastic/written", Unit.GB)
HOMES_BACKUP: Final = Item("efs/backup", Unit.GB_MONTH)
NAT_GATEWAY: Final = Item("nat-gateway/hour", Unit.HOUR)
NAT_DATA: Final = Item("nat-gateway/data", Unit.GB)
ENDPOINT: Final = Item("interface-endpoint/hour", Unit.HOUR)
ENDPOINT_DATA: Final = Item("interface-endpoint/data", Unit.GB)
PUBLIC_ADDRESS: Final = Item("public-ipv4/hour", Unit.HOUR)
GP3_STORAGE: Final = Item("ebs/gp3/storage", Unit.GB_MONTH)
S3_STORAGE: Final = Item("s3/standard/storage", Unit.GB_MONTH)
KMS_KEY: Final = Item("kms/key", Unit.MONTH)
LOGS_INGESTED: Final = Item("cloudwatch-logs/ingested", Unit.GB)
LOGS_STORED: Final = Item("cloudwatch-logs/stored", Unit.GB_MONTH)
METRICS_INGESTED: Final = Item("cloudwatch-metrics/otlp", Unit.GB)


def slurm_controller(size: str) -> Item:
    """Return an hour of a PCS cluster's controller, `SMALL`, `MEDIUM` or `LARGE`."""
    return Item(f"pcs/{size}/controller", Unit.HOUR)


def slurm_node(size: str) -> Item:
    """Return PCS's own fee for an hour of one managed instance, by the cluster's size."""
    return Item(f"pcs/{size}/node", Unit.HOUR)


def slurm_accounting(size: str) -> Item:
    """Return an hour of a PCS cluster's accounting, by the cluster's size."""
    return Item(f"pcs/{size}/accounting", Unit.HOUR)


SLURM_ACCOUNTING_STORAGE: Final = Item("pcs/accounting/storage", Unit.GB_MONTH)

FIXED: Final = {each.name: each for each in tuple(vars().values()) if isinstance(each, Item)}
"""Items that there is one of, by their names; the others are made of a type or a size."""

FAMILIES: Final = (
    (re.compile(r"ec2/[a-z0-9.\-]+/(on-demand|capacity-block)"), Unit.HOUR),
    (re.compile(r"sagemaker/ml\.[a-z0-9.\-]+/training"), Unit.HOUR),
    (re.compile(r"fsx-lustre/(SCRATCH|PERSISTENT)_[12]-[A-Z_]+(-\d+)?/storage"), Unit.GB_MONTH),
    (re.compile(r"pcs/(SMALL|MEDIUM|LARGE)/(controller|node|accounting)"), Unit.HOUR),
)


class UnknownItemError(LookupError):
    """There is no item of that name; the message names similar ones."""


def item(name: str) -> Item:
    """Return an item by its name.

    Raises:
        UnknownItemError: where there is no such item.
    """
    if name in FIXED:
        return FIXED[name]
    for pattern, unit in FAMILIES:
        if pattern.fullmatch(name):
            return Item(name, unit)
    types = [maker(each).name for each in names() for maker in (on_demand, capacity_block)]
    near = difflib.get_close_matches(name, [*FIXED, *types], n=1, cutoff=0.4)
    example = near[0] if near else "ec2/p4d.24xlarge/on-demand"
    raise UnknownItemError(f"there is no item of that name; write {example}")


@cache
def regions() -> tuple[str, ...]:
    return tuple(table("prices")["prices"])


@cache
def price(wanted: Item, region: str) -> Price | None:
    """Return what an item costs in a Region; None where no price is known."""
    entry = table("prices")["prices"].get(region, {}).get(wanted.name)
    if entry is None:
        return None
    source = table("prices")["sources"].get(entry["source"], {})
    return Price(
        item=wanted,
        region=region,
        usd=Decimal(entry["usd"]),
        source=source.get("text", entry["source"]),
        date=entry.get("date", source.get("date", "")),
        confidence=entry.get("confidence", source.get("confidence", "C")),
        gone_since=entry.get("gone_since"),
    )


def forget() -> None:
    """Read the table anew at the next use: its file has been written."""
    for remembered in (table, regions, price):
        remembered.cache_clear()
