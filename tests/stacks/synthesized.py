"""Environments of every kind, and what a synthesis with all gates makes of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import app
from tests.spec.budgets import AMPLE, TOLD
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import ExistingNetworkSpec, ExistingSubnetSpec, NetworkSpec
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec
from ultracluster.spec.slurm import (
    AcceleratedGroupSpec,
    CpuGroupSpec,
    HealthChecksSpec,
    QueueSpec,
    SlurmSpec,
)
from ultracluster.spec.users import AccountSpec, HomeStorageSpec, UserSpec, UsersSpec

STACKS: Final = ("Network", "Storage", "Training", "Cluster")
RESERVATION: Final = "cr-0123456789abcdef0"

SCRATCH: Final = LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False)
KEPT: Final = LustreSpec(
    deployment_type="PERSISTENT_2",
    capacity_gib=2400,
    per_unit_storage_throughput=250,
    metadata_iops="AUTOMATIC",
    customer_key=True,
    data_repositories=(DataRepositorySpec(file_system_path="/data", prefix="data/"),),
    keep_data=True,
)
OVER_EFA: Final = LustreSpec(
    deployment_type="PERSISTENT_2",
    capacity_gib=4800,
    per_unit_storage_throughput=1000,
    metadata_iops="AUTOMATIC",
    efa_enabled=True,
    keep_data=True,
)
TIERING: Final = LustreSpec(
    deployment_type="PERSISTENT_2",
    storage_type="INTELLIGENT_TIERING",
    throughput_capacity_mbps=4000,
    data_read_cache="NO_CACHE",
    metadata_iops=6000,
    keep_data=True,
)
HDD: Final = LustreSpec(
    deployment_type="PERSISTENT_1",
    storage_type="HDD",
    capacity_gib=6000,
    per_unit_storage_throughput=12,
    drive_cache_type="READ",
    automatic_backup_retention_days=7,
    keep_data=True,
)
P4D: Final = NodesSpec(instance_type="p4d.24xlarge", count=2, image="ami-0123456789abcdef0")
FOR_SLURM: Final = P4D.model_copy(
    update={
        "interface_layout": "address-per-card",
        "root_device_name": "/dev/sda1",
    }
)


def existing(zone: str = "use1-az6") -> ExistingNetworkSpec:
    """Return two subnets of somebody's VPC that share a route table."""
    return ExistingNetworkSpec(
        vpc_id="vpc-0123456789abcdef0",
        cidr="10.0.0.0/16",
        training_subnets=tuple(
            ExistingSubnetSpec(
                subnet_id=f"subnet-0123456789abcdef{index}",
                cidr=f"10.0.{16 * index}.0/20",
                availability_zone_id=zone,
                route_table_id="rtb-0123456789abcdef0",
            )
            for index in range(2)
        ),
        interface_endpoints=("ssm", "sts"),
    )


def variant(
    name: str,
    *,
    nodes: NodesSpec = P4D,
    storage: LustreSpec = SCRATCH,
    network: NetworkSpec | ExistingNetworkSpec | None = None,
    region: str = "us-east-1",
    zone: str = "use1-az6",
    slurm: SlurmSpec | None = None,
) -> EnvironmentSpec:
    """Return an environment that differs from a small one where it is told to."""
    fabrics = (nodes, *(slurm.accelerated if slurm is not None else ()))
    return EnvironmentSpec(
        name=name,
        region=region,
        availability_zone_id=zone,
        network=network or NetworkSpec(),
        nodes=nodes,
        storage=storage,
        sagemaker=SageMakerSpec(instances=1),
        budget=TOLD if any(each.pays_for_all for each in fabrics) else AMPLE,
        slurm=slurm,
        termination_protection=storage.keep_data,
    )


