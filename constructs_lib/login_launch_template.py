"""Launch template of login nodes."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.image import image_id


class LoginLaunchTemplate(Construct):
    """Define how a login node is launched: one interface, no public address, no key pair.

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
        """
        super().__init__(scope, construct_id)

        self.resource = ec2.CfnLaunchTemplate(
            self,
            "Resource",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                instance_type=instance_type,
                image_id=image_id(self, image),
                security_group_ids=[group.security_group_id for group in security_groups],
                block_device_mappings=[
                    ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                        device_name=root_device_name,
                        ebs=ec2.CfnLaunchTemplate.EbsProperty(
                            volume_size=root_volume_gib,
                            volume_type="gp3",
                            encrypted=True,
                            delete_on_termination=True,
                        ),
                    )
                ],
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
                ),
                monitoring=ec2.CfnLaunchTemplate.MonitoringProperty(enabled=True),
                user_data=cdk.Fn.base64(user_data.render()),
                tag_specifications=[
                    ec2.CfnLaunchTemplate.TagSpecificationProperty(
                        resource_type=resource,
                        tags=[cdk.CfnTag(key="Name", value=self.node.path)],
                    )
                    for resource in ("instance", "volume", "network-interface")
                ],
            ),
        )
        self.launch_template_id = self.resource.ref
        self.version = self.resource.attr_latest_version_number
