"""Checks of existing subnets, and API calls that all checks of an existing network use."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from ultracluster.catalogue.interfaces import layout
from ultracluster.preflight.finding import (
    Examination,
    Finding,
    Frame,
    Situation,
    check,
    failed,
    passed,
    skipped,
)
from ultracluster.preflight.inquiry import Question, question
from ultracluster.spec.cidr import prefix_for
from ultracluster.spec.network import ExistingNetworkSpec

EVERYWHERE: Final = "0.0.0.0/0"


def existing(subject: str) -> Frame:
    """Return the frame of a check that is skipped where the environment makes its own network."""

    def framed(
        examine: Callable[[Situation, ExistingNetworkSpec], Iterator[Finding]],
    ) -> Examination:
        def guarded(situation: Situation) -> Iterator[Finding]:
            network = situation.spec.network
            if isinstance(network, ExistingNetworkSpec):
                yield from examine(situation, network)
            else:
                yield skipped(subject, "the environment makes its own VPC and subnets")

        return guarded

    return framed


def of_vpc(operation: str, network: ExistingNetworkSpec) -> Question:
    """Return the question for what a VPC has of something."""
    return question("ec2", operation, Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}])


def of_subnets(network: ExistingNetworkSpec) -> Question:
    """Return the question for the given subnets.

    A filter, and not `SubnetIds`: one that is missing then does not hide the others.
    """
    ids = [subnet.subnet_id for subnet in network.training_subnets]
    return question("ec2", "describe_subnets", Filters=[{"Name": "subnet-id", "Values": ids}])


def subnets(situation: Situation, network: ExistingNetworkSpec) -> dict[str, dict[str, Any]]:
    """Return the given subnets that there are, by id."""
    return {row["SubnetId"]: row for row in situation.ask(of_subnets(network))["Subnets"]}


def route_table(tables: list[dict[str, Any]], subnet_id: str) -> dict[str, Any] | None:
    """Return the table of a subnet: its own, or the VPC's main one."""
    main = None
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet_id:
                return table
            if association.get("Main"):
                main = table
    return main


WHAT_IS_FIRST: Final = ("file system", "endpoints", "Slurm")
"""What is only in the first training subnet."""


@check("subnet-place", "Existing subnets are in the VPC and zone", existing("existing subnets"))
def _place(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked, found = of_subnets(network), subnets(situation, network)
    wanted_zone, good = situation.spec.availability_zone_id, True
    for index, subnet in enumerate(network.training_subnets):
        field = f"network.training_subnets[{index}]"
        row = found.get(subnet.subnet_id)
        if row is None:
            good = False
            fix = f"write the id of a subnet of this account and Region in {field}"
            gone = "no such subnet in this account and Region"
            yield failed(subnet.subnet_id, gone, "there", fix, asked)
            continue
        zone = row.get("AvailabilityZoneId")
        for words, is_there, wanted, name in (
            ("VPC", row["VpcId"], network.vpc_id, "network.vpc_id"),
            ("zone", zone, wanted_zone, f"{field}.availability_zone_id"),
            ("block", row["CidrBlock"], subnet.cidr, f"{field}.cidr"),
        ):
            if is_there != wanted:
                good = False
                fix = f"use another subnet, or correct {name}"
                subject = f"{words} of {subnet.subnet_id}"
                yield failed(subject, str(is_there), wanted, fix, asked)
    if good:
        words = f"{len(network.training_subnets)} in {wanted_zone}"
        yield passed("existing subnets", words, asked)


@check("subnet-addresses", "Existing subnets have enough addresses", existing("free addresses"))
def _addresses(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    asked, found = of_subnets(network), subnets(situation, network)
    free = {
        subnet.subnet_id: int(found[subnet.subnet_id]["AvailableIpAddressCount"])
        for subnet in network.training_subnets
        if subnet.subnet_id in found
    }
    if len(free) < len(network.training_subnets):
        yield skipped("free addresses", "a subnet does not exist; see subnet-place")
        return
    parts = situation.spec.address_demand()
    words = " + ".join(f"{count:,} {part}" for part, count in parts.items() if count)
    wanted, there = sum(parts.values()), sum(free.values())
    first = network.training_subnets[0].subnet_id
    of_first = sum(parts.get(part, 0) for part in WHAT_IS_FIRST)
    if there < wanted:
        fix = f"give a subnet of /{prefix_for(wanted)} or larger, or ask for fewer nodes"
        found_words = f"{there:,} free in {', '.join(free)}"
        yield failed("free addresses", found_words, f"{wanted:,} ({words})", fix, asked)
    elif free[first] < of_first:
        fix = "put a subnet with more free addresses first; it holds file system, endpoints "
        fix += "and, with Slurm, controller and login nodes"
        subject = f"free addresses of {first}"
        yield failed(subject, f"{free[first]:,} free", f"{of_first:,}", fix, asked)
    else:
        yield passed("free addresses", f"{there:,} free, {wanted:,} needed", asked)


@check(
    "subnet-public-addresses", "Subnets assign no public addresses", existing("public addresses")
)
def _public_addresses(situation: Situation, network: ExistingNetworkSpec) -> Iterator[Finding]:
    """EC2 gives a public address only to an instance with one interface, and refuses others."""
    nodes = situation.spec.nodes
    count = len(layout(nodes.instance, nodes.interface_layout))
    if count == 1:
        yield skipped("public addresses", f"{nodes.instance_type} has one interface here")
        return
    asked = of_subnets(network)
    giving = [
        failed(
            f"public addresses of {name}",
            "given at launch",
            f"none: nodes have {count} interfaces",
            "use a private subnet, or switch it off",
            asked,
            fix_command="aws ec2 modify-subnet-attribute --no-map-public-ip-on-launch "
            f"--subnet-id {name} --region {situation.spec.region}",
        )
        for name, row in subnets(situation, network).items()
        if row.get("MapPublicIpOnLaunch") is True
    ]
    yield from giving or [passed("public addresses", "given by no subnet", asked)]
