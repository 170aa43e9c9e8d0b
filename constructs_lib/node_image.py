"""An EC2 Image Builder pipeline for the image of Slurm nodes."""

import hashlib
import json
import shlex
from importlib.resources import files
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_imagebuilder as imagebuilder
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.node_role import SESSION_ACTIONS
from constructs_lib.permissions import add_policy, allow, arn, role_by_aws, service_of_the_account
from constructs_lib.retention import log_group
from ultracluster.catalogue.images import node_image_parameter
from ultracluster.spec.node_image import NodeImageSpec

FOLDER: Final = "/opt/ultracluster/image"
TRAINING: Final = "/opt/ultracluster/training"
MOST_DATA: Final = 16_000
"""Characters of a component's document (registry schema of 2026-10-20)."""
DEVICE: Final = "/dev/sda1"
"""Root device name of the base image, which is Ubuntu."""

BUILDER: Final = "EC2InstanceProfileForImageBuilder"
EXECUTION: Final = "EC2ImageBuilderExecutionPolicy"
"""AWS's own policies of the instance that builds, and of the service (EC2 Image Builder user guide,
managed policies; AWS managed policy reference, EC2ImageBuilderExecutionPolicy of 2026-07-08; both
read 2026-11-27)."""
AWS_MAINTAINS: Final = (
    "AWS extends this policy with the service; a copy would let a build fail, half an hour after "
    "its start, at an action that the service has learnt since."
)
AGENT: Final = "The agent's own actions act on the calling instance, and have no resource."
VALIDATION: Final = "Describing images, by which Systems Manager tells an AMI id, has no resource."


