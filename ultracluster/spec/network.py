"""The network of an environment: a VPC of its own, or one that is there already."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue import endpoints
from ultracluster.problem import Problem, choices, repeated
from ultracluster.spec import cidr as blocks
from ultracluster.spec.base import Spec, Written, rule

INTERFACE_ENDPOINTS: Final = endpoints.INTERFACE_ENDPOINTS
ENDPOINT_SERVICE: Final = re.compile(r"[a-z0-9]+([.\-][a-z0-9]+)*")


def endpoint_problems(services: Sequence[str]) -> Iterator[Problem]:
    """Yield what cannot be a list of services with an interface endpoint."""
    for index, service in enumerate(services):
        field = f"interface_endpoints[{index}]"
        short = re.sub(r"^(cn\.)?(com|aws)\.[a-z]+\.[a-z0-9-]+\.", "", service)
        if "s3" in (service, short):
            yield Problem(field, service, "S3 has a gateway endpoint already; remove it")
        elif short != service:
            fix = f'the Region is put before it; write the short name, "{short}"'
            yield Problem(field, service, fix)
        elif not ENDPOINT_SERVICE.fullmatch(service):
            known = choices(INTERFACE_ENDPOINTS[:4])
            yield Problem(field, service, f"write the service's short name, such as {known}")
        elif service in services[:index]:
            yield Problem(field, service, "it is listed twice; remove one")


def _id(prefix: str) -> Written:
    fix = f'write the id as AWS shows it, for example "{prefix}-0123456789abcdef0"'
    return Written(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", fix)


class _Network(Spec):
    """What a VPC is asked for, made for the environment or there already."""

    cidr: str
    """Its IPv4 block."""

    interface_endpoints: tuple[str, ...]
    """Services with an interface endpoint."""

    @abstractmethod
    def training_blocks(self) -> tuple[str, ...]:
        """Return the blocks of the training subnets, the one with the file system first."""

    @property
    def training_addresses(self) -> int:
        """Addresses of the training subnets, taken as if all of them were free."""
        return sum(blocks.usable_addresses(cidr) for cidr in self.training_blocks())

    @property
    def lustre_subnet_addresses(self) -> int:
        """Addresses of the subnet that holds the file system and the endpoints."""
        return blocks.usable_addresses(self.training_blocks()[0])

    @rule
    def _endpoints_are_services(self) -> Iterator[Problem]:
        yield from endpoint_problems(self.interface_endpoints)


class NetworkSpec(_Network):
    """A VPC made for the environment, all of it in one Availability Zone.

    EFA traffic is not routable and stays within a zone (EC2 User Guide, 2026-08-01), so that
    further zones would hold nothing of a cluster.
    """

    cidr: str = str(blocks.DEFAULT_VPC)
    """IPv4 block of the VPC."""

    training_subnet_cidrs: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default_factory=blocks.training_subnets_of
    )
    """Blocks of the private subnets for nodes, SageMaker and the file system (in the first). Not
    given, one subnet: the first /20 of the VPC, or half of a smaller VPC."""

    public_subnet_cidr: str | None = Field(default_factory=blocks.public_subnet_of)
    """Block of the subnet that holds the NAT gateway; None closes the network. Not given, a /28
    near the end of the VPC that no training subnet takes."""

    interface_endpoints: tuple[str, ...] = INTERFACE_ENDPOINTS
    """Services with an interface endpoint in the first training subnet, for example `ecr.api`."""

    flow_log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 90
    """Days for which CloudWatch keeps the flow logs."""

    def training_blocks(self) -> tuple[str, ...]:
        return self.training_subnet_cidrs

    def subnets(self) -> list[tuple[str, str]]:
        """Return field and block of every subnet whose field is sound."""
        training = enumerate(vars(self).get("training_subnet_cidrs", ()))
        subnets = [(f"training_subnet_cidrs[{index}]", cidr) for index, cidr in training]
        public = vars(self).get("public_subnet_cidr")
        return subnets if public is None else [*subnets, ("public_subnet_cidr", public)]

    @rule
    def _cidr_is_a_block(self) -> Iterator[Problem]:
        reason = blocks.not_for_hosts(self.cidr)
        if reason is None:
            yield from blocks.cidr_problems("cidr", self.cidr)
        else:
            yield self.problem_of("cidr", f"{reason}; write {blocks.DEFAULT_VPC}")

    @rule
    def _subnets_are_blocks(self) -> Iterator[Problem]:
        for field, cidr in self.subnets():
            yield from blocks.cidr_problems(field, cidr)

    @rule
    def _subnets_lie_in_the_vpc(self) -> Iterator[Problem]:
        vpc = blocks.network(self.cidr)
        for field, cidr in self.subnets():
            block = blocks.network_or_none(cidr)
            if block is not None and not block.subnet_of(vpc):
                fix = f"it lies outside the VPC; write a block inside {self.cidr}"
                yield Problem(field, cidr, fix)

    @rule
    def _subnets_do_not_overlap(self) -> Iterator[Problem]:
        found = list(blocks.overlaps(self.subnets()))
        given = self.model_fields_set & {"training_subnet_cidrs", "public_subnet_cidr"}
        if not found or found[-1].field != "public_subnet_cidr" or len(given) > 1:
            yield from found
            return
        yield from found[:-1]
        room = "the NAT gateway needs a subnet of its own"
        if "public_subnet_cidr" in given:
            fix = (
                f"without training_subnet_cidrs nodes take {self.training_subnet_cidrs[0]}; write "
            )
            fix += f"{blocks.public_subnet_of(vars(self))}, or training_subnet_cidrs as well"
            yield self.problem_of("public_subnet_cidr", fix)
        elif given:
            fix = f"{room}, a /{blocks.SMALLEST_PREFIX}, and they leave none; write smaller ones"
            yield self.problem_of("training_subnet_cidrs", fix)
        else:
            larger = blocks.network(self.cidr).supernet()
            yield self.problem_of("cidr", f"{room}, and it holds one; write {larger}")

    @rule
    def _closed_network_reaches_what_it_needs(self) -> Iterator[Problem]:
        if self.public_subnet_cidr is not None or any(endpoint_problems(self.interface_endpoints)):
            return
        missing = [name for name in INTERFACE_ENDPOINTS if name not in self.interface_endpoints]
        if missing:
            fix = f"a network without NAT reaches AWS only by endpoints; add {', '.join(missing)}"
            yield self.problem_of("interface_endpoints", fix)


class ExistingSubnetSpec(Spec):
    """A private subnet that is there already."""

    subnet_id: Annotated[str, _id("subnet")]
    """`subnet-...`"""

    cidr: str
    """Its IPv4 block."""

    availability_zone_id: str
    """The id of its zone, for example `use1-az6`."""

    route_table_id: Annotated[str | None, _id("rtb")] = None
    """Its route table, where an S3 gateway endpoint is to be added to it."""

    @rule
    def _cidr_is_a_block(self) -> Iterator[Problem]:
        yield from blocks.cidr_problems("cidr", self.cidr)


class ExistingNetworkSpec(_Network):
    """A VPC that is there already, with its own routes and endpoints.

    What a template cannot know of it (free addresses, DNS attributes, routes, network ACLs) is
    for a check against the live account.
    """

    vpc_id: Annotated[str, _id("vpc")]
    """`vpc-...`"""

    cidr: str
    """Its IPv4 block."""

    secondary_cidrs: tuple[str, ...] = ()
    """Blocks that were added to it later."""

    training_subnets: Annotated[tuple[ExistingSubnetSpec, ...], Field(min_length=1)]
    """Private subnets in the environment's zone; the file system is put into the first."""

    interface_endpoints: tuple[str, ...] = ()
    """Services to add an interface endpoint for; the VPC is taken to have what it needs."""

    def training_blocks(self) -> tuple[str, ...]:
        return tuple(subnet.cidr for subnet in self.training_subnets)

    @rule
    def _cidrs_are_blocks(self) -> Iterator[Problem]:
        yield from blocks.cidr_problems("cidr", self.cidr)
        for index, cidr in enumerate(self.secondary_cidrs):
            yield from blocks.cidr_problems(f"secondary_cidrs[{index}]", cidr)

    @rule
    def _subnets_lie_in_the_vpc(self) -> Iterator[Problem]:
        vpcs = [blocks.network(cidr) for cidr in (self.cidr, *self.secondary_cidrs)]
        for index, subnet in enumerate(self.training_subnets):
            given = vars(subnet).get("cidr")
            block = None if given is None else blocks.network_or_none(given)
            if block is not None and not any(block.subnet_of(vpc) for vpc in vpcs):
                fix = f"it lies outside {choices(vpcs)}; write the subnet's block, or add the "
                fix += "VPC's block that holds it to secondary_cidrs"
                yield Problem(f"training_subnets[{index}].cidr", given, fix)

    @rule
    def _subnets_are_listed_once(self) -> Iterator[Problem]:
        ids = enumerate(vars(subnet).get("subnet_id") for subnet in self.training_subnets)
        yield from repeated((f"training_subnets[{index}].subnet_id", each) for index, each in ids)

    @rule
    def _subnets_do_not_overlap(self) -> Iterator[Problem]:
        cidrs = enumerate(subnet.cidr for subnet in self.training_subnets)
        yield from blocks.overlaps([(f"training_subnets[{i}].cidr", cidr) for i, cidr in cidrs])
