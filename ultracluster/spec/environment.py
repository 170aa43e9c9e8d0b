"""One training environment: everything that is deployed together, as one value."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Final

from pydantic import Field

from ultracluster.catalogue import instances
from ultracluster.catalogue.lustre import server_addresses
from ultracluster.catalogue.prices import Item, Price
from ultracluster.catalogue.training_request import ADDRESSES_WITH_EFA
from ultracluster.cost.quantities import bill
from ultracluster.cost.sheet import CostSheet, cost_sheet, known_price
from ultracluster.problem import Problem, choices
from ultracluster.spec import budget as ceiling
from ultracluster.spec.base import Spec, UndeterminedError, rule, valid_name
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.cidr import LARGEST_PREFIX, prefix_for
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import ExistingNetworkSpec, NetworkSpec
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.observability import ObservabilitySpec
from ultracluster.spec.part_rules import PART_RULES
from ultracluster.spec.slurm import SlurmSpec

LONGEST_NAME: Final = 24
NAME: Final = re.compile(r"[a-z]([a-z0-9]|-(?=[a-z0-9]))*")

STACKS: Final = ("Network", "Image", "Storage", "Training", "Cluster")
"""The last words of an environment's stack names, in the order of their deployment."""

GROUPS: Final = "further node groups"
"""Their name in the demand for addresses."""


class SageMakerSpec(Spec):
    """SageMaker training jobs that run in the environment's subnets."""

    instances: Annotated[int, Field(ge=0)]
    """Highest number of instances that all jobs use at a time, of the nodes' type in its `ml.`
    form."""


