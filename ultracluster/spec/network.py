"""The network of an environment: a VPC of its own, or one that is there already."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ultracluster.spec.base import Spec, UndeterminedError, rule
from ultracluster.spec.problem import Problem, choices

RESERVED_ADDRESSES: Final = 5
"""Addresses that AWS keeps of every subnet (VPC User Guide, 2023-06)."""
LARGEST_PREFIX: Final = 16
SMALLEST_PREFIX: Final = 28
LARGEST_TRAINING_SUBNET: Final = 20
"""Prefix of the training subnet that is made where none is given: 4,091 addresses."""

INTERFACE_ENDPOINTS: Final = (
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "kms",
    "logs",
    "monitoring",
    "sagemaker.api",
    "ssm",
    "ssmmessages",
    "sts",
)
"""What SageMaker training (SageMaker Developer Guide, train-vpc, 2023) and nodes managed by
Systems Manager reach; S3 has a gateway endpoint in every environment."""

DEFAULT_VPC: Final = ipaddress.IPv4Network("10.0.0.0/16")
DOCKER: Final = ipaddress.IPv4Network("172.17.0.0/16")
"""Addresses that containers of SageMaker use themselves (VPC User Guide, VPC CIDR blocks)."""

ENDPOINT_SERVICE: Final = re.compile(r"[a-z0-9]+([.\-][a-z0-9]+)*")
ROUTE_TABLE_ID: Final = re.compile(r"rtb-([0-9a-f]{8}|[0-9a-f]{17})")
VPC_ID: Final = re.compile(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})")
SUBNET_ID: Final = re.compile(r"subnet-([0-9a-f]{8}|[0-9a-f]{17})")


def network(cidr: str) -> ipaddress.IPv4Network:
    """Return a CIDR block as a network.

    Raises:
        UndeterminedError: where AWS would refuse it; the rule on the field itself tells the user.
    """
    if any(cidr_problems("", cidr)):
        raise UndeterminedError(cidr)
    return ipaddress.IPv4Network(cidr)


def usable_addresses(cidr: str) -> int:
    """Return how many addresses of a subnet AWS leaves to its user."""
    return max(network(cidr).num_addresses - RESERVED_ADDRESSES, 0)


def prefix_for(addresses: int) -> int:
    """Return the prefix length of the smallest subnet that leaves so many addresses."""
    return 32 - (addresses + RESERVED_ADDRESSES - 1).bit_length()


def cidr_problems(field: str, cidr: str) -> Iterator[Problem]:
    """Yield what AWS would refuse in one CIDR block of a VPC or subnet."""
    try:
        block = ipaddress.IPv4Interface(cidr)
    except ValueError:
        yield Problem(field, cidr, "write an IPv4 block such as 10.0.0.0/16")
        return
    prefix = block.network.prefixlen
    nearest = min(max(prefix, LARGEST_PREFIX), SMALLEST_PREFIX)
    sound = str(ipaddress.IPv4Network((block.ip, nearest), strict=False))
    if sound == cidr:
        return
    if prefix != nearest:
        reason = f"AWS takes /{LARGEST_PREFIX} to /{SMALLEST_PREFIX}"
    elif block.ip != block.network.network_address:
        reason = "its host bits are set"
    else:
        reason = "AWS takes address and prefix length"
    yield Problem(field, cidr, f"{reason}; write {sound}")


def _not_for_hosts(cidr: str) -> str | None:
    """Return why no VPC can lie where a block does, if so."""
    try:
        given = ipaddress.IPv4Interface(cidr)
    except ValueError:
        return None
    prefix = max(given.network.prefixlen, LARGEST_PREFIX)
    block = ipaddress.IPv4Network((given.ip, prefix), strict=False)
    first = block.network_address
    if first.is_loopback or first.is_link_local or first.is_multicast or first.is_reserved:
        return "hosts have no such addresses"
    if first.packed[0] == 0:
        return "no host has an address that begins with 0"
    if block.overlaps(DOCKER):
        return f"SageMaker's containers use {DOCKER} themselves"
    return None


def _training_subnets(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the subnets of a VPC of which only the block is given."""
    vpc = _network_or_none(given.get("cidr", "")) or DEFAULT_VPC
    prefix = min(max(vpc.prefixlen + 1, LARGEST_TRAINING_SUBNET), SMALLEST_PREFIX)
    return (f"{vpc.network_address}/{prefix}",)


