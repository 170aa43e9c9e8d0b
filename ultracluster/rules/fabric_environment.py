"""FABRIC rules about instance types that meet."""

from collections.abc import Iterator

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import Fault, rule
from ultracluster.rules.subjects import launched


@rule(
    "FABRIC-25",
    "warning",
    launched,
    what="Nodes of one group with EFA may be of several instance types.",
    why="EFA of P4d, P4de and DL1 does not interoperate with other types, and an interface layout "
    "fits one type.",
    source="EC2 User Guide, EFA limitations, text of 2026-08-01",
    fix="write one instance type, and a group of nodes for each type",
    check="aws ec2 describe-instances --filters Name=tag:Name,Values=<group> "
    "--query 'Reservations[].Instances[].InstanceType'",
)
def one_type_per_fabric(_model: Model, node: Node) -> Iterator[Fault]:
    types = sorted(set(node.type_names())) if node.efa_interfaces() else []
    if len(types) > 1:
        yield Fault(f"{described(node)} launches {', '.join(types)}")