class NodeImage(Construct):
    """Define an image pipeline: component, recipe, infrastructure, distribution.

    There is no schedule and no `AWS::ImageBuilder::Image`: a deployment builds no image, and a
    build changes no node. The id of a new image is written into an SSM parameter, and is used by
    nodes after it was written into the environment (`ultracluster image ENVIRONMENT --write`).

    Components and recipes cannot be changed: their version is a digest of their content, so that
    another lock, script or base image gives another version. Their construct ids contain the
    version, because CloudFormation does not replace a resource that keeps its custom name.

    Args:
        spec: what the image is made of.
        environment_name: the environment whose nodes boot the image; names begin with it.
        slurm_version: version of the cluster's Slurm.
        subnet: the subnet of the build instances; it needs HTTPS to the internet or to mirrors.
        security_groups: groups of the build instances; they need no ingress rule.
        log_key: key of the log group.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: NodeImageSpec,
        environment_name: str,
        slurm_version: str,
        subnet: ec2.ISubnet,
        security_groups: list[ec2.ISecurityGroup],
        log_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)

        self._spec, self._name = spec, f"{environment_name}-nodes"
        self.parameter_name = node_image_parameter(environment_name)
        """Name of the SSM parameter with the id of the newest image."""
        recipe = self._recipe(self._component(slurm_version))
        builder = self._builder()
        infrastructure = self._infrastructure(builder, subnet, security_groups)
        distribution = self._distribution()
        # The service writes to groups of this prefix alone.
        name = f"/aws/imagebuilder/{self._name}"
        group = log_group(self, "LogGroup", key=log_key, keep=False, name=name)
        logging = imagebuilder.CfnImagePipeline.PipelineLoggingConfigurationProperty(
            image_log_group_name=group.log_group_name, pipeline_log_group_name=group.log_group_name
        )
        tests = imagebuilder.CfnImagePipeline.ImageTestsConfigurationProperty(
            image_tests_enabled=True, timeout_minutes=60
        )
        self.resource = imagebuilder.CfnImagePipeline(
            self,
            "Resource",
            name=self._name,
            description="Image of Slurm nodes; started by hand",
            image_recipe_arn=recipe.attr_arn,
            infrastructure_configuration_arn=infrastructure.attr_arn,
            distribution_configuration_arn=distribution.attr_arn,
            execution_role=self._execution_role(builder).role_arn,
            image_tests_configuration=tests,
            logging_configuration=logging,
        )
        """The L1 resource."""

    def _component(self, slurm_version: str) -> imagebuilder.CfnComponent:
        data = json.dumps(document(self._spec, slurm_version), separators=(",", ":"))
        if len(data) > MOST_DATA:
            raise ValueError(
                f"program: the component's document has {len(data):,} characters and Image Builder "
                f"takes {MOST_DATA:,}; write a shorter program"
            )
        return imagebuilder.CfnComponent(
            self,
            f"Component{_number(version(data))}",
            name=self._name,
            description="Holds the base against the lock, and adds PyTorch and nccl-tests",
            platform="Linux",
            supported_os_versions=["Ubuntu 24"],
            version=version(data),
            data=data,
        )

    def _recipe(self, component: imagebuilder.CfnComponent) -> imagebuilder.CfnImageRecipe:
        spec = self._spec
        parent = spec.base if spec.base.startswith("ami-") else f"ssm:{spec.base}"
        components = [component.attr_arn, *spec.components]
        own = version(repr((parent, spec.volume_gib, component.version, spec.components)))
        return imagebuilder.CfnImageRecipe(
            self,
            f"Recipe{_number(own)}",
            name=self._name,
            version=own,
            parent_image=parent,
            components=[
                imagebuilder.CfnImageRecipe.ComponentConfigurationProperty(component_arn=arn)
                for arn in components
            ],
            block_device_mappings=[
                imagebuilder.CfnImageRecipe.InstanceBlockDeviceMappingProperty(
                    device_name=DEVICE,
                    ebs=imagebuilder.CfnImageRecipe.EbsInstanceBlockDeviceSpecificationProperty(
                        volume_size=spec.volume_gib,
                        volume_type="gp3",
                        encrypted=True,
                        delete_on_termination=True,
                    ),
                )
            ],
        )

    def _builder(self) -> iam.Role:
        ec2_itself = iam.ServicePrincipal("ec2.amazonaws.com")
        words = "Instances that build the image of Slurm nodes"
        given = {"description": words, "assumed_by": ec2_itself}
        role = role_by_aws(self, "Builder", [BUILDER], AWS_MAINTAINS, **given)
        statements = [allow("SystemsManager", *SESSION_ACTIONS)]
        add_policy(self, "Agent", role, statements, {"*": AGENT}, description="Systems Manager")
        return role

    def _infrastructure(
        self, builder: iam.Role, subnet: ec2.ISubnet, groups: list[ec2.ISecurityGroup]
    ) -> imagebuilder.CfnInfrastructureConfiguration:
        profile = iam.InstanceProfile(self, "Profile", role=builder)
        return imagebuilder.CfnInfrastructureConfiguration(
            self,
            "Infrastructure",
            name=self._name,
            instance_profile_name=profile.instance_profile_name,
            instance_types=list(self._spec.instance_types),
            subnet_id=subnet.subnet_id,
            security_group_ids=[group.security_group_id for group in groups],
            terminate_instance_on_failure=True,
            instance_metadata_options=(
                imagebuilder.CfnInfrastructureConfiguration.InstanceMetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=1
                )
            ),
        )

    def _distribution(self) -> imagebuilder.CfnDistributionConfiguration:
        kind = imagebuilder.CfnDistributionConfiguration
        # CDK writes this member as it is given: its struct would end in names of small letters.
        image = {"Name": f"{self._name}-{{{{ imagebuilder:buildDate }}}}"}
        parameter = kind.SsmParameterConfigurationProperty(
            parameter_name=self.parameter_name, data_type="aws:ec2:image"
        )
        return kind(
            self,
            "Distribution",
            name=self._name,
            distributions=[
                kind.DistributionProperty(
                    region=cdk.Stack.of(self).region,
                    ami_distribution_configuration=image,
                    ssm_parameter_configurations=[parameter],
                )
            ],
        )

    def _execution_role(self, builder: iam.Role) -> iam.Role:
        pipelines = arn(self, "imagebuilder", "*/*")
        service = service_of_the_account(
            cdk.Stack.of(self), "imagebuilder.amazonaws.com", pipelines
        )
        words = "EC2 Image Builder, building the image of Slurm nodes"
        given = {"description": words, "assumed_by": service}
        role = role_by_aws(self, "Execution", [EXECUTION], AWS_MAINTAINS, **given)
        parameter = arn(self, "ssm", f"parameter/{self.parameter_name.lstrip('/')}")
        to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        statements = [
            # EC2 Image Builder user guide, AMI distribution, SSM output parameters, 2026-11-27.
            allow("KeepId", "ssm:PutParameter", on=parameter),
            allow("ValidateId", "ec2:DescribeImages"),
            allow("PassBuilder", "iam:PassRole", on=builder.role_arn, where=to_ec2),
        ]
        add_policy(
            self, "Output", role, statements, {"*": VALIDATION}, description="The image's id"
        )
        return role


def version(content: str) -> str:
    """Return a semantic version that is a digest of a resource's content.

    Each of the three numbers is below 2^30 (EC2 Image Builder user guide, semantic versioning).
    """
    return f"1.0.{int(hashlib.sha256(content.encode()).hexdigest()[:7], 16)}"


def _number(of: str) -> str:
    return of.rpartition(".")[2]


def document(spec: NodeImageSpec, slurm_version: str) -> dict[str, Any]:
    """Return the component's document: files to write, commands to run, and tests.

    Args:
        spec: what the image is made of.
        slurm_version: version of the cluster's Slurm.
    """
    folder = files("constructs_lib") / "image"
    verify = f"bash {FOLDER}/verify.sh {FOLDER}/image.lock.json {slurm_version}"
    program = {"ULTRACLUSTER_PROGRAM": spec.program} if spec.program else {}
    settings = {"ULTRACLUSTER_LOCK": f"{FOLDER}/image.lock.json", **program}
    torch = f"{TRAINING}/venv/bin/python -c 'import torch; print(torch.version.cuda)'"
    look = [_run("Verify", verify), _run("PyTorch", torch)]
    if spec.program:
        look.append(_run("Program", f"test -f {TRAINING}/slurm/train.sbatch"))
    written = [
        {
            "path": f"{FOLDER}/{name}",
            "content": (folder / name).read_text("utf-8"),
            "permissions": "0644",
        }
        for name in ("verify.sh", "prepare.sh", "image.lock.json")
    ]
    return {
        "name": "nodes",
        "schemaVersion": 1.0,
        "phases": [
            {
                "name": "build",
                "steps": [
                    {"name": "Write", "action": "CreateFile", "inputs": written},
                    _run("Verify", verify),
                    _run("Prepare", f"bash {FOLDER}/prepare.sh {TRAINING}", settings),
                ],
            },
            {"name": "validate", "steps": look},
            {"name": "test", "steps": look},
        ],
    }


def _run(name: str, command: str, settings: dict[str, str] | None = None) -> dict[str, Any]:
    exports = [f"export {key}={shlex.quote(value)}" for key, value in (settings or {}).items()]
    return {
        "name": name,
        "action": "ExecuteBash",
        "timeoutSeconds": 3600,
        "inputs": {"commands": ["set -e", *exports, command]},
    }
