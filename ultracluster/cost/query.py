"""How the Price List API is asked for an item, and which of its products is meant.

Filters of EC2 instances are those of its documentation (pricing API, botocore 1.44.5). Those of
the other services follow what public programs ask (read 2026-11-24); none was tried against AWS:
an answer that does not fit exactly one price is refused, so that a wrong filter changes nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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
