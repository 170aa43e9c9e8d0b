"""Reads prices from AWS's Price List API.

Filters of EC2 instances are those of its documentation (pricing API, botocore 1.44.5). Those of
the other services follow what public programs ask (read 2026-11-24); none was tried against AWS:
an answer that does not fit exactly one price is refused, so that a wrong filter changes nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from ultracluster.aws import Cloud
from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item, Unit

REGION_TO_ASK: Final = "us-east-1"
"""Of the endpoints of the API (us-east-1, eu-central-1, ap-south-1; botocore 1.44.5)."""
CHINA: Final = "cn-northwest-1"
"""The one endpoint of China's partition; its prices are in CNY."""

UNITS: Final[Mapping[Unit, tuple[str, ...]]] = {
    Unit.HOUR: ("Hrs", "Hours", "Hour"),
    Unit.MONTH: ("months", "Months", "Month", "Keys"),
    Unit.GB: ("GB", "Gigabytes"),
    Unit.GB_MONTH: ("GB-Mo", "GB-month"),
    Unit.IOPS_MONTH: ("IOPS-Mo",),
    Unit.MBPS_MONTH: ("MBps-Mo", "MiBps-Mo"),
}
"""How the list writes a unit."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the Price List."""

    service: str
    filters: Mapping[str, str]
    """Attributes that a product must have, asked of AWS."""
    usage: re.Pattern[str] = re.compile(".*")
    """Type of usage that is meant, without the prefix of a Region (`USE1-`, `EUC1-`)."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attributes that are looked at here, since AWS's filters would also take what lacks them."""

    def means(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a product with such attributes is what was asked for."""
        usage = re.sub(
            r"^[A-Z]{2,4}\d?-|^[a-z]{2}(-[a-z]+)+-\d-", "", str(attributes.get("usagetype"))
        )
        return self.usage.fullmatch(usage) is not None and all(
            str(attributes.get(key, "")) == value for key, value in self.attributes.items()
        )


def region_to_ask(region: str) -> str:
    """Return the Region whose endpoint knows the prices of another."""
    return CHINA if region.startswith("cn-") else REGION_TO_ASK


def _usage(service: str, usage: str, **filters: str) -> Query:
    return Query(service, filters, re.compile(usage))


FIXED: Final[Mapping[Item, Query]] = {
    prices.NAT_GATEWAY: _usage("AmazonEC2", "NatGateway-Hours", productFamily="NAT Gateway"),
    prices.NAT_DATA: _usage("AmazonEC2", "NatGateway-Bytes", productFamily="NAT Gateway"),
    prices.ENDPOINT: _usage("AmazonVPC", "VpcEndpoint-Hours", productFamily="VpcEndpoint"),
    prices.ENDPOINT_DATA: _usage("AmazonVPC", "VpcEndpoint-Bytes", productFamily="VpcEndpoint"),
    prices.PUBLIC_ADDRESS: _usage("AmazonVPC", "PublicIPv4:InUseAddress"),
    prices.GP3_STORAGE: _usage("AmazonEC2", r"EBS:VolumeUsage\.gp3", volumeApiName="gp3"),
    prices.S3_STORAGE: _usage("AmazonS3", "TimedStorage-ByteHrs", volumeType="Standard"),
    prices.KMS_KEY: _usage("awskms", "KMS-Keys"),
    prices.LOGS_INGESTED: _usage("AmazonCloudWatch", "DataProcessing-Bytes"),
    prices.LOGS_STORED: _usage("AmazonCloudWatch", "TimedStorage-ByteHrs"),
    prices.HOMES_STORAGE: _usage("AmazonEFS", "TimedStorage-ByteHrs"),
    prices.HOMES_READ: _usage("AmazonEFS", "ETDataAccess-Bytes", accessType="Read"),
    prices.HOMES_WRITTEN: _usage("AmazonEFS", "ETDataAccess-Bytes", accessType="Write"),
    prices.LUSTRE_BACKUP: _usage("AmazonFSx", "BackupUsage", fileSystemType="Lustre"),
}
INSTANCE: Final = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
    "marketoption": "OnDemand",
}
LUSTRE_STORAGE: Final = re.compile(r"fsx-lustre/PERSISTENT_[12]-(SSD|HDD)-(\d+)/storage")


def query(item: Item) -> Query | None:
    """Return how an item is asked for; None where no product of the list is known for it."""
    if item in FIXED:
        return FIXED[item]
    service, what, _ = item.name.split("/", 2) if item.name.count("/") > 1 else ("", "", "")
    if item == prices.on_demand(what):
        return Query("AmazonEC2", {"instanceType": what, **INSTANCE})
    if item == prices.sagemaker_training(what):
        return Query("AmazonSageMaker", {"instanceName": what, "component": "Training"})
    lustre = LUSTRE_STORAGE.fullmatch(item.name)
    if lustre is not None and service == "fsx-lustre":
        storage, throughput = lustre.groups()
        attributes = {"storageType": storage, "throughputCapacity": throughput}
        return Query("AmazonFSx", {"fileSystemType": "Lustre"}, attributes=attributes)
    return None


TOO_DEAR: Final = 10**15
"""As a price in USD, and as the beginning of a tier in GB or requests."""
SMALLEST: Final = Decimal("1e-12")
"""Digits of a price; the list has ten behind the point."""
FIRST: Final = "0"
"""Where the first tier of a price begins."""
NOT_DOCUMENTED: Final = "that is not of the documented form"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the list says of an item."""

    item: Item
    kind: Literal["listed", "gone", "not asked", "unreadable"]
    """Gone is what it was asked for and does not have; not asked is an item of which no product of
    the list is known."""
    usd: Decimal = Decimal(0)
    date: str | None = None
    """Day on which AWS published a price that is listed."""
    reason: str = ""
    """Why an answer is no price."""


class _UnreadableError(ValueError):
    """An answer that is not of the documented form."""


def prices_of(items: Iterable[Item], region: str, cloud: Cloud) -> Iterator[Answer]:
    """Yield what the list says of each item in a Region.

    Raises:
        CloudError: where AWS refuses the call or cannot be reached.
    """
    asked: dict[tuple[str, tuple[tuple[str, str], ...]], list[Any]] = {}
    for item in items:
        question = query(item)
        if question is None:
            yield Answer(item, "not asked")
            continue
        key = (question.service, tuple(sorted(question.filters.items())))
        if key not in asked:
            asked[key] = _products(question, region, cloud)
        try:
            yield _answer(item, question, region, asked[key])
        except _UnreadableError as error:
            yield Answer(item, "unreadable", reason=str(error))
        except (AttributeError, KeyError, TypeError):
            yield Answer(item, "unreadable", reason=f"the list answered something {NOT_DOCUMENTED}")


def _products(question: Query, region: str, cloud: Cloud) -> list[Any]:
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value}
        for field, value in {"regionCode": region, **question.filters}.items()
    ]
    asked = {"ServiceCode": question.service, "FormatVersion": "aws_v1", "Filters": filters}
    found = cloud.ask("pricing", "get_products", **asked).get("PriceList", [])
    return found if isinstance(found, list) else [found]


