"""IPv4 blocks of VPCs and subnets: which ones AWS accepts, and how a VPC is divided."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.problem import Problem
from ultracluster.spec.base import UndeterminedError

RESERVED_ADDRESSES: Final = 5
"""Addresses that AWS keeps of every subnet (VPC User Guide, 2023-06)."""
LARGEST_PREFIX: Final = 16
SMALLEST_PREFIX: Final = 28
LARGEST_TRAINING_SUBNET: Final = 20
"""Prefix length of the default training subnet: 4,091 usable addresses."""
DEFAULT_VPC: Final = ipaddress.IPv4Network("10.0.0.0/16")
DOCKER: Final = ipaddress.IPv4Network("172.17.0.0/16")
"""Addresses that containers of SageMaker use themselves (VPC User Guide, VPC CIDR blocks)."""


def network(cidr: str) -> ipaddress.IPv4Network:
    """Return a CIDR block as a network.

    Raises:
        UndeterminedError: where the block is invalid; the rule of the field itself reports it.
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
        reason = "the address is not the first one of its block"
    else:
        reason = "AWS takes address and prefix length"
    yield Problem(field, cidr, f"{reason}; write {sound}")


def not_for_hosts(cidr: str) -> str | None:
    """Return why no VPC can use a block's addresses; empty where one can."""
    try:
        given = ipaddress.IPv4Interface(cidr)
    except ValueError:
        return None
    prefix = max(given.network.prefixlen, LARGEST_PREFIX)
    block = ipaddress.IPv4Network((given.ip, prefix), strict=False)
    first = block.network_address
    if first.is_loopback or first.is_link_local or first.is_multicast or first.is_reserved:
        return "those addresses are not for hosts"
    if first.packed[0] == 0:
        return "no host has an address that begins with 0"
    if block.overlaps(DOCKER):
        return f"SageMaker's containers use {DOCKER} themselves"
    return None


def training_subnets_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the default training subnets of a VPC's block."""
    vpc = network_or_none(given.get("cidr", "")) or DEFAULT_VPC
    prefix = min(max(vpc.prefixlen + 1, LARGEST_TRAINING_SUBNET), SMALLEST_PREFIX)
    return (f"{vpc.network_address}/{prefix}",)


def public_subnet_of(given: Mapping[str, Any]) -> str:
    """Return the NAT gateway's subnet: at the last sixteenth of the VPC, or the last that is free.

    Where the training subnets leave no room it overlaps them, and a rule reports that.
    """
    vpc = network_or_none(given.get("cidr", "")) or DEFAULT_VPC
    taken = [network_or_none(cidr) for cidr in given.get("training_subnet_cidrs", ())]
    places = list(vpc.subnets(new_prefix=SMALLEST_PREFIX))
    usual = places[len(places) * 15 // 16]
    for place in (usual, *reversed(places)):
        if not any(block is not None and place.overlaps(block) for block in taken):
            return str(place)
    return str(usual)


def overlaps(blocks: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    """Yield a problem for each named block that overlaps one before it."""
    known = [(name, cidr, network_or_none(cidr)) for name, cidr in blocks]
    for index, (field, cidr, block) in enumerate(known):
        for name, other_cidr, other in known[:index]:
            if block is not None and other is not None and block.overlaps(other):
                fix = f"overlaps {other_cidr} of {name}; write a block of its own"
                yield Problem(field, cidr, fix)
                break


def network_or_none(cidr: str) -> ipaddress.IPv4Network | None:
    try:
        return network(cidr)
    except UndeterminedError:
        return None
