"""The names of the package, which `__init__.py` reads as well."""

from constructs_lib.acknowledgement import (
    acknowledge as acknowledge,
    acknowledge_wildcards as acknowledge_wildcards,
)
from constructs_lib.cost_budget import CostBudget as CostBudget
from constructs_lib.data_bucket import DataBucket as DataBucket
from constructs_lib.delivery_roles import DeliveryRoles as DeliveryRoles
from constructs_lib.job_roles import ExecutionRole as ExecutionRole
from constructs_lib.security_group import (
    FabricSecurityGroup as FabricSecurityGroup,
    NodeSecurityGroup as NodeSecurityGroup,
)
from constructs_lib.gates import add_gates as add_gates
from constructs_lib.home_storage import HomeStorage as HomeStorage
from constructs_lib.alarms import IdleCapacityAlarm as IdleCapacityAlarm
from constructs_lib.image_repository import ImageRepository as ImageRepository
from constructs_lib.instance_health_checks import InstanceHealthChecks as InstanceHealthChecks
from constructs_lib.job_parameters import (
    JobParameters as JobParameters,
    parameter_path as parameter_path,
)
from constructs_lib.keys import DataKey as DataKey, LogKey as LogKey
from constructs_lib.launch_template import EfaLaunchTemplate as EfaLaunchTemplate
from constructs_lib.job_roles import LauncherRole as LauncherRole
from constructs_lib.node_template import LoginLaunchTemplate as LoginLaunchTemplate
from constructs_lib.lustre_file_system import LustreFileSystem as LustreFileSystem
from constructs_lib.lustre_storage import LustreStorage as LustreStorage
from constructs_lib.slurm_boot import node_boot as node_boot
from constructs_lib.node_group import NodeGroup as NodeGroup
from constructs_lib.node_image import NodeImage as NodeImage
from constructs_lib.node_programs import NodePrograms as NodePrograms
from constructs_lib.node_role import NodeRole as NodeRole
from constructs_lib.alarms import AlarmTopic as AlarmTopic
from constructs_lib.alarms import Observability as Observability
from constructs_lib.permissions import JobLimits as JobLimits
from constructs_lib.placement import ClusterPlacement as ClusterPlacement
from constructs_lib.alarms import ServiceAlarms as ServiceAlarms
from constructs_lib.slurm_cluster import (
    SlurmCluster as SlurmCluster,
    SlurmQueue as SlurmQueue,
)
from constructs_lib.slurm_cluster import SlurmLogs as SlurmLogs
from constructs_lib.slurm_node_group import SlurmNodeGroup as SlurmNodeGroup
from constructs_lib.node_role import SlurmNodeRole as SlurmNodeRole
from constructs_lib.security_group import SlurmSecurityGroup as SlurmSecurityGroup
from constructs_lib.stacks.cluster import ClusterStack as ClusterStack
from constructs_lib.stacks.environment import TrainingEnvironment as TrainingEnvironment
from constructs_lib.stacks.network import NetworkStack as NetworkStack
from constructs_lib.stacks.storage import StorageStack as StorageStack
from constructs_lib.stacks.training import TrainingStack as TrainingStack
from constructs_lib.training_network import (
    ExistingTrainingNetwork as ExistingTrainingNetwork,
    TrainingNetwork as TrainingNetwork,
)
from constructs_lib.ultracluster_rules import UltraClusterRules as UltraClusterRules
from constructs_lib.unattended_training import UnattendedTraining as UnattendedTraining
from ultracluster.spec.budget import BudgetSpec as BudgetSpec, PriceSpec as PriceSpec
from ultracluster.spec.environment import (
    EnvironmentSpec as EnvironmentSpec,
    SageMakerSpec as SageMakerSpec,
)
from ultracluster.spec.lustre import (
    DataRepositorySpec as DataRepositorySpec,
    LustreSpec as LustreSpec,
)
from ultracluster.spec.network import (
    ExistingNetworkSpec as ExistingNetworkSpec,
    ExistingSubnetSpec as ExistingSubnetSpec,
    NetworkSpec as NetworkSpec,
)
from ultracluster.spec.node_image import NodeImageSpec as NodeImageSpec
from ultracluster.spec.nodes import (
    CapacityBlockSpec as CapacityBlockSpec,
    CapacityReservationSpec as CapacityReservationSpec,
    NodesSpec as NodesSpec,
)
from ultracluster.spec.observability import ObservabilitySpec as ObservabilitySpec
from ultracluster.spec.slurm import (
    AcceleratedGroupSpec as AcceleratedGroupSpec,
    CpuGroupSpec as CpuGroupSpec,
    HealthChecksSpec as HealthChecksSpec,
    QueueSpec as QueueSpec,
    SlurmSpec as SlurmSpec,
)
from ultracluster.spec.users import (
    AccountSpec as AccountSpec,
    GroupSpec as GroupSpec,
    HomeStorageSpec as HomeStorageSpec,
    UsersSpec as UsersSpec,
    UserSpec as UserSpec,
)
