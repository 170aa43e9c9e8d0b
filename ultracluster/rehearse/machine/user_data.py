"""Reads nodes' user data and Slurm's settings from an environment's templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.instances import find
from ultracluster.exit_status import CommandError
from ultracluster.prove.deployment import StackTemplate

FILLED: Final = {
    "DNSName": "fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com",
    "LustreMountName": "abcdefgh",
    "ExportsOutputRefHomes": "fs-0123456789abcdef1",
    "-assets-": "s3://assets/programs.zip",
}
"""Texts in the place of what CloudFormation knows once the file system is there, by what the
reference's name has in it."""
HOMES: Final = f"HOMES={FILLED['ExportsOutputRefHomes']}"
"""What user data says where nodes share their homes."""


@dataclass(frozen=True)
class BootedNodes:
    """What an environment boots: the same bytes that EC2 would get."""

    node: str
    """User data of training nodes."""
    login: str | None
    """User data of login nodes; None where there are none."""
    slurm_version: str | None
    """Of the cluster; None where Auto Scaling launches the nodes."""
    settings: Mapping[str, str]
    """What the cluster's slurm.conf is told: `Prolog`, for example."""
    vcpus: int
    """Of the instances that training nodes are."""


def booted_nodes(stacks: Sequence[StackTemplate]) -> BootedNodes:
    """Return what an environment boots.

    Raises:
        CommandError: where templates have no nodes, or user data refers to what nothing stands
            in for.
    """
    found = [each for stack in stacks for each in stack.template["Resources"].items()]
    templates = {
        name: resource["Properties"]["LaunchTemplateData"]
        for name, resource in found
        if resource["Type"] == "AWS::EC2::LaunchTemplate"
    }
    logins = [name for name in templates if "Login" in name]
    nodes = [name for name in templates if name not in logins]
    if not nodes:
        raise CommandError("the templates launch no node; nothing can be booted")
    cluster: Mapping[str, Any] = next(
        (r["Properties"] for _, r in found if r["Type"] == "AWS::PCS::Cluster"), {}
    )
    settings = cluster.get("SlurmConfiguration", {}).get("SlurmCustomSettings", ())
    return BootedNodes(
        node=text_of(templates[nodes[0]]["UserData"]),
        login=text_of(templates[logins[0]]["UserData"]) if logins else None,
        slurm_version=cluster.get("Scheduler", {}).get("Version"),
        settings={each["ParameterName"]: each["ParameterValue"] for each in settings},
        vcpus=find(templates[nodes[0]]["InstanceType"]).vcpus,
    )


def text_of(user_data: Any) -> str:
    """Return user data as a node gets it, its references filled in."""
    match user_data:
        case str():
            return user_data
        case {"Fn::Base64": inner}:
            return text_of(inner)
        case {"Fn::Join": [str() as separator, parts]}:
            return separator.join(text_of(part) for part in parts)
    for name, text in FILLED.items():
        if name in str(user_data):
            return text
    raise CommandError(
        f"user data refers to {user_data}, and nothing stands in for it; add it to FILLED of "
        "ultracluster/rehearse/machine/user_data.py"
    )
