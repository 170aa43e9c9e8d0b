"""Every construct of the library, each put alone into a stack that somebody else wrote."""

from collections.abc import Callable, Mapping
from typing import Final, cast

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam

from constructs_lib.alarms import AlarmTopic, IdleCapacityAlarm, Observability, ServiceAlarms
from constructs_lib.cost_budget import CostBudget
from constructs_lib.data_bucket import DataBucket
from constructs_lib.delivery_roles import DeliveryRoles
from constructs_lib.home_storage import HomeStorage
from constructs_lib.image_repository import ImageRepository
from constructs_lib.instance_health_checks import InstanceHealthChecks
from constructs_lib.job_parameters import JobParameters
from constructs_lib.job_roles import ExecutionRole, LauncherRole
from constructs_lib.keys import DataKey, LogKey
from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.lustre_storage import LustreStorage
from constructs_lib.node_group import NodeGroup
from constructs_lib.node_image import NodeImage
from constructs_lib.node_programs import NodePrograms
from constructs_lib.node_role import NodeRole, SlurmNodeRole
from constructs_lib.node_template import LoginLaunchTemplate
from constructs_lib.placement import ClusterPlacement
from constructs_lib.security_group import FabricSecurityGroup, NodeSecurityGroup, SlurmSecurityGroup
from constructs_lib.slurm_boot import node_boot
from constructs_lib.slurm_cluster import SlurmCluster, SlurmLogs, SlurmQueue
from constructs_lib.slurm_node_group import SlurmNodeGroup
from constructs_lib.training_network import TrainingNetwork
from constructs_lib.unattended_training import UnattendedTraining
from tests.constructs.bare import ZONES, Surroundings
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec
from ultracluster.spec.observability import ObservabilitySpec
from ultracluster.spec.slurm import PCS_READY_AMI, HealthChecksSpec, SlurmSpec
from ultracluster.spec.users import HomeStorageSpec

NODES: Final = NodesSpec(
    instance_type="p4d.24xlarge", count=4, capacity_reservation=CapacityReservationSpec()
)
LUSTRE: Final = LustreSpec(
    deployment_type="SCRATCH_2",
    capacity_gib=1200,
    data_repositories=(DataRepositorySpec(file_system_path="/data", prefix="data/"),),
    keep_data=True,
)
LUSTRE_OVER_EFA: Final = LustreSpec(
    deployment_type="PERSISTENT_2",
    capacity_gib=4800,
    per_unit_storage_throughput=1000,
    metadata_iops="AUTOMATIC",
    efa_enabled=True,
    customer_key=True,
    keep_data=True,
)


def zone(stack: cdk.Stack) -> str:
    """Return a zone id of the stack's Region."""
    return ZONES.get(stack.region, "use1-az6")


def _network(stack: cdk.Stack, around: Surroundings) -> None:
    TrainingNetwork(
        stack, "It", spec=NetworkSpec(), availability_zone_id=zone(stack), log_key=around.key
    )


def _placement(stack: cdk.Stack, _: Surroundings) -> ClusterPlacement:
    return ClusterPlacement(stack, "Placement", spec=NODES, availability_zone_id=zone(stack))


def _template(stack: cdk.Stack, around: Surroundings) -> EfaLaunchTemplate:
    return EfaLaunchTemplate(
        stack,
        "It",
        spec=NODES,
        security_groups=around.groups,
        placement=_placement(stack, around),
        role=around.role,
    )


def _node_group(stack: cdk.Stack, around: Surroundings) -> None:
    NodeGroup(
        stack,
        "Nodes",
        launch_template=_template(stack, around),
        subnets=around.subnets,
        count=NODES.count,
    )