def _public_subnet(given: Mapping[str, Any]) -> str:
    """Return the NAT gateway's subnet: at the last sixteenth of the VPC, or the last that is free.

    Where the training subnets leave no room it lies over them, which a rule then refuses.
    """
    vpc = _network_or_none(given.get("cidr", "")) or DEFAULT_VPC
    taken = [_network_or_none(cidr) for cidr in given.get("training_subnet_cidrs", ())]
    places = list(vpc.subnets(new_prefix=SMALLEST_PREFIX))
    usual = places[len(places) * 15 // 16]
    for place in (usual, *reversed(places)):
        if not any(block is not None and place.overlaps(block) for block in taken):
            return str(place)
    return str(usual)


def overlaps(blocks: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    """Yield a problem for each named block that overlaps one before it."""
    known = [(name, cidr, _network_or_none(cidr)) for name, cidr in blocks]
    for index, (field, cidr, block) in enumerate(known):
        for name, other_cidr, other in known[:index]:
            if block is not None and other is not None and block.overlaps(other):
                yield Problem(
                    field, cidr, f"overlaps {other_cidr} of {name}; write a block of its own"
                )
                break


def _network_or_none(cidr: str) -> ipaddress.IPv4Network | None:
    try:
        return network(cidr)
    except UndeterminedError:
        return None


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


class NetworkSpec(Spec):
    """A VPC made for the environment, all of it in one Availability Zone.

    EFA traffic is not routable and stays within a zone (EC2 User Guide, 2026-08-01), so that
    further zones would hold nothing of a cluster.
    """

    cidr: str = str(DEFAULT_VPC)
    """IPv4 block of the VPC."""

    training_subnet_cidrs: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default_factory=_training_subnets
    )
    """Blocks of the private subnets for nodes, SageMaker and the file system (in the first). Not
    given, one subnet: the first /20 of the VPC, or half of a smaller VPC."""

    public_subnet_cidr: str | None = Field(default_factory=_public_subnet)
    """Block of the subnet that holds the NAT gateway; None closes the network. Not given, a /28
    near the end of the VPC that no training subnet takes."""

    interface_endpoints: tuple[str, ...] = INTERFACE_ENDPOINTS
    """Services with an interface endpoint in the first training subnet, for example `ecr.api`."""

    flow_log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 90
    """Days for which CloudWatch keeps the flow logs."""

    @property
    def training_addresses(self) -> int:
        """Addresses of the training subnets that AWS leaves to their user."""
        return sum(usable_addresses(cidr) for cidr in self.training_subnet_cidrs)

    @property
    def lustre_subnet_addresses(self) -> int:
        """Addresses of the subnet that holds the file system and the endpoints."""
        return usable_addresses(self.training_subnet_cidrs[0])

    def subnets(self) -> list[tuple[str, str]]:
        """Return field and block of every subnet whose field is sound."""
        sound = vars(self)
        blocks = [
            (f"training_subnet_cidrs[{index}]", cidr)
            for index, cidr in enumerate(sound.get("training_subnet_cidrs", ()))
        ]
        if sound.get("public_subnet_cidr") is not None:
            blocks.append(("public_subnet_cidr", self.public_subnet_cidr))
        return blocks

    @rule
    def _cidr_is_a_block(self) -> Iterator[Problem]:
        reason = _not_for_hosts(self.cidr)
        if reason is None:
            yield from cidr_problems("cidr", self.cidr)
        else:
            yield Problem("cidr", self.cidr, f"{reason}; write 10.0.0.0/16")

    @rule
    def _subnets_are_blocks(self) -> Iterator[Problem]:
        for field, cidr in self.subnets():
            yield from cidr_problems(field, cidr)

    @rule
    def _subnets_lie_in_the_vpc(self) -> Iterator[Problem]:
        vpc = network(self.cidr)
        for field, cidr in self.subnets():
            block = _network_or_none(cidr)
            if block is not None and not block.subnet_of(vpc):
                fix = f"it lies outside the VPC; write a block inside {self.cidr}"
                yield Problem(field, cidr, fix)

    @rule
    def _subnets_do_not_overlap(self) -> Iterator[Problem]:
        found = list(overlaps(self.subnets()))
        given = self.model_fields_set
        if not found or found[-1].field != "public_subnet_cidr" or "public_subnet_cidr" in given:
            yield from found
            return
        yield from found[:-1]
        room = "the NAT gateway needs a subnet of its own"
        if "training_subnet_cidrs" in given:
            fix = f"{room}, a /{SMALLEST_PREFIX}, and they leave none; write smaller ones"
            yield Problem("training_subnet_cidrs", self.training_subnet_cidrs, fix)
        else:
            larger = network(self.cidr).supernet()
            yield Problem("cidr", self.cidr, f"{room}, and it holds one; write {larger}")

    @rule
    def _endpoints_are_services(self) -> Iterator[Problem]:
        yield from endpoint_problems(self.interface_endpoints)

    @rule
    def _closed_network_reaches_what_it_needs(self) -> Iterator[Problem]:
        if self.public_subnet_cidr is not None or any(endpoint_problems(self.interface_endpoints)):
            return
        missing = [name for name in INTERFACE_ENDPOINTS if name not in self.interface_endpoints]
        if missing:
            yield Problem(
                "interface_endpoints",
                self.interface_endpoints,
                f"a network without NAT reaches AWS only by endpoints; add {', '.join(missing)}",
            )


class ExistingSubnetSpec(Spec):
    """A private subnet that is there already."""

    subnet_id: str
    """`subnet-...`"""

    cidr: str
    """Its IPv4 block."""

    availability_zone_id: str
    """The id of its zone, for example `use1-az6`."""

    route_table_id: str | None = None
    """Its route table, where an S3 gateway endpoint is to be added to it."""

    @rule
    def _id_is_one(self) -> Iterator[Problem]:
        if not SUBNET_ID.fullmatch(self.subnet_id):
            fix = 'write the id as AWS shows it, for example "subnet-0123456789abcdef0"'
            yield Problem("subnet_id", self.subnet_id, fix)

    @rule
    def _route_table_id_is_one(self) -> Iterator[Problem]:
        given = self.route_table_id
        if given is not None and not ROUTE_TABLE_ID.fullmatch(given):
            fix = 'write the id as AWS shows it, for example "rtb-0123456789abcdef0", or None'
            yield Problem("route_table_id", given, fix)

    @rule
    def _cidr_is_a_block(self) -> Iterator[Problem]:
        yield from cidr_problems("cidr", self.cidr)


class ExistingNetworkSpec(Spec):
    """A VPC that is there already, with its own routes and endpoints.

    What a template cannot know of it (free addresses, DNS attributes, routes, network ACLs) is
    for a check against the live account.
    """

    vpc_id: str
    """`vpc-...`"""

    cidr: str
    """Its IPv4 block."""

    secondary_cidrs: tuple[str, ...] = ()
    """Blocks that were added to it later."""

    training_subnets: Annotated[tuple[ExistingSubnetSpec, ...], Field(min_length=1)]
    """Private subnets in the environment's zone; the file system is put into the first."""

    interface_endpoints: tuple[str, ...] = ()
    """Services to add an interface endpoint for; the VPC is taken to have what it needs."""

    @property
    def training_addresses(self) -> int:
        """Addresses of the training subnets, taken as if all of them were free."""
        return sum(usable_addresses(subnet.cidr) for subnet in self.training_subnets)

    @property
    def lustre_subnet_addresses(self) -> int:
        """Addresses of the subnet that holds the file system and the endpoints."""
        return usable_addresses(self.training_subnets[0].cidr)

    @rule
    def _id_is_one(self) -> Iterator[Problem]:
        if not VPC_ID.fullmatch(self.vpc_id):
            fix = 'write the id as AWS shows it, for example "vpc-0123456789abcdef0"'
            yield Problem("vpc_id", self.vpc_id, fix)

    @rule
    def _cidrs_are_blocks(self) -> Iterator[Problem]:
        yield from cidr_problems("cidr", self.cidr)
        for index, cidr in enumerate(self.secondary_cidrs):
            yield from cidr_problems(f"secondary_cidrs[{index}]", cidr)

    @rule
    def _subnets_lie_in_the_vpc(self) -> Iterator[Problem]:
        blocks = [network(cidr) for cidr in (self.cidr, *self.secondary_cidrs)]
        for index, subnet in enumerate(self.training_subnets):
            given = vars(subnet).get("cidr")
            block = None if given is None else _network_or_none(given)
            if block is not None and not any(block.subnet_of(vpc) for vpc in blocks):
                fix = (
                    f"it lies outside {choices([str(vpc) for vpc in blocks])}; write the subnet's "
                    "block, or add the VPC's block that holds it to secondary_cidrs"
                )
                yield Problem(f"training_subnets[{index}].cidr", given, fix)

    @rule
    def _subnets_are_listed_once(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for index, subnet in enumerate(self.training_subnets):
            name = vars(subnet).get("subnet_id")
            if name in seen:
                field = f"training_subnets[{index}].subnet_id"
                yield Problem(field, name, "it is listed twice; remove one")
            elif name is not None:
                seen.add(name)

    @rule
    def _subnets_do_not_overlap(self) -> Iterator[Problem]:
        yield from overlaps(
            [(f"training_subnets[{i}].cidr", s.cidr) for i, s in enumerate(self.training_subnets)]
        )

    @rule
    def _endpoints_are_services(self) -> Iterator[Problem]:
        yield from endpoint_problems(self.interface_endpoints)