def _answer(item: Item, question: Query, region: str, products: list[Any]) -> Answer:
    meant = [
        document
        for document in map(_document, products)
        if question.means(attributes := document["product"]["attributes"])
        and str(attributes.get("regionCode", region)) == region
    ]
    tiers = ((each, _first_tier(each, UNITS[item.unit])) for each in meant)
    found = {(usd, _date(each)) for each, first in tiers for usd in first}
    if not meant:
        return Answer(item, "gone")
    values = {usd for usd, _ in found}
    if not values:
        raise _UnreadableError(f"the list has it without a price in USD for one {item.unit}")
    if len(values) > 1:
        shown = ", ".join(str(usd) for usd in sorted(values))
        raise _UnreadableError(f"the list has several prices for it ({shown} USD)")
    dates = sorted(date for _, date in found if date is not None)
    return Answer(item, "listed", values.pop(), dates[-1] if dates else None)


def _document(product: Any) -> Mapping[str, Any]:
    try:
        document = json.loads(product) if isinstance(product, str) else product
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("the list answered something that is no JSON") from error
    if not isinstance(document, Mapping):
        raise _UnreadableError(f"the list answered a product {NOT_DOCUMENTED}")
    return document


def _date(document: Mapping[str, Any]) -> str | None:
    try:
        return date.fromisoformat(str(document.get("publicationDate"))[:10]).isoformat()
    except ValueError:
        return None


def _first_tier(document: Mapping[str, Any], units: tuple[str, ...]) -> Iterator[Decimal]:
    """Yield the on-demand prices in USD of the first tier that costs something."""
    for term in document["terms"].get("OnDemand", {}).values():
        # A first tier that is free (CloudWatch's first GB) is not what more of it costs.
        tiers = sorted(
            (_number(each.get("beginRange") or FIRST), _number(each["pricePerUnit"]["USD"]))
            for each in term["priceDimensions"].values()
            if each.get("unit") in units and each["pricePerUnit"].get("USD") is not None
        )
        yield from [usd for _, usd in tiers if usd > 0][:1]


def _number(text: Any) -> Decimal:
    try:
        number = Decimal(str(text))
    except InvalidOperation as error:
        raise _UnreadableError(f'the list has "{str(text)[:40]}" where a number belongs') from error
    if not number.is_finite() or not 0 <= number < TOO_DEAR:
        raise _UnreadableError(f'the list has "{str(text)[:40]}" where a price belongs')
    return number.quantize(SMALLEST).normalize()