def _login(stack: cdk.Stack, around: Surroundings) -> LoginLaunchTemplate:
    return LoginLaunchTemplate(
        stack,
        "Login",
        instance_type="m6i.xlarge",
        image=PCS_READY_AMI,
        root_device_name="/dev/sda1",
        root_volume_gib=100,
        security_groups=around.groups,
        user_data=node_boot(
            nodes=None,
            slurm_version="25.11",
            dns_name="fs.fsx.internal",
            mount_name="abcdefgh",
            programs=NodePrograms(
                stack, "Programs", observability=ObservabilitySpec(), environment_name="dev"
            ),
        ),
    )


def _topics(stack: cdk.Stack, around: Surroundings) -> list[str]:
    return AlarmTopic(stack, "Told", notify=("team@example.com",), key=around.key).arns


def _node_programs(stack: cdk.Stack, around: Surroundings) -> NodePrograms:
    programs = NodePrograms(stack, "It", observability=ObservabilitySpec(), environment_name="dev")
    programs.grant(NodeRole(stack, "ProgramsRole", bucket=around.bucket, key=around.key).role)
    return programs


def _slurm_role(stack: cdk.Stack, around: Surroundings) -> SlurmNodeRole:
    return SlurmNodeRole(stack, "SlurmRole", bucket=around.bucket, key=around.key)


def slurm_cluster(
    stack: cdk.Stack, around: Surroundings, spec: SlurmSpec | None = None
) -> SlurmCluster:
    """Put a controller into a stack."""
    return SlurmCluster(
        stack,
        "Slurm",
        spec=spec or SlurmSpec(),
        name="somebodys",
        size="MEDIUM",
        subnet=around.subnets[0],
        security_groups=around.groups,
    )


def slurm_queue(
    stack: cdk.Stack, around: Surroundings, spec: SlurmSpec | None = None
) -> SlurmNodeGroup:
    """Put a controller, a node group and a queue into a stack."""
    cluster = slurm_cluster(stack, around, spec)
    group = SlurmNodeGroup(
        stack,
        "Group",
        cluster_id=cluster.cluster_id,
        name="m6i-xlarge",
        instance_type="m6i.xlarge",
        launch_template=_login(stack, around),
        instance_profile=_slurm_role(stack, around).instance_profile,
        subnets=around.subnets,
        least=0,
        most=4,
    )
    SlurmQueue(stack, "Queue", cluster_id=cluster.cluster_id, name="train", node_groups=[group])
    return group


def _health_checks(stack: cdk.Stack, around: Surroundings) -> None:
    group = slurm_queue(stack, around, SlurmSpec(version="26.05"))
    nodes = cast("SlurmNodeRole", stack.node.find_child("SlurmRole"))
    function = InstanceHealthChecks(stack, "It", nodes=nodes, log_key=around.key, keep=True)
    function.turn_on("Nodes", group, HealthChecksSpec().request(gpus=False))


def _lustre(spec: LustreSpec) -> Callable[[cdk.Stack, Surroundings], object]:
    return lambda stack, around: LustreStorage(
        stack,
        "It",
        spec=spec,
        vpc=around.vpc,
        subnet=around.subnets[0],
        clients=around.groups,
        bucket=around.bucket,
        key=around.key,
        log_key=around.key,
    )


def _homes(stack: cdk.Stack, around: Surroundings) -> None:
    HomeStorage(
        stack,
        "It",
        spec=HomeStorageSpec(),
        vpc=around.vpc,
        subnets=around.subnets,
        key=DataKey(stack, "HomesKey", keep=True).key,
        clients=around.groups,
    )


def _execution_role(stack: cdk.Stack, around: Surroundings) -> None:
    ExecutionRole(
        stack,
        "It",
        bucket=around.bucket,
        key=around.key,
        repository=ecr.Repository.from_repository_name(stack, "Images", "training"),
        vpc=around.vpc,
        subnets=around.subnets,
        security_groups=around.groups,
    )


def _launcher_role(stack: cdk.Stack, around: Surroundings) -> None:
    LauncherRole(
        stack,
        "It",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        assumed_by=iam.AccountRootPrincipal(),
        parameter_path="/somewhere/else",
    )


