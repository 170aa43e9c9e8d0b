"""What a plan costs: items by purchase option, each with its price's date and source."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ultracluster.catalogue import prices
from ultracluster.catalogue.endpoints import INTERFACE_ENDPOINTS
from ultracluster.catalogue.instances import InstanceType
from ultracluster.cost.quantities import ENDPOINT_GB_PER_NODE, KEYS, NAT_GB_PER_NODE
from ultracluster.cost.sheet import CostSheet, Quantity, cost_sheet
from ultracluster.planner.storage import DEPLOYMENT, Lustre

HOURS_PER_DAY: Final = 24
ROOT_VOLUME_GIB: Final = 200
"""As an environment's nodes have it (ultracluster.spec.nodes; a test holds them equal)."""

ON_DEMAND: Final = "on-demand"
CAPACITY_BLOCK: Final = "capacity-block"
SAGEMAKER: Final = "sagemaker"
OPTIONS: Final = (ON_DEMAND, CAPACITY_BLOCK, SAGEMAKER)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a plan costs with its nodes bought in one way."""

    option: str
    """`on-demand`, `capacity-block` or `sagemaker`."""
    sheet: CostSheet
    days: float

    @property
    def per_day(self) -> float:
        return float(self.sheet.full.per_day)

    @property
    def total(self) -> float:
        return self.per_day * self.days

    @property
    def nodes_known(self) -> bool:
        """Whether the nodes have a price: without it no sum means anything."""
        return all(quantity.purpose != "nodes" for quantity in self.sheet.unpriced)


def other_region(region: str) -> str:
    """Return the Region whose prices are shown where none is known of the own one."""
    return "us-west-2" if region == "us-east-1" else "us-east-1"


def node_item(instance: InstanceType, option: str) -> prices.Item | None:
    """Return the item that a node is, or None where it is not sold that way."""
    if option == SAGEMAKER:
        ml_type = instance.sagemaker_training_type
        return prices.sagemaker_training(ml_type) if ml_type else None
    if option == CAPACITY_BLOCK:
        return prices.capacity_block(instance.name) if instance.capacity_blocks else None
    return prices.on_demand(instance.name) if instance.on_demand else None


def ways_to_buy(instance: InstanceType) -> list[str]:
    return [option for option in OPTIONS if node_item(instance, option) is not None]


def bill(
    instance: InstanceType,
    option: str,
    *,
    nodes: int,
    lustre: Lustre,
    region: str,
    days: float,
    data_gb: float,
) -> Bill | None:
    """Return what nodes with their spares cost, and what they need; None if not sold that way."""
    item = node_item(instance, option)
    if item is None:
        return None
    ssd = prices.lustre_storage(DEPLOYMENT, "SSD", lustre.per_unit_throughput)
    held: list[tuple[prices.Item, float, str]] = [
        (item, nodes, "nodes"),
        (prices.GP3_STORAGE, 0 if option == SAGEMAKER else nodes * ROOT_VOLUME_GIB, "root volumes"),
        (ssd, lustre.capacity_gib, "Lustre storage"),
        (prices.S3_STORAGE, data_gb, "data bucket"),
        (prices.NAT_GATEWAY, 1, "NAT gateway"),
        (prices.PUBLIC_ADDRESS, 1, "address of the NAT gateway"),
        (prices.NAT_DATA, nodes * NAT_GB_PER_NODE, "traffic through NAT"),
        (prices.ENDPOINT, len(INTERFACE_ENDPOINTS), "interface endpoints"),
        (prices.ENDPOINT_DATA, nodes * ENDPOINT_GB_PER_NODE, "traffic to endpoints"),
        (prices.KMS_KEY, KEYS, "keys"),
    ]
    amounts = ((each, Decimal(repr(round(amount, 3))), purpose) for each, amount, purpose in held)
    bought = [
        Quantity(each, amount, amount, purpose) for each, amount, purpose in amounts if amount
    ]
    return Bill(option, cost_sheet(bought, region, other_region=other_region(region)), days)


def price_of_nodes(sheet: CostSheet) -> prices.Price | None:
    return next((line.price for line in sheet.lines if line.quantity.purpose == "nodes"), None)
