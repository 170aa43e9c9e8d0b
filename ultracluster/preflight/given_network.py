"""What the checks of a network that is there already ask, and when they have nothing to ask."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from ultracluster.preflight.finding import Check, Finding, Situation, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.question import Question, question
from ultracluster.spec.network import ExistingNetworkSpec

UNKNOWN: Final = ("InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed")
EVERYWHERE: Final = "0.0.0.0/0"

Examination = Callable[[Situation, ExistingNetworkSpec], Iterator[Finding]]


def network_check(name: str, what: str, subject: str, examine: Examination) -> Check:
    """Return a check that is skipped where the environment makes its own network."""

    def guarded(situation: Situation) -> Iterator[Finding]:
        network = situation.spec.network
        if isinstance(network, ExistingNetworkSpec):
            yield from examine(situation, network)
        else:
            yield skipped(subject, "the environment makes its own VPC and subnets")

    return Check(name, what, guarded)


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
    try:
        found = situation.ask(of_subnets(network))["Subnets"]
    except UnansweredError as error:
        if error.code not in UNKNOWN:
            raise
        found = []
    return {row["SubnetId"]: row for row in found}


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
