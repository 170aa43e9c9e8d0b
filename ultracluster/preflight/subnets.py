"""Subnets that are there already: place, free addresses, public addresses."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.interfaces import layout
from ultracluster.preflight.finding import Check, Finding, Situation, failed, passed, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.question import Question, question
from ultracluster.spec.cidr import prefix_for
from ultracluster.spec.network import ExistingNetworkSpec

UNKNOWN: Final = ("InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed")
MADE: Final = "the environment makes its own VPC and subnets"


def given(network: ExistingNetworkSpec) -> Question:
    """Return the question for the given subnets.

    A filter, and not `SubnetIds`: one that is missing then does not hide the others.
    """
    ids = [subnet.subnet_id for subnet in network.training_subnets]
    return question("ec2", "describe_subnets", Filters=[{"Name": "subnet-id", "Values": ids}])


def rows(situation: Situation, network: ExistingNetworkSpec) -> dict[str, dict[str, Any]]:
    """Return the given subnets that there are, by id."""
    try:
        found = situation.ask(given(network))["Subnets"]
    except UnansweredError as error:
        if error.code not in UNKNOWN:
            raise
        found = []
    return {row["SubnetId"]: row for row in found}


def _place(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("given subnets", MADE)
        return
    asked, found = given(network), rows(situation, network)
    faults = 0
    for index, subnet in enumerate(network.training_subnets):
        field = f"network.training_subnets[{index}]"
        row = found.get(subnet.subnet_id)
        if row is None:
            fix = f"write the id of a subnet of this account and Region in {field}"
            yield failed(subnet.subnet_id, "no such subnet here", "there", fix, question=asked)
            faults += 1
            continue
        for words, is_there, wanted, name in (
            ("VPC", row["VpcId"], network.vpc_id, "network.vpc_id"),
            (
                "zone",
                row.get("AvailabilityZoneId"),
                situation.spec.availability_zone_id,
                f"{field}.availability_zone_id",
            ),
            ("block", row["CidrBlock"], subnet.cidr, f"{field}.cidr"),
        ):
            if is_there != wanted:
                fix = f"use another subnet, or correct {name}"
                subject = f"{words} of {subnet.subnet_id}"
                yield failed(subject, str(is_there), wanted, fix, question=asked)
                faults += 1
    if not faults:
        count = len(network.training_subnets)
        yield passed("given subnets", f"{count} in {situation.spec.availability_zone_id}", asked)


def _addresses(situation: Situation) -> Iterator[Finding]:
    network = situation.spec.network
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("free addresses", MADE)
        return
    asked, found = given(network), rows(situation, network)
    free = {
        subnet.subnet_id: int(found[subnet.subnet_id]["AvailableIpAddressCount"])
        for subnet in network.training_subnets
        if subnet.subnet_id in found
    }
    if len(free) < len(network.training_subnets):
        yield skipped("free addresses", "a given subnet is missing; see subnet-place")
        return
    parts = situation.spec.address_demand()
    words = " + ".join(f"{count:,} {part}" for part, count in parts.items() if count)
    wanted, there = sum(parts.values()), sum(free.values())
    if there < wanted:
        fix = f"give a subnet of /{prefix_for(wanted)} or larger, or ask for fewer nodes"
        found_words = f"{there:,} free in {', '.join(free)}"
        yield failed("free addresses", found_words, f"{wanted:,} ({words})", fix, question=asked)
        return
    first = network.training_subnets[0].subnet_id
    of_first = sum(parts.get(part, 0) for part in ("file system", "endpoints", "Slurm"))
    if free[first] < of_first:
        fix = "put a subnet with more free addresses first; it holds file system, endpoints "
        fix += "and, with Slurm, controller and login nodes"
        yield failed(
            f"free addresses of {first}",
            f"{free[first]:,} free",
            f"{of_first:,}",
            fix,
            question=asked,
        )
        return
    yield passed("free addresses", f"{there:,} free, {wanted:,} needed", asked)


def _public_addresses(situation: Situation) -> Iterator[Finding]:
    """EC2 gives a public address only to an instance with one interface, and refuses others."""
    network, nodes = situation.spec.network, situation.spec.nodes
    if not isinstance(network, ExistingNetworkSpec):
        yield skipped("public addresses", MADE)
        return
    count = len(layout(nodes.instance, nodes.interface_layout))
    if count == 1:
        yield skipped("public addresses", f"{nodes.instance_type} has one interface here")
        return
    asked = given(network)
    giving = [
        name
        for name, row in rows(situation, network).items()
        if row.get("MapPublicIpOnLaunch") is True
    ]
    for name in giving:
        yield failed(
            f"public addresses of {name}",
            "given at launch",
            f"none: nodes have {count} interfaces",
            "use a private subnet, or switch it off",
            question=asked,
            fix_command="aws ec2 modify-subnet-attribute --no-map-public-ip-on-launch "
            f"--subnet-id {name} --region {situation.spec.region}",
        )
    if not giving:
        yield passed("public addresses", "given by no subnet", asked)


CHECKS: Final = (
    Check("subnet-place", "Given subnets exist, in the VPC and zone of the spec", _place),
    Check("subnet-addresses", "Given subnets have enough free addresses", _addresses),
    Check("subnet-public-addresses", "Given subnets give no public address", _public_addresses),
)