VARIANTS: Final = {
    environment.name: environment
    for environment in (
        variant("small"),
        variant("kept", storage=KEPT),
        variant("closed", network=NetworkSpec(public_subnet_cidr=None)),
        variant("existing", network=existing(), storage=KEPT),
        variant("govcloud", region="us-gov-west-1", zone="usgw1-az1"),
        variant("china", region="cn-northwest-1", zone="cnnw1-az1"),
        variant(
            "over-efa",
            nodes=NodesSpec(instance_type="p5.48xlarge", count=2, image="ami-0123456789abcdef0"),
            storage=OVER_EFA,
        ),
        variant("slurm", nodes=FOR_SLURM, slurm=SlurmSpec()),
        variant(
            "slurm-gov",
            nodes=FOR_SLURM,
            region="us-gov-west-1",
            zone="usgw1-az1",
            slurm=SlurmSpec(login_instance_type=None, accounting_days=-1),
        ),
        variant(
            "slurm-block",
            nodes=FOR_SLURM.model_copy(
                update={
                    "placement_group": False,
                    "capacity_block": CapacityBlockSpec(capacity_reservation_id=RESERVATION),
                }
            ),
            slurm=SlurmSpec(size="MEDIUM", least_nodes=1, login_nodes=2),
        ),
        variant(
            "slurm-queues",
            nodes=FOR_SLURM,
            slurm=SlurmSpec(
                version="26.05",
                repairs=False,
                health_checks=HealthChecksSpec(deep_profile="QUICK"),
                accounting_days=30,
                users=UsersSpec(
                    users=(UserSpec(name="alice", uid=2001, accounts=("research",)),),
                    accounts=(AccountSpec(name="research", most_nodes=2),),
                ),
                node_groups=(
                    AcceleratedGroupSpec(
                        name="h100",
                        instance_type="p5.48xlarge",
                        count=2,
                        image="ami-0123456789abcdef0",
                        capacity_reservation=CapacityReservationSpec(),
                    ),
                    CpuGroupSpec(name="cpu", instance_type="c6id.8xlarge", count=4, least_nodes=1),
                ),
                queues=(
                    QueueSpec(default_time="1-0", priority_tier=2, allow_accounts=("research",)),
                    QueueSpec(name="debug", node_groups=("nodes", "h100"), max_time="30"),
                    QueueSpec(name="prepare", node_groups=("cpu",)),
                ),
            ),
        ),
        variant(
            "slurm-reserved",
            nodes=FOR_SLURM.model_copy(
                update={"capacity_reservation": CapacityReservationSpec(), "spare_nodes": 1}
            ),
            slurm=SlurmSpec(home_storage=HomeStorageSpec()),
        ),
        # Where PCS is newer than CDK's own validator.
        variant(
            "slurm-ca",
            nodes=FOR_SLURM,
            region="ca-central-1",
            zone="cac1-az1",
            slurm=SlurmSpec(login_instance_type=None),
        ),
        variant("tiering", storage=TIERING),
        variant("hdd", storage=HDD),
        variant(
            "reserved",
            nodes=NodesSpec(
                instance_type="p4d.24xlarge",
                count=4,
                image="ami-0123456789abcdef0",
                capacity_reservation=CapacityReservationSpec(),
            ),
        ),
        variant(
            "block",
            nodes=NodesSpec(
                instance_type="p4d.24xlarge",
                count=2,
                image="ami-0123456789abcdef0",
                placement_group=False,
                capacity_block=CapacityBlockSpec(capacity_reservation_id=RESERVATION),
            ),
        ),
        variant(
            "bought",
            nodes=NodesSpec(
                instance_type="p4d.24xlarge",
                count=2,
                image="ami-0123456789abcdef0",
                interface_layout="address-per-card",
                placement_group=False,
                capacity_reservation=CapacityReservationSpec(capacity_reservation_id=RESERVATION),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Synthesis:
    """The templates of one environment, by stack."""

    environment: EnvironmentSpec
    templates: dict[str, dict[str, Any]]
    sizes: dict[str, int]

    @cached_property
    def _exports(self) -> dict[str, Any]:
        return {
            output["Export"]["Name"]: output["Value"]
            for template in self.templates.values()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def named(self, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the resources of types by their logical ids, what they import in its place."""
        for template in self.templates.values():
            for name, resource in template["Resources"].items():
                if resource["Type"] in kinds:
                    yield name, self._filled(resource)

    def _filled(self, value: Any) -> Any:
        match value:
            case {"Fn::ImportValue": str(name)}:
                return self._exports[name]
            case dict():
                return {name: self._filled(each) for name, each in value.items()}
            case list():
                return [self._filled(each) for each in value]
        return value

    def resources(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the resources of a type, of all stacks."""
        for template in self.templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == kind:
                    yield resource


def synthesize(environment: EnvironmentSpec, directory: Path) -> Synthesis:
    """Return what `app.build()` makes of an environment, with every gate in force."""
    app.build([environment], outdir=str(directory)).synth()
    files = {
        stack: next((directory / f"assembly-{environment.name}").glob(f"*{stack}*.template.json"))
        for stack in STACKS
    }
    return Synthesis(
        environment=environment,
        templates={stack: json.loads(file.read_text()) for stack, file in files.items()},
        sizes={stack: file.stat().st_size for stack, file in files.items()},
    )