CONSTRUCTS: Final[Mapping[str, Callable[[cdk.Stack, Surroundings], object]]] = {
    "cluster-placement": _placement,
    "cost-budget": lambda s, _: CostBudget(
        s,
        "It",
        spec=BudgetSpec(ceiling_usd_per_day=1000, notify=("team@example.com",)),
        environment_name="dev",
    ),
    "cost-budget-with-topic": lambda s, a: CostBudget(
        s, "It", spec=BudgetSpec(ceiling_usd_per_day=1000), environment_name="dev", key=a.key
    ),
    "data-bucket": lambda s, a: DataBucket(s, "It", key=a.key, keep=True),
    "data-bucket-not-kept": lambda s, a: DataBucket(s, "It", key=a.key, keep=False),
    "data-key": lambda s, _: DataKey(s, "It", keep=True),
    "delivery-roles": lambda s, _: DeliveryRoles(
        s, "It", repository="owner/name", environment="dev"
    ),
    "efa-launch-template": _template,
    "execution-role": _execution_role,
    "fabric": lambda s, a: FabricSecurityGroup(s, "It", vpc=a.vpc),
    "home-storage": _homes,
    "image-repository": lambda s, a: ImageRepository(s, "It", key=a.key, keep=True),
    "idle-capacity-alarm": lambda s, a: IdleCapacityAlarm(
        s,
        "It",
        capacity_reservation_id="cr-0123456789abcdef0",
        topics=_topics(s, a),
        least_used_percent=90,
    ),
    "alarm-topic": lambda s, a: AlarmTopic(s, "It", notify=("team@example.com",), key=a.key),
    "instance-health-checks": _health_checks,
    "observability": lambda s, a: Observability(
        s,
        "It",
        spec=ObservabilitySpec(),
        environment_name="dev",
        has=["gpu", "efa", "lustre", "slurm"],
        topics=_topics(s, a),
    ),
    "service-alarms": lambda s, a: ServiceAlarms(
        s,
        "It",
        environment_name="dev",
        of={"FileSystemId": "fs-1", "Nat": "any", "ScalingLog": "log", "StateMachineArn": "arn"},
        topics=_topics(s, a),
    ),
    "node-programs": _node_programs,
    "job-parameters": lambda s, _: JobParameters(
        s, "It", environment_name="dev", values={"data-bucket": "somebodys-data"}
    ),
    "launcher-role": _launcher_role,
    "login-launch-template": _login,
    "log-key": lambda s, _: LogKey(s, "It", keep=True),
    "lustre": _lustre(LUSTRE),
    "lustre-over-efa": _lustre(LUSTRE_OVER_EFA),
    "node-group": _node_group,
    "node-image": lambda s, a: NodeImage(
        s,
        "It",
        spec=NodeImageSpec(),
        environment_name="dev",
        slurm_version="25.11",
        subnet=a.subnets[0],
        security_groups=a.groups,
        log_key=a.key,
    ),
    "node-role": lambda s, a: NodeRole(s, "It", bucket=a.bucket, key=a.key),
    "node-security-group": lambda s, a: NodeSecurityGroup(s, "It", vpc=a.vpc),
    "slurm-cluster": slurm_cluster,
    "slurm-logs": lambda s, a: SlurmLogs(
        s, "It", cluster=slurm_cluster(s, a), log_key=a.key, keep=True
    ),
    "slurm-node-role": _slurm_role,
    "slurm-queue": slurm_queue,
    "slurm-security-group": lambda s, a: SlurmSecurityGroup(s, "It", vpc=a.vpc),
    "training-network": _network,
    "unattended-training": lambda s, a: UnattendedTraining(
        s,
        "It",
        execution_role=a.role,
        subnets=a.subnets,
        security_groups=a.groups,
        log_key=a.key,
        keep=True,
    ),
}


def define(name: str, stack: cdk.Stack) -> None:
    """Put one construct into a stack."""
    CONSTRUCTS[name](stack, Surroundings(stack))
