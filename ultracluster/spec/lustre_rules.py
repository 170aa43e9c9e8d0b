"""What an environment must be for its file system, beyond what a LustreSpec can know of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ultracluster.spec.cidr import network
from ultracluster.spec.network import ExistingNetworkSpec
from ultracluster.spec.problem import Problem

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Iterator

    from ultracluster.spec.environment import EnvironmentSpec

BLOCK_OVER_EFA: Final = 16
"""Prefix of the block that an EFA-enabled file system shares with its clients (FSx for Lustre User
Guide, EFA-enabled file systems, copy read 2026-11-23)."""


def has_clients_over_efa(environment: EnvironmentSpec) -> Iterator[Problem]:
    """An EFA-enabled file system that no client reaches over EFA only costs money."""
    instance = environment.nodes.instance
    if environment.storage.efa_enabled and instance.lustre_over_efa is False:
        yield environment.problem_of(
            "storage.efa_enabled",
            f"{instance.name} cannot be a client over EFA (Nitro v4 and later can, Trn2 "
            "cannot); write efa_enabled=False, clients reach the file system over TCP",
        )


def shares_a_block_with_its_clients(environment: EnvironmentSpec) -> Iterator[Problem]:
    """A VPC that is there already may have subnets of several blocks; one of ours has one /16."""
    spec = environment.network
    if not environment.storage.efa_enabled or not isinstance(spec, ExistingNetworkSpec):
        return
    home = _block(spec.training_subnets[0].cidr)
    for index, subnet in enumerate(spec.training_subnets):
        if _block(subnet.cidr) != home:
            yield Problem(
                f"network.training_subnets[{index}].cidr",
                subnet.cidr,
                f"the file system lies in {home}, and clients over EFA must be in the same "
                f"/{BLOCK_OVER_EFA}; use a subnet of {home}, or storage without EFA",
            )


def _block(cidr: str) -> ipaddress.IPv4Network:
    return network(cidr).supernet(new_prefix=BLOCK_OVER_EFA)


LUSTRE_RULES: Final[tuple[Callable[[EnvironmentSpec], Iterator[Problem]], ...]] = (
    has_clients_over_efa,
    shares_a_block_with_its_clients,
)
