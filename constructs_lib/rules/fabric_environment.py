"""FABRIC rules about the environment of jobs, and about instance types that meet."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from constructs_lib.rules.jobs import Variable
from constructs_lib.rules.nodes import Node, described
from constructs_lib.rules.picture import Picture
from constructs_lib.rules.reading import text
from constructs_lib.rules.rule import Fault, rule

CHEATSHEET: Final = "awsome-distributed-ai efa-cheatsheet, 2026-07-23; aws-ofi-nccl efa-env-var.md"
TCP_ONLY: Final = {
    "FI_PROVIDER": re.compile(r"(?i)^(tcp|sockets|udp)\b"),
    "NCCL_NET": re.compile(r"(?i)^socket$"),
    "NCCL_NET_PLUGIN": re.compile(r"(?i)^none$"),
    "OFI_NCCL_DISABLE": re.compile(r"^1$"),
}
OBSOLETE: Final = {
    "FI_EFA_USE_DEVICE_RDMA": "libfabric 1.18 decides it by itself",
    "FI_EFA_ENABLE_SHM_TRANSFER": "libfabric ignores it",
    "FI_EFA_FORK_SAFE": "aws-ofi-nccl sets it",
    "NCCL_PROTO": "aws-ofi-nccl 1.6 and later chooses the protocol",
}


def _variables(picture: Picture) -> Sequence[Variable]:
    return [v for v in picture.variables if v.name in TCP_ONLY]


@rule(
    "FABRIC-22",
    "warning",
    _variables,
    what="A variable of the job's environment keeps it off EFA.",
    why="The job runs over TCP without a word, at a fraction of the bandwidth that is paid for.",
    source=f"NVIDIA/nccl#959; sagemaker-training-toolkit#240; {CHEATSHEET}",
    fix="remove the variable; the plugin finds EFA by itself",
    check="NCCL_DEBUG=INFO: look for 'NET/OFI Selected provider is efa'",
)
def kept_off_the_fabric(_picture: Picture, variable: Variable) -> Iterator[Fault]:
    """Compare with the values that name another transport."""
    value = text(variable.value) or ""
    if TCP_ONLY[variable.name].search(value):
        yield Fault(f"{variable.name}={value}")


@rule(
    "FABRIC-23",
    "warning",
    lambda picture: [v for v in picture.variables if v.name.startswith("RDMAV_")],
    what="A variable of libibverbs is set for a job over EFA.",
    why="RDMAV_FORK_SAFE and RDMAV_HUGEPAGES_SAFE make registration of memory fail or crawl with "
    "EFA; fork is made safe by FI_EFA_USE_HUGE_PAGE=0.",
    source=CHEATSHEET,
    fix="remove it, and write FI_EFA_USE_HUGE_PAGE=0 where the data loader forks",
    check="env | grep RDMAV_ (in the job)",
)
def verbs_variable(_picture: Picture, variable: Variable) -> Iterator[Fault]:
    """Report each."""
    yield Fault(f"{variable.name} is set")


@rule(
    "FABRIC-24",
    "info",
    lambda picture: [v for v in picture.variables if v.name in OBSOLETE],
    what="A variable of the job's environment has been obsolete since aws-ofi-nccl 1.7.",
    why="It does nothing, or pins what newer versions choose better.",
    source=CHEATSHEET,
    fix="remove it",
    check="cat /opt/amazon/efa_installed_packages (on a node)",
)
def obsolete_variable(_picture: Picture, variable: Variable) -> Iterator[Fault]:
    """Say what replaced it."""
    yield Fault(f"{variable.name} is set; {OBSOLETE[variable.name]}")


@rule(
    "FABRIC-25",
    "warning",
    lambda picture: [node for node in picture.nodes if node.launcher],
    what="Nodes of one group with EFA may be of several instance types.",
    why="EFA of P4d, P4de and DL1 does not interoperate with other types, and an interface layout "
    "fits one type.",
    source="EC2 User Guide, EFA limitations, text of 2026-08-01",
    fix="write one instance type, and a group of nodes for each type",
    check="aws ec2 describe-instances --filters Name=tag:Name,Values=<group> "
    "--query 'Reservations[].Instances[].InstanceType'",
)
def several_types_in_a_fabric(_picture: Picture, node: Node) -> Iterator[Fault]:
    """Count the types of a node with EFA."""
    types = sorted(set(node.type_names())) if node.efa_interfaces() else []
    if len(types) > 1:
        yield Fault(f"{described(node)} launches {', '.join(types)}")
