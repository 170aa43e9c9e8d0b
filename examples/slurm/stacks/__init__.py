"""Controller, nodes and queue of a Slurm cluster."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from constructs_lib import (
    ClusterPlacement,
    DataBucket,
    DataKey,
    EfaLaunchTemplate,
    FabricSecurityGroup,
    LustreSpec,
    LustreStorage,
    NetworkSpec,
    NodePrograms,
    NodeSecurityGroup,
    NodesSpec,
    SlurmCluster,
    SlurmNodeGroup,
    SlurmNodeRole,
    SlurmQueue,
    SlurmSecurityGroup,
    SlurmSpec,
    TrainingNetwork,
    node_boot,
)

ZONE = "use1-az6"  # subnets, nodes and capacity are in one zone


class SlurmStack(cdk.Stack):
    """Two p4d nodes that PCS launches for jobs, with a scratch file system at /fsx."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)

        slurm = SlurmSpec()
        nodes = NodesSpec(
            instance_type="p4d.24xlarge",
            count=2,
            interface_layout="address-per-card",
            image="ami-0123456789abcdef0",  # one of your own, with the PCS agent and Slurm
            root_device_name="/dev/sda1",
        )
        network = TrainingNetwork(self, "Network", spec=NetworkSpec(), availability_zone_id=ZONE)
        vpc, subnet = network.vpc, network.training_subnets[0]
        traffic = NodeSecurityGroup(self, "Traffic", vpc=vpc)
        daemons = SlurmSecurityGroup(self, "Daemons", vpc=vpc)
        lustre = LustreStorage(
            self,
            "Lustre",
            spec=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
            vpc=vpc,
            subnet=subnet,
            clients=[traffic],
        )
        programs = NodePrograms(self, "Programs", environment_name="research")
        template = EfaLaunchTemplate(
            self,
            "Template",
            spec=nodes,
            security_groups=[FabricSecurityGroup(self, "Fabric", vpc=vpc), traffic, daemons],
            placement=ClusterPlacement(self, "Placement", spec=nodes, availability_zone_id=ZONE),
            user_data=node_boot(
                nodes=nodes,
                slurm_version=slurm.version,
                dns_name=lustre.dns_name,
                mount_name=lustre.mount_name,
                programs=programs,
            ),
        )
        cluster = SlurmCluster(
            self,
            "Cluster",
            spec=slurm,
            name="research",
            size=slurm.cluster_size(nodes.count),
            subnet=subnet,
            security_groups=[daemons],
        )
        key = DataKey(self, "Key", keep=False).key
        role = SlurmNodeRole(
            self, "Role", bucket=DataBucket(self, "Data", key=key, keep=False).bucket, key=key
        )
        programs.grant(role.role)
        group = SlurmNodeGroup(
            self,
            "Nodes",
            cluster_id=cluster.cluster_id,
            name="p4d-24xlarge",
            instance_type=nodes.instance_type,
            launch_template=template,
            instance_profile=role.instance_profile,
            subnets=[subnet],
            least=0,
            most=nodes.count,
        )
        SlurmQueue(
            self, "Queue", cluster_id=cluster.cluster_id, name=slurm.queue, node_groups=[group]
        )
