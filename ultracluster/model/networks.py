"""VPCs, subnets, network ACLs, routes and endpoints."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ultracluster.model.resource import Index, ModelResource, index
from ultracluster.model.traffic import ANYWHERE
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError

RESERVED: Final = 5
"""Addresses of every subnet that AWS keeps (VPC guide, subnet sizing; 2026-11-23)."""
DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")
CHOSEN: Final = re.compile(r"Fn::Select (\d+) of (Fn::GetAZs .+)")
"""Symbol of one zone out of the list of a Region's (`!Select [0, !GetAZs ""]`)."""


class Zone(NamedTuple):
    """An Availability Zone, as far as a template names it."""

    form: str
    """`id`, `name`, the list that it is chosen from, or `?` where nothing is known of it."""
    name: str
    because: str = ""
    """Why it is not known."""

    def is_known(self) -> bool:
        """Whether the zone itself is known."""
        return self.form in ("id", "name")


def zone_of(thing: ResolvedResource) -> Zone:
    """Return the zone of a subnet or of a reservation."""
    for form, name in (("id", "AvailabilityZoneId"), ("name", "AvailabilityZone")):
        stated = thing.properties.get(name)
        if isinstance(stated, Unknown) and stated.symbol is not None:
            if chosen := CHOSEN.fullmatch(stated.symbol):
                return Zone(chosen[2], f"zone {chosen[1]} of the Region", stated.because)
            return Zone("?", stated.symbol, stated.because)
        if stated is not None:
            return Zone(form, read.text(stated) or "")
    raise UndeterminedError(f"AWS chooses the zone of {thing.place.logical_id}")


def apart(one: Zone, other: Zone) -> bool:
    """Whether two zones differ."""
    if one == other:
        return False
    for zone in (one, other):
        if zone.form == "?" or (one.form != other.form and not zone.is_known()):
            raise UndeterminedError(zone.because)
    if one.form != other.form:
        raise UndeterminedError("one zone is given by its id and another by its name")
    return True


@dataclass(frozen=True)
class Subnet(ModelResource):
    """A subnet of the templates."""

    def zone(self) -> Zone:
        """Return its zone."""
        return zone_of(self.resource)

    def addresses(self) -> int:
        """Return the number of its usable IPv4 addresses."""
        block = read.text(self.properties, "CidrBlock")
        if block is None:
            raise UndeterminedError(f"no block of {self.place.logical_id} is written")
        try:
            return ipaddress.ip_network(block, strict=False).num_addresses - RESERVED
        except ValueError:
            raise UndeterminedError(f"{block} is no block of addresses") from None

    def gives_public_addresses(self) -> bool:
        """Whether instances get public addresses in it by default."""
        return read.flag(self.properties, "MapPublicIpOnLaunch") or False


@dataclass(frozen=True)
class Networks:
    """VPCs, subnets, routes and endpoints of the templates."""

    subnets: Mapping[Key, Subnet]
    by_type: Mapping[str, Sequence[ResolvedResource]]

    def subnet(self, name: Key) -> Subnet:
        """Return a subnet of the templates."""
        found = self.subnets.get(name)
        if found is None:
            raise read.not_given(name, "subnet")
        return found

    def zones(self, names: Sequence[Key]) -> set[Zone]:
        """Return the zones of subnets, of which no two can be the same."""
        found = {self.subnet(name).zone() for name in names}
        first, *others = sorted(found)
        for other in others:
            apart(first, other)
        return found

    def several_zones(self, names: Sequence[Key]) -> str:
        """Return the zones that subnets are spread over, nothing where they are in one."""
        found = self.zones(names) if len(names) > 1 else set()
        return ", ".join(sorted(zone.name for zone in found)) if len(found) > 1 else ""

    def of(self, kind: str) -> Sequence[ResolvedResource]:
        return self.by_type.get(kind, ())

    def in_vpc(self, kind: str, vpc: Key) -> Iterator[ResolvedResource]:
        """Yield the resources of a type that lie in a VPC, whether by `VpcId` or by subnet."""
        if kind not in self._in_vpc:
            self._in_vpc[kind] = index(self.of(kind), self._vpcs_of)
        return self._in_vpc[kind].of(vpc)

    @cached_property
    def _in_vpc(self) -> dict[str, Index[ResolvedResource]]:
        return {}

    def _vpcs_of(self, resource: ResolvedResource) -> Iterator[Key]:
        if resource.properties.get("VpcId") is not None:
            yield read.known_key(resource.properties["VpcId"])
            return
        stated = resource.properties.get("SubnetIds") or resource.properties.get("SubnetId")
        names = [read.key(v) for v in (stated if isinstance(stated, list) else [stated]) if v]
        for subnet in (self.subnets[name] for name in names if name in self.subnets):
            yield read.known_key(subnet.properties.get("VpcId"))

    def leads_out(self, vpc: Key) -> bool:
        """Whether some route table of a VPC has a default route."""
        tables = {table.place.key for table in self.in_vpc("AWS::EC2::RouteTable", vpc)}
        if not tables:
            raise UndeterminedError(
                f"no route table of {read.shown(vpc)} is in the given templates"
            )
        return any(
            read.text(route.properties, "DestinationCidrBlock") == ANYWHERE[0]
            for table in tables
            for route in self.default_routes(table)
        )

    def route_table(self, subnet: Key) -> Key | None:
        """Return the route table of a subnet, None where its VPC's main one decides."""
        for association in self._associations.of(subnet):
            name = read.key(association.properties, "RouteTableId")
            if name not in self._tables:
                raise read.not_given(name, "route table")
            return name
        return None

    @cached_property
    def _tables(self) -> frozenset[Key]:
        return frozenset(table.place.key for table in self.of("AWS::EC2::RouteTable"))

    @cached_property
    def _associations(self) -> Index[ResolvedResource]:
        found = self.of("AWS::EC2::SubnetRouteTableAssociation")
        return index(found, lambda each: [read.key(each.properties, "SubnetId")])

    @cached_property
    def _routes(self) -> Index[ResolvedResource]:
        found = self.of("AWS::EC2::Route")
        return index(found, lambda each: [read.key(each.properties, "RouteTableId")])

    def default_routes(self, table: Key) -> Iterator[ResolvedResource]:
        """Yield the default routes of a table."""
        for route in self._routes.of(table):
            if any(read.text(route.properties, name) in ANYWHERE for name in DESTINATIONS):
                yield route


def read_networks(by_type: Mapping[str, Sequence[ResolvedResource]]) -> Networks:
    subnets = [Subnet(resource) for resource in by_type.get("AWS::EC2::Subnet", ())]
    return Networks({subnet.key: subnet for subnet in subnets}, by_type)
