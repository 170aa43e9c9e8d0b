"""VPCs, subnets, network ACLs, routes and endpoints."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from constructs_lib.rules.reading import (
    Key,
    UndeterminedError,
    flag,
    key,
    known,
    same,
    shown,
    text,
)
from constructs_lib.rules.resolved import Place, ResolvedResource

RESERVED: Final = 5
"""Addresses of every subnet that AWS keeps (VPC guide, subnet sizing; 2026-11-23)."""


@dataclass(frozen=True)
class Subnet:
    """A subnet of the templates."""

    place: Place
    properties: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """What references to it lead to."""
        return (self.place.stack, self.place.logical_id)

    def zone(self) -> tuple[str, str]:
        """Return how its zone is named, `id` or `name`, and the zone.

        Raises:
            UndeterminedError: where no zone is known.
        """
        for form, name in (("id", "AvailabilityZoneId"), ("name", "AvailabilityZone")):
            if self.properties.get(name) is not None:
                return form, text(self.properties[name]) or ""
        raise UndeterminedError(f"AWS chooses the zone of {self.place.logical_id}")

    def addresses(self) -> int:
        """Return how many IPv4 addresses it has to give.

        Raises:
            UndeterminedError: where its block is not known.
        """
        block = text(self.properties.get("CidrBlock"))
        if block is None:
            raise UndeterminedError(f"no block of {self.place.logical_id} is written")
        try:
            return ipaddress.ip_network(block, strict=False).num_addresses - RESERVED
        except ValueError:
            raise UndeterminedError(f"{block} is no block of addresses") from None

    def gives_public_addresses(self) -> bool:
        """Whether an instance gets a public address in it unasked."""
        return flag(self.properties.get("MapPublicIpOnLaunch")) or False


@dataclass(frozen=True)
class Networks:
    """Everything of the templates that has an address."""

    subnets: Mapping[Key, Subnet]
    resources: Sequence[ResolvedResource]

    def subnet(self, name: Key) -> Subnet:
        """Return a subnet of the templates.

        Raises:
            UndeterminedError: where it is somebody else's.
        """
        found = self.subnets.get(name)
        if found is None and not known(name):
            raise UndeterminedError(name[-1])
        if found is None:
            raise UndeterminedError(f"subnet {shown(name)} is not in the given templates")
        return found

    def zones(self, names: Sequence[Key]) -> set[tuple[str, str]]:
        """Return the zones of subnets; all named alike.

        Raises:
            UndeterminedError: where they cannot be compared.
        """
        found = {self.subnet(name).zone() for name in names}
        if len({form for form, _ in found}) > 1:
            raise UndeterminedError("one zone is given by its id and another by its name")
        return found

    def of(self, kind: str) -> Iterator[ResolvedResource]:
        """Yield the resources of a type."""
        return (r for r in self.resources if r.resource_type == kind)

    def in_vpc(self, kind: str, vpc: Key) -> Iterator[ResolvedResource]:
        """Yield the resources of a type that lie in a VPC, whether by `VpcId` or by subnet."""
        for resource in self.of(kind):
            if resource.properties.get("VpcId") is not None:
                if same(resource.properties["VpcId"], vpc):
                    yield resource
                continue
            stated = resource.properties.get("SubnetIds") or resource.properties.get("SubnetId")
            names = [key(v) for v in (stated if isinstance(stated, list) else [stated]) if v]
            mine = [self.subnets[name] for name in names if name in self.subnets]
            if any(same(subnet.properties.get("VpcId"), vpc) for subnet in mine):
                yield resource

    def leads_out(self, vpc: Key) -> bool:
        """Whether some route table of a VPC has a default route.

        Raises:
            UndeterminedError: where it has none of its own in the templates.
        """
        tables = {
            (table.place.stack, table.place.logical_id)
            for table in self.in_vpc("AWS::EC2::RouteTable", vpc)
        }
        if not tables:
            raise UndeterminedError(f"no route table of {shown(vpc)} is in the given templates")
        return any(
            key(route.properties.get("RouteTableId")) in tables
            and text(route.properties.get("DestinationCidrBlock")) == "0.0.0.0/0"
            for route in self.of("AWS::EC2::Route")
        )


def read_networks(resources: Sequence[ResolvedResource]) -> Networks:
    """Return the networks of a world."""
    subnets = [Subnet(r.place, r.properties) for r in resources if _is_subnet(r)]
    return Networks({subnet.key: subnet for subnet in subnets}, resources)


def _is_subnet(resource: ResolvedResource) -> bool:
    return resource.resource_type == "AWS::EC2::Subnet"