class EnvironmentSpec(Spec):
    """A training environment in one Availability Zone of one account."""

    name: str
    """Lower-case letters, digits and hyphens; stack names begin with it."""

    region: str
    """Region, for example `us-east-1`."""

    availability_zone_id: str
    """Zone id, for example `use1-az6`; unlike names, ids mean the same in every account."""

    account: str | None = None
    """The account to deploy to, 12 digits; others are refused. None takes the caller's."""

    network: NetworkSpec | ExistingNetworkSpec
    """The VPC: `NetworkSpec` creates one, `ExistingNetworkSpec` uses an existing one."""

    nodes: NodesSpec
    """The cluster's EC2 nodes."""

    storage: LustreSpec
    """The shared file system."""

    sagemaker: SageMakerSpec
    """SageMaker training jobs."""

    budget: BudgetSpec
    """The highest cost of a day, and who is notified."""

    node_image: NodeImageSpec | None = None
    """A pipeline that builds the image of the Slurm nodes; None uses existing images."""

    observability: ObservabilitySpec | None = ObservabilitySpec()
    """Metrics of the nodes, and alarms on them; None for none."""

    slurm: SlurmSpec | None = None
    """Slurm on the nodes; None creates an Auto Scaling group instead, with no node at first."""

    termination_protection: bool = False
    """Whether CloudFormation refuses to delete the stacks that hold data."""

    def address_demand(self) -> dict[str, int]:
        groups = 0 if self.slurm is None else self.slurm.addresses_of_groups
        return {
            "nodes": self.nodes.total * self.nodes.addresses_per_node,
            "SageMaker": self.sagemaker.instances * ADDRESSES_WITH_EFA,
            "file system": server_addresses(self.storage.capacity_gib or 0),
            "endpoints": len(self.network.interface_endpoints),
            **({} if self.slurm is None else {"Slurm": self.slurm.addresses}),
            **({GROUPS: groups} if groups else {}),
        }

    @property
    def stack_names(self) -> tuple[str, ...]:
        """The names of its stacks, in the order of their deployment."""
        image = self.node_image and self.slurm
        return tuple(f"{self.name}-{part}" for part in STACKS if part != "Image" or image)

    def fabrics(self) -> dict[str, NodesSpec]:
        """Return the accelerated nodes by field path; those of one entry form one EFA fabric."""
        groups = enumerate(self.slurm.node_groups if self.slurm is not None else ())
        return {"nodes": self.nodes} | {
            f"slurm.node_groups[{index}]": group
            for index, group in groups
            if isinstance(group, NodesSpec)
        }

    @property
    def pays_for_capacity(self) -> bool:
        """Whether some nodes are paid for even while they do not run."""
        return any(nodes.pays_for_all for nodes in self.fabrics().values())

    def price_of(self, item: Item) -> Price | None:
        """Return the price of an item in this Region; prices of the budget override the table's."""
        stated, other = self.budget.stated(self.region), self.budget.price_region
        return known_price(item, self.region, stated, other)

    def cost_sheet(self) -> CostSheet:
        stated, other = self.budget.stated(self.region), self.budget.price_region
        return cost_sheet(bill(self), self.region, stated=stated, other_region=other)

    @rule
    def _name_is_valid(self) -> Iterator[Problem]:
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            clean = valid_name(self.name, instead="dev", most=LONGEST_NAME)
            fix = "CloudFormation stack names take letters, digits and single hyphens, here at "
            fix += f'most {LONGEST_NAME} in lower case; write "{clean}"'
            yield self.problem_of("name", fix)

    @rule
    def _account_is_valid(self) -> Iterator[Problem]:
        if self.account is not None and not re.fullmatch("[0-9]{12}", self.account):
            fix = "write 12 digits in quotes (aws sts get-caller-identity shows them), or leave it "
            yield self.problem_of("account", f"{fix}out for the account of the caller")

    def _sold(self, region: str) -> tuple[str, ...] | None:
        """Return the zone ids of a Region that offer the nodes' type; None if not known."""
        try:
            return self.nodes.instance.zones(region)
        except UndeterminedError:
            return None

    @rule
    def _place_sells_the_type(self) -> Iterator[Problem]:
        known = sorted(instances.regions())
        selling = [region for region in known if self._sold(region) != ()]
        if self.region not in known:
            yield self.problem_of("region", _nearest_region(self.region, selling or known))
        elif self.region in selling:
            yield from self._zone_problems()
        else:
            fix = f"{self.nodes.instance_type} is not offered there; write {choices(selling)}"
            yield self.problem_of("region", fix)

    def _zone_problems(self) -> Iterator[Problem]:
        instance = None
        with suppress(UndeterminedError):
            instance = self.nodes.instance
        yield from instances.zone_problems(self.region, self.availability_zone_id, instance)

    @rule
    def _zone_sells_the_types_of_groups(self) -> Iterator[Problem]:
        if any(self._place_sells_the_type()):
            return
        for place, group in self.fabrics().items():
            sold = group.instance.zones(self.region)
            if sold is not None and self.availability_zone_id not in sold:
                where = f"{choices(sold)} of {self.region} have it" if sold else "no zone has it"
                fix = f"{where}, and all nodes are in {self.availability_zone_id}; write another"
                yield Problem(f"{place}.instance_type", group.instance_type, fix)

    @rule
    def _sagemaker_sells_the_type(self) -> Iterator[Problem]:
        instance = self.nodes.instance
        if self.sagemaker.instances and instance.sagemaker_training_type is None:
            fix = f"SageMaker training does not offer {instance.name}; write 0"
            yield self.problem_of("sagemaker.instances", fix)

    @rule
    def _subnets_are_large_enough(self) -> Iterator[Problem]:
        demand = self.address_demand()
        needed, held = sum(demand.values()), self.network.training_addresses
        if needed <= held:
            return
        parts = " + ".join(f"{count:,} {part}" for part, count in demand.items())
        prefix = prefix_for(needed)
        fix = f"write one /{prefix}" if prefix >= LARGEST_PREFIX else "use several subnets"
        fix = f"{parts} need {needed:,}; {fix}"
        yield Problem(self._subnets_field(), f"{held:,} addresses", fix)

    def _subnets_field(self) -> str:
        own = isinstance(self.network, NetworkSpec)
        return "network.training_subnet_cidrs" if own else "network.training_subnets"

    @rule
    def _parts_fit_together(self) -> Iterator[Problem]:
        for fits in PART_RULES:
            with suppress(UndeterminedError):
                yield from list(fits(self))

    @rule
    def _lustre_subnet_is_large_enough(self) -> Iterator[Problem]:
        demand = self.address_demand()
        needed = sum(demand.get(part, 0) for part in ("file system", "endpoints", "Slurm"))
        held = self.network.lustre_subnet_addresses
        if held < needed and sum(demand.values()) <= self.network.training_addresses:
            parts = "file system and endpoints"
            if self.slurm is not None:
                parts = "file system, endpoints, Slurm's controller and login nodes"
            fix = f"the first subnet holds {parts}, which need {needed:,}; put a /"
            fix += f"{prefix_for(needed)} or larger first"
            yield Problem(f"{self._subnets_field()}[0]", f"{held:,} addresses", fix)

    @rule
    def _existing_subnets_are_in_the_zone(self) -> Iterator[Problem]:
        if not isinstance(self.network, ExistingNetworkSpec) or self._zone_is_faulty():
            return
        for index, subnet in enumerate(self.network.training_subnets):
            try:
                zone = subnet.availability_zone_id
            except UndeterminedError:
                continue
            if zone != self.availability_zone_id:
                fix = "EFA does not cross zones, and the cluster is in "
                fix += f"{self.availability_zone_id}; use a subnet of that zone"
                yield Problem(f"network.training_subnets[{index}].availability_zone_id", zone, fix)

    def _zone_is_faulty(self) -> bool:
        """Whether the environment's zone has a problem of its own."""
        fields = [problem.field for problem in self._place_sells_the_type()]
        return "availability_zone_id" in fields

    @rule
    def _kept_data_is_protected(self) -> Iterator[Problem]:
        if self.termination_protection and not self.storage.keep_data:
            fix = "no data outlives its stack, so there is nothing to protect; write "
            fix += "storage.keep_data=True, or termination_protection=False"
            yield self.problem_of("termination_protection", fix)

    @rule
    def _a_ceiling_is_stated(self) -> Iterator[Problem]:
        if "budget" not in vars(self):
            yield from ceiling.missing_ceiling(
                bill(self), self.region, notify=self.pays_for_capacity
            )

    @rule
    def _ceiling_holds(self) -> Iterator[Problem]:
        yield from ceiling.exceeded_ceiling(bill(self), self.region, self.budget)

    @rule
    def _everything_has_a_price(self) -> Iterator[Problem]:
        if not self._is_not_sold():
            yield from ceiling.missing_prices(self.cost_sheet(), self.budget)

    def _is_not_sold(self) -> bool:
        """Whether an item without a price has a problem already, because AWS does not offer it."""
        place = [problem.field for problem in self._place_sells_the_type()]
        groups = () if self.slurm is None else self.slurm.node_groups
        return (
            any(field != "availability_zone_id" for field in place)
            or any(self._sagemaker_sells_the_type())
            or any(self.storage.problems())
            or any(self.nodes.problems())
            or any(p for group in groups for p in group.problems())
        )


def _nearest_region(given: str, known: list[str]) -> str:
    """Return the Regions whose names are like the given one, as a fix."""
    lower = given.strip().lower()
    near = [region for region in known if region == lower]
    near = near or [region for region in known if region[:4] == lower[:4]]
    return f"no such Region is known; write {choices(near or known)}"
