"""The base class of launch templates, and the template of login and CPU nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

Data = ec2.CfnLaunchTemplate


@jsii.implements(ec2.IMachineImage)
class _Image:
    """The image, and the profile of who boots it.

    CDK asks for the image while it makes the template, which is the only moment at which a child of
    the template can stand before its resource.
    """

    def __init__(self, name: str, role: iam.IRole | None) -> None:
        self._name, self._role = name, role
        self.profile: iam.IInstanceProfile | None = None

    def get_image(self, scope: Construct) -> ec2.MachineImageConfig:
        """Return the image's id."""
        image = _image_id(scope, self._name)
        if self._role is not None:
            self.profile = iam.InstanceProfile(scope, "Profile", role=self._role)
        return ec2.MachineImageConfig(
            image_id=image,
            os_type=ec2.OperatingSystemType.LINUX,
            user_data=ec2.UserData.for_linux(),
        )


@jsii.implements(cdk.IStableStringProducer)
class _Added:
    """User data of a template that was given none: what others add, and nothing before that."""

    def __init__(self, data: ec2.UserData) -> None:
        self._data, self._empty = data, data.render()

    def produce(self) -> str | None:
        """Return it as a template has it."""
        text = self._data.render()
        return None if text == self._empty else cdk.Fn.base64(text)


class NodeTemplate(ec2.LaunchTemplate):
    """A launch template with an encrypted root volume, IMDSv2 and names on what it launches.

    It is an `ec2.LaunchTemplate`: Auto Scaling's and Batch's constructs take it as it is. Its
    properties are those of the L1, `AWS::EC2::LaunchTemplate`, because the L2 has neither network
    interfaces nor capacity reservations (aws-cdk-lib 2.275).
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
        metadata_hops: int,
        user_data: ec2.UserData | None,
        role: iam.IRole | None = None,
        instance_tags: Mapping[str, str] | None = None,
    ) -> None:
        made, self._role = _Image(image, role), role
        own = user_data or ec2.UserData.for_linux()
        super().__init__(
            scope,
            construct_id,
            instance_type=ec2.InstanceType(instance_type),
            machine_image=made,
            security_group=security_groups[0],
            user_data=own,
        )
        for group in security_groups[1:]:
            self.add_security_group(group)
        resource = self.node.find_child("Resource")
        assert isinstance(resource, ec2.CfnLaunchTemplate)  # noqa: S101 - what the L2 makes
        self.resource = resource
        """The L1 resource."""
        # Lists and texts that CDK completes when it synthesizes: a group or a command that is
        # added to the L2 later is in them.
        lazy = resource.launch_template_data
        assert isinstance(lazy, Data.LaunchTemplateDataProperty)  # noqa: S101 - what the L2 wrote
        self._group_ids = lazy.security_group_ids
        self._common: dict[str, Any] = {
            "instance_type": instance_type,
            "image_id": self.image_id,
            "block_device_mappings": [
                Data.BlockDeviceMappingProperty(
                    device_name=root_device_name,
                    ebs=Data.EbsProperty(
                        volume_size=root_volume_gib,
                        volume_type="gp3",
                        encrypted=True,
                        delete_on_termination=True,
                    ),
                )
            ],
            "metadata_options": Data.MetadataOptionsProperty(
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=metadata_hops,
            ),
            "monitoring": Data.MonitoringProperty(enabled=True),
            "iam_instance_profile": (
                Data.IamInstanceProfileProperty(arn=made.profile.instance_profile_arn)
                if made.profile is not None
                else None
            ),
            "user_data": lazy.user_data if user_data else cdk.Lazy.string(_Added(own)),
            "tag_specifications": [
                Data.TagSpecificationProperty(
                    resource_type=resource,
                    tags=[
                        cdk.CfnTag(key=key, value=value)
                        for key, value in {"Name": self.node.path, **(instance_tags or {})}.items()
                    ],
                )
                for resource in ("instance", "volume", "network-interface")
            ],
        }

    @property
    def role(self) -> iam.IRole | None:
        """The role of the instances; None if the launching service sets one."""
        return self._role

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The role, for grants."""
        return super().grant_principal if self._role is None else self._role.grant_principal

    @property
    def version(self) -> str:
        """The number of the template's latest version."""
        return self.latest_version_number

    def _holds(self, **data: Any) -> None:
        """Write what the template holds, beside what all of them have in common."""
        self.resource.launch_template_data = Data.LaunchTemplateDataProperty(**self._common, **data)
        self.resource.tag_specifications = None


class LoginLaunchTemplate(NodeTemplate):
    """Define the launch template of a node without EFA: one interface, no public address, no key.

    Users log in by Systems Manager sessions, which need no open port.

    Args:
        instance_type: EC2 instance type.
        image: AMI id or name of an SSM parameter, with Slurm and the PCS agent.
        root_device_name: root device name of the image.
        root_volume_gib: size of the encrypted root volume in GiB.
        security_groups: groups of the interface.
        user_data: user data as MIME multipart.
        instance_tags: tags of instances, volumes and network interfaces.
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


def _image_id(scope: Construct, image: str) -> str:
    """Return what a launch template's `ImageId` takes for an image.

    Args:
        scope: a construct of the stack that holds the template.
        image: AMI id, also as a token, or the name of an SSM parameter, also with a version or
            label.
    """
    if image.startswith("ami-") or cdk.Token.is_unresolved(image):
        return image
    if ":" in image:
        # A version or label. CloudFormation's parameters take neither, and the library would
        # drop it in silence; EC2 resolves it at every launch, to the image that it names.
        return f"resolve:ssm:{image}"
    # Resolved when the stack is deployed, so that all nodes of a version boot one image;
    # `resolve:ssm:` in the template would resolve at every launch.
    return ec2.MachineImage.from_ssm_parameter(image).get_image(scope).image_id
