"""What modelled services need of a VPC: the subnets, groups and interfaces that they live in."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from ultracluster.emulator.provisioning import ServiceError

Kind = Literal["subnet", "group", "launch template", "instance profile", "role"]


class Network(Protocol):
    """The VPC side of the emulated account, in the account and Region of the current request."""

    def find(self, kind: Kind, identifier: str) -> Mapping[str, Any] | None: ...

    def default_group(self, vpc_id: str) -> str: ...

    def placement_group(self, name_or_arn: str) -> Mapping[str, Any] | None: ...

    def add_interface(
        self, subnet_id: str, group_ids: Sequence[str], description: str, requester: str
    ) -> str: ...

    def remove_interfaces(self, interface_ids: Sequence[str]) -> None: ...

    def launch(
        self,
        *,
        template: Mapping[str, Any],
        instance_type: str,
        image: str | None,
        subnet_id: str,
        tags: Mapping[str, str],
    ) -> str: ...

    def terminate(self, instance_ids: Sequence[str]) -> None: ...


def addresses(cidr: str) -> int:
    """Return how many addresses a subnet can give; AWS keeps five (VPC User Guide, "Subnets")."""
    return ipaddress.ip_network(cidr, strict=False).num_addresses - 5


def required_subnet(network: Network, service: str, subnet_id: str) -> Mapping[str, Any]:
    """Return a subnet that a service is told to use."""
    subnet = network.find("subnet", subnet_id)
    if subnet is None:
        raise ServiceError(
            service, "InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist"
        )
    return subnet


def required_groups(
    network: Network, service: str, group_ids: Sequence[str], vpc_id: str
) -> list[Mapping[str, Any]]:
    """Return the groups that a service is told to use; the VPC's default group where none is."""
    found = []
    for group_id in group_ids or [network.default_group(vpc_id)]:
        group = network.find("group", group_id)
        if group is None or group["VpcId"] != vpc_id:
            raise ServiceError(
                service,
                "InvalidGroup.NotFound",
                f"The security group '{group_id}' does not exist in VPC '{vpc_id}'",
            )
        found.append(group)
    return found
