"""Small environments that can work, and how a test changes one and hears what is wrong with it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tests.spec.budgets import TOLD
from ultracluster.problem import Problem, SpecError, collecting
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import (
    INTERFACE_ENDPOINTS,
    ExistingNetworkSpec,
    ExistingSubnetSpec,
    NetworkSpec,
)
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec
from ultracluster.spec.slurm import (
    AcceleratedGroupSpec,
    CpuGroupSpec,
    QueueSpec,
    SlurmSpec,
)
from ultracluster.spec.users import AccountSpec, GroupSpec, UserSpec, UsersSpec

LEFT_OUT: Final = object()
"""As a changed value: the field is not given at all."""

RESERVATION: Final = "cr-0123456789abcdef0"
IMAGE: Final = "ami-0123456789abcdef0"
SUBNET: Final = "subnet-0123456789abcdef{:x}"


def changed(spec: Any, changes: Mapping[str, Any]) -> Any:
    """Return a spec built anew, with other values at paths such as `network.cidr` or `a.b[0]`."""
    fields = dict(vars(spec))
    inner: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        head, _, rest = path.partition(".")
        if rest or head.endswith("]"):
            inner.setdefault(head, {})[rest] = value
        elif value is LEFT_OUT:
            fields.pop(head, None)
        else:
            fields[head] = value
    for head, values in inner.items():
        match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", head)
        assert match, head
        name, index = match.groups()
        if index is None:
            fields[name] = changed(fields[name], values)
        else:
            items = list(fields[name])
            place = int(index)
            items[place] = values[""] if "" in values else changed(items[place], values)
            fields[name] = tuple(items)
    return type(spec)(**fields)


def found(build: Callable[[], EnvironmentSpec]) -> list[Problem]:
    """Return every problem of an environment, each field as a path below the environment."""
    with collecting() as collection:
        environment = build()
    root = vars(environment).get("name") or "environments[0]"
    return [
        replace(p, field=p.field.removeprefix(f"{root}."))
        for p in collection.problems([(root, environment)])
    ]


def refused(build: Callable[[], object]) -> tuple[Problem, ...]:
    """Return the problems of one spec that stands alone, outside an environment."""
    try:
        build()
    except SpecError as error:
        return error.problems
    return ()


def repositories(count: int) -> tuple[DataRepositorySpec, ...]:
    """Return so many data repositories that do not overlap."""
    return tuple(
        DataRepositorySpec(file_system_path=f"/data{n}", prefix=f"data{n}/") for n in range(count)
    )


P4D: Final = EnvironmentSpec(
    name="sample",
    region="us-east-1",
    availability_zone_id="use1-az6",
    network=NetworkSpec(
        cidr="10.0.0.0/16",
        training_subnet_cidrs=("10.0.0.0/24",),
        public_subnet_cidr="10.0.240.0/28",
    ),
    nodes=NodesSpec(instance_type="p4d.24xlarge", count=4, image=IMAGE),
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=2400,
        per_unit_storage_throughput=250,
        metadata_iops="AUTOMATIC",
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=4),
    budget=TOLD,
)
"""Four nodes on demand with a PERSISTENT_2 file system."""

SCRATCH: Final = changed(
    P4D,
    {"storage": LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False)},
)
HDD: Final = changed(
    P4D,
    {
        "storage": LustreSpec(
            deployment_type="PERSISTENT_1",
            storage_type="HDD",
            capacity_gib=6000,
            per_unit_storage_throughput=12,
            drive_cache_type="READ",
            keep_data=True,
        )
    },
)
TIERING: Final = changed(
    P4D,
    {
        "storage": LustreSpec(
            deployment_type="PERSISTENT_2",
            storage_type="INTELLIGENT_TIERING",
            throughput_capacity_mbps=4000,
            data_read_cache="NO_CACHE",
            metadata_iops=6000,
            keep_data=True,
        )
    },
)
LINKED: Final = changed(P4D, {"storage.data_repositories": repositories(2)})
"""With two data repositories."""

FAST: Final = changed(
    P4D,
    {
        "nodes.instance_type": "p5.48xlarge",
        "storage.efa_enabled": True,
        "storage.per_unit_storage_throughput": 1000,
        "storage.capacity_gib": 4800,
    },
)
"""P5 nodes that are clients of the file system over EFA."""

BLOCK: Final = changed(
    P4D,
    {
        "nodes.capacity_block": CapacityBlockSpec(capacity_reservation_id=RESERVATION),
        "nodes.placement_group": False,
    },
)
RESERVED: Final = changed(P4D, {"nodes.capacity_reservation": CapacityReservationSpec()})
FOUND: Final = changed(
    P4D,
    {
        "nodes.capacity_reservation": CapacityReservationSpec(capacity_reservation_id=RESERVATION),
        "nodes.placement_group": False,
    },
)
"""On a reservation that is there already."""

SLURM: Final = changed(
    P4D,
    {
        "slurm": SlurmSpec(),
        "nodes.interface_layout": "address-per-card",
        "nodes.root_device_name": "/dev/sda1",
    },
)
"""With Slurm and a login node."""

QUEUES: Final = changed(
    SLURM,
    {
        "slurm.node_groups": (
            AcceleratedGroupSpec(
                name="h100", instance_type="p5.48xlarge", count=2, image=P4D.nodes.image
            ),
            CpuGroupSpec(name="cpu", instance_type="c7i.8xlarge", count=4),
        ),
        "slurm.queues": (
            QueueSpec(),
            QueueSpec(name="debug", node_groups=("nodes", "h100"), max_time="2:00:00"),
            QueueSpec(name="prepare", node_groups=("cpu",)),
        ),
    },
)
"""With further node groups and queues."""

USERS: Final = changed(
    SLURM,
    {
        "slurm.accounting_days": 30,
        "slurm.users": UsersSpec(
            users=(
                UserSpec(name="alice", uid=2001, groups=("vision",), accounts=("research",)),
                UserSpec(name="bob", uid=2002, accounts=("teaching", "research")),
            ),
            groups=(GroupSpec(name="vision", gid=3001),),
            accounts=(AccountSpec(name="research", most_nodes=2), AccountSpec(name="teaching")),
        ),
        "slurm.queues": (QueueSpec(allow_accounts=("research",)),),
    },
)
"""With users who have accounts."""

CLOSED: Final = changed(
    P4D,
    {"network.public_subnet_cidr": None, "network.interface_endpoints": INTERFACE_ENDPOINTS},
)
EXISTING: Final = changed(
    P4D,
    {
        "network": ExistingNetworkSpec(
            vpc_id="vpc-0123456789abcdef0",
            cidr="10.0.0.0/16",
            training_subnets=tuple(
                ExistingSubnetSpec(
                    subnet_id=SUBNET.format(n),
                    cidr=f"10.0.{n}.0/24",
                    availability_zone_id="use1-az6",
                )
                for n in range(2)
            ),
            interface_endpoints=("sts",),
        )
    },
)
"""In a VPC that is there already, with two subnets."""
