"""Launch template of nodes without EFA: login nodes, and CPU nodes of Slurm."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.node_template import NodeTemplate


class LoginLaunchTemplate(NodeTemplate):
    """Define how a node without EFA is launched: one interface, no public address, no key pair.

    People come in by Systems Manager sessions, which need no open port.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        instance_type: str,
        image: str,
        root_device_name: str,
        root_volume_gib: int,
        security_groups: Sequence[ec2.ISecurityGroup],
        user_data: ec2.UserData,
        instance_tags: Mapping[str, str] | None = None,
    ) -> None:
        """Define the launch template.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            instance_type: EC2 instance type.
            image: AMI id or name of an SSM parameter, with Slurm and the PCS agent.
            root_device_name: device that the image boots from.
            root_volume_gib: size of the encrypted root volume.
            security_groups: groups of the interface.
            user_data: what the node does at boot, as MIME multipart.
            instance_tags: tags of instances, volumes and network interfaces.
        """
        super().__init__(
            scope,
            construct_id,
            instance_type=instance_type,
            image=image,
            root_device_name=root_device_name,
            root_volume_gib=root_volume_gib,
            security_groups=security_groups,
            metadata_hops=1,
            user_data=user_data,
            instance_tags=instance_tags,
        )
        self._holds(security_group_ids=self._group_ids)
