"""The network of an environment: a new VPC, or an existing one."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue import endpoints
from ultracluster.problem import Problem, choices, repeated
from ultracluster.spec import cidr as blocks
from ultracluster.spec.base import Spec, TextFormat, rule

INTERFACE_ENDPOINTS: Final = endpoints.INTERFACE_ENDPOINTS
ENDPOINT_SERVICE: Final = re.compile(r"[a-z0-9]+([.\-][a-z0-9]+)*")


def endpoint_problems(services: Sequence[str]) -> Iterator[Problem]:
    """Yield problems of a list of services for interface endpoints."""
    for index, service in enumerate(services):
        field = f"interface_endpoints[{index}]"
        short = re.sub(r"^(cn\.)?(com|aws)\.[a-z]+\.[a-z0-9-]+\.", "", service)
        if "s3" in (service, short):
            yield Problem(field, service, "S3 has a gateway endpoint already; remove it")
        elif short != service:
            fix = f'write the short name, without the Region: "{short}"'
            yield Problem(field, service, fix)
        elif not ENDPOINT_SERVICE.fullmatch(service):
            known = choices(INTERFACE_ENDPOINTS[:4])
            yield Problem(field, service, f"write the service's short name, such as {known}")
        elif service in services[:index]:
            yield Problem(field, service, "it is listed twice; remove one")


def _id(prefix: str) -> TextFormat:
    fix = f'write the id as AWS shows it, for example "{prefix}-0123456789abcdef0"'
    return TextFormat(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", fix)


class _Network(Spec):
    """What new and existing VPCs have in common."""

    cidr: str
    """Its IPv4 block."""

    interface_endpoints: tuple[str, ...]
    """Services with an interface endpoint."""

    @abstractmethod
    def training_blocks(self) -> tuple[str, ...]:
        """Return the CIDR blocks of the training subnets; the first one has the file system."""

    @property
    def training_addresses(self) -> int:
        """Usable addresses of all training subnets; addresses in use are not known here."""
        return sum(blocks.usable_addresses(cidr) for cidr in self.training_blocks())

    @property
    def lustre_subnet_addresses(self) -> int:
        """Usable addresses of the first training subnet, which has file system and endpoints."""
        return blocks.usable_addresses(self.training_blocks()[0])

    @rule
    def _endpoints_are_services(self) -> Iterator[Problem]:
        yield from endpoint_problems(self.interface_endpoints)


class NetworkSpec(_Network):
    """A new VPC for the environment, in one Availability Zone.

    EFA traffic does not leave a zone (EC2 User Guide, 2026-08-01), so that a cluster cannot use
    further zones.
    """

    cidr: str = str(blocks.DEFAULT_VPC)
    """IPv4 block of the VPC."""

    training_subnet_cidrs: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default_factory=blocks.training_subnets_of
    )
    """Blocks of the private subnets for nodes, SageMaker and the file system (in the first). The
    default is one subnet: the first /20 of the VPC, or half of a smaller VPC."""

    public_subnet_cidr: str | None = Field(default_factory=blocks.public_subnet_of)
    """Block of the subnet with the NAT gateway; None for a network without internet access. The
    default is a free /28 near the end of the VPC."""

    interface_endpoints: tuple[str, ...] = INTERFACE_ENDPOINTS
    """Services with an interface endpoint in the first training subnet, for example `ecr.api`."""

    flow_log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 90
    """Retention of the VPC flow logs in CloudWatch, in days."""

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
                fix = f"it is outside of the VPC; write a block inside {self.cidr}"
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
            taken = self.training_subnet_cidrs[0]
            fix = f"without training_subnet_cidrs nodes take {taken}; write "
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
            fix = f"without NAT gateway AWS is reached only by endpoints; add {', '.join(missing)}"
            yield self.problem_of("interface_endpoints", fix)


class ExistingSubnetSpec(Spec):
    """An existing private subnet."""

    subnet_id: Annotated[str, _id("subnet")]
    """`subnet-...`"""

    cidr: str
    """Its IPv4 block."""

    availability_zone_id: str
    """The id of its zone, for example `use1-az6`."""

    route_table_id: Annotated[str | None, _id("rtb")] = None
    """Its route table, to which an S3 gateway endpoint is added; None adds none."""

    @rule
    def _cidr_is_a_block(self) -> Iterator[Problem]:
        yield from blocks.cidr_problems("cidr", self.cidr)


class ExistingNetworkSpec(_Network):
    """An existing VPC, with its own routes and endpoints.

    `ultracluster preflight` checks what only the account can tell: free addresses, DNS attributes,
    routes and network ACLs.
    """

    vpc_id: Annotated[str, _id("vpc")]
    """`vpc-...`"""

    cidr: str
    """Its IPv4 block."""

    secondary_cidrs: tuple[str, ...] = ()
    """Secondary CIDR blocks of the VPC."""

    training_subnets: Annotated[tuple[ExistingSubnetSpec, ...], Field(min_length=1)]
    """Private subnets in the environment's zone; the file system is created in the first."""

    interface_endpoints: tuple[str, ...] = ()
    """Services for which an interface endpoint is added; others are assumed to be reachable."""

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
                fix = f"it is outside of {choices(vpcs)}; write the subnet's block, or add the "
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
