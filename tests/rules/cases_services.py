"""Fixtures of the SAGEMAKER and SLURM rules."""

import json
from typing import Any, Final

from tests.rules.cluster_templates import att, ref, resource
from tests.rules.rule_cases import GONE, Case
from tests.rules.service_templates import HYPERPOD, trust
from tests.rules.service_templates import SOURCE as OF_ACCOUNT

VPC: Final = "Job.VpcConfig"
CONFIG: Final = "Job.ResourceConfig"
SOURCE: Final = "Job.InputDataConfig.0.DataSource.FileSystemDataSource"
GROUP: Final = "Pod.InstanceGroups.0"
ONE_WAY: Final = {"FabricOut": GONE}
DATA: Final = "Template.LaunchTemplateData"
MIME: Final = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"


def machine(**request: Any) -> dict[str, Any]:
    """Return a state machine that starts a job, as CDK writes one: JSON joined with references."""
    text = json.dumps(
        {
            "StartAt": "Train",
            "States": {
                "Train": {
                    "Type": "Task",
                    "Resource": "arn:PART:states:::sagemaker:createTrainingJob.sync",
                    "Parameters": {
                        "TrainingJobName.$": "$.name",
                        "RoleArn": "ROLE",
                        "ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 8},
                        "VpcConfig": {"Subnets": ["NEAR"], "SecurityGroupIds": ["FABRIC"]},
                        **request,
                    },
                    "End": True,
                }
            },
        }
    )
    pieces: list[Any] = [text]
    for mark, value in (
        ("PART", ref("AWS::Partition")),
        ("ROLE", att("Role", "Arn")),
        ("NEAR", ref("Near")),
        ("FABRIC", att("Fabric", "GroupId")),
    ):
        last = pieces.pop()
        before, _, after = last.partition(mark)
        pieces += [before, value, after]
    return {
        "Machine": resource(
            "AWS::StepFunctions::StateMachine", {"DefinitionString": {"Fn::Join": ["", pieces]}}
        )
    }


def custom(name: str, parameter: str) -> dict[str, Any]:
    settings = [{"ParameterName": parameter, "ParameterValue": "1"}]
    return {f"{name}.SlurmConfiguration": {"SlurmCustomSettings": settings}}


def parts(kind: str, count: int) -> dict[str, Any]:
    return {
        f"More{n}": resource(f"AWS::PCS::{kind}", {"ClusterId": att("Slurm", "Id")})
        for n in range(count)
    }


MADE: Final = "arn:aws:iam::*:role/made-*"
PASSING: Final = "Launching.PolicyDocument.Statement.0"
UNCONDITIONAL: Final = {f"{PASSING}.Condition": GONE}


def environment(policies: list[str]) -> dict[str, Any]:
    """Return a Batch environment whose instances have a role with some policies."""
    return {
        "NodeRole": resource(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
                "ManagedPolicyArns": policies,
            },
        ),
        "Profile": resource("AWS::IAM::InstanceProfile", {"Roles": [ref("NodeRole")]}),
        "Fleet": resource(
            "AWS::Batch::ComputeEnvironment",
            {"Type": "MANAGED", "ComputeResources": {"InstanceRole": att("Profile", "Arn")}},
        ),
    }


def inline(action: str, resources: Any) -> dict[str, Any]:
    """Return a policy that stands in the role of jobs itself."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resources}
    return {"Role.Policies": [{"PolicyDocument": {"Statement": [statement]}}]}


SERVICE_LINKED: Final = "aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*"


def making(resource: Any) -> dict[str, Any]:
    """Return a policy that allows making some roles, and writing policies of a resource."""
    every = [
        {"Action": "iam:CreateRole", "Resource": MADE},
        {"Action": "iam:AttachRolePolicy", "Resource": resource},
    ]
    return {"Launching.PolicyDocument.Statement": [{"Effect": "Allow", **each} for each in every]}


def beside(action: str) -> dict[str, Any]:
    """Return a role with two policies: one writes policies of some roles, one allows an action."""
    document = {"Statement": [{"Effect": "Allow", "Action": action, "Resource": MADE}]}
    policy = {"PolicyName": "more", "Roles": [ref("Role")], "PolicyDocument": document}
    return {
        "More": resource("AWS::IAM::Policy", policy),
        "Launching.Roles": [ref("Role")],
        f"{PASSING}.Action": "iam:AttachRolePolicy",
        f"{PASSING}.Resource": MADE,
    }


SCRIPTS: Final = {
    f"{GROUP}.LifeCycleConfig.SourceS3Uri": {"Fn::Sub": "s3://${Scripts}/pod"},
}
WORKERS: Final = [
    {**HYPERPOD["Pod"]["Properties"]["InstanceGroups"][0], "InstanceGroupName": f"workers-{n}"}
    for n in range(101)
]
SAGEMAKER: Final = (
    Case(
        "SAGEMAKER-1",
        "job",
        {f"{VPC}.Subnets": [f"subnet-{n:017}" for n in range(17)]},
        {f"{VPC}.Subnets": [f"subnet-{n:017}" for n in range(16)]},
        words="17 Subnets",
    ),
    Case(
        "SAGEMAKER-1",
        "job",
        {f"{CONFIG}.VolumeKmsKeyId": att("Key", "Arn")},
        {f"{CONFIG}.VolumeKmsKeyId": att("Key", "Arn"), f"{CONFIG}.InstanceType": "ml.m5.large"},
        words="VolumeKmsKeyId: got Key",
    ),
    Case(
        "SAGEMAKER-1",
        "job",
        machine(
            ResourceConfig={
                "InstanceType": "ml.p4d.24xlarge",
                "InstanceCount": 8,
                "VolumeKmsKeyId": "alias/training",
            }
        ),
        machine(),
    ),
    Case("FABRIC-2", "job", ONE_WAY, {**ONE_WAY, f"{CONFIG}.InstanceCount": 1}),
    Case("FABRIC-2", "job", {**ONE_WAY, **machine(), "Job": GONE}, {**machine(), "Job": GONE}),
    Case(
        "SAGEMAKER-4",
        "job",
        {f"{CONFIG}.InstanceCount": 819},
        {f"{CONFIG}.InstanceCount": 818},
        words="4095 addresses of 4091",
    ),
    Case(
        "SAGEMAKER-1", "job", {VPC: GONE}, {VPC: GONE, "Job.InputDataConfig": []}, words="VpcConfig"
    ),
    Case(
        "SAGEMAKER-1",
        "job",
        {f"{SOURCE}.DirectoryPath": "/fsx/data"},
        {
            f"{SOURCE}.DirectoryPath": "/fsx/data",
            "Lustre.LustreConfiguration.DeploymentType": "SCRATCH_1",
        },
        words="/fsx/data",
    ),
    Case(
        "SAGEMAKER-7", "job", {f"{VPC}.Subnets": [ref("Far")]}, {f"{VPC}.Subnets": [ref("Beside")]}
    ),
    Case(
        "SAGEMAKER-1",
        "job",
        {f"{CONFIG}.KeepAlivePeriodInSeconds": 30000},
        {f"{CONFIG}.KeepAlivePeriodInSeconds": 21600},
        words="30000",
    ),
    Case("SAGEMAKER-1", "job", {"Job.RetryStrategy.MaximumRetryAttempts": 31}, words="31"),
    Case("SAGEMAKER-1", "job", {"Job.StoppingCondition.MaxRuntimeInSeconds": 2419201}),
    Case(
        "SAGEMAKER-9",
        "job",
        {"Job.EnableInterContainerTrafficEncryption": True},
        {
            "Job.EnableInterContainerTrafficEncryption": True,
            f"{CONFIG}.InstanceType": "ml.m5.large",
        },
    ),
    Case(
        "SAGEMAKER-10",
        "job",
        {"Job.EnableManagedSpotTraining": True},
        {
            "Job.EnableManagedSpotTraining": True,
            "Job.CheckpointConfig": {"S3Uri": "s3://data/checkpoints"},
            "Job.StoppingCondition.MaxWaitTimeInSeconds": 864000,
        },
    ),
    Case(
        "SAGEMAKER-1",
        "job",
        {
            f"{CONFIG}.VolumeKmsKeyId": att("Key", "Arn"),
            f"{CONFIG}.InstanceType": "ml.g5.2xlarge",
        },
        {
            f"{CONFIG}.VolumeKmsKeyId": att("Key", "Arn"),
            f"{CONFIG}.InstanceType": "ml.p6e-gb200.36xlarge",
        },
    ),
    Case(
        "SAGEMAKER-20",
        "job",
        {"Job.AlgorithmSpecification.AlgorithmName": "xgboost"},
        {"Job.AlgorithmSpecification": {"AlgorithmName": "xgboost"}},
        words="xgboost",
    ),
    Case(
        "SAGEMAKER-20",
        "job",
        {f"{VPC}.Subnets": ["subnet-01234567", "subnet-01234567"]},
        {f"{VPC}.Subnets": [ref("Near"), ref("Beside")]},
        words="subnet-01234567",
    ),
    Case(
        "SAGEMAKER-10",
        "job",
        {"Job.Environment": {"HF_TOKEN": "hf_x"}},
        {"Job.Environment": {"HF_HOME": "/opt/ml/checkpoints"}},
        words="HF_TOKEN",
    ),
    Case("SAGEMAKER-12", "hyperpod", {f"{GROUP}.InstanceType": "p5.48xlarge"}, words="p5.48xlarge"),
    Case("SAGEMAKER-1", "job", {f"{CONFIG}.InstanceType": "p4d.24xlarge"}, words="p4d.24xlarge"),
    Case(
        "SAGEMAKER-12",
        "hyperpod",
        {f"{GROUP}.LifeCycleConfig.SourceS3Uri": "s3://scripts/pod"},
        words="s3://scripts/pod",
    ),
    Case(
        "SAGEMAKER-12",
        "hyperpod",
        {
            "Scripts": resource("AWS::S3::Bucket", {"BucketName": "scripts"}),
            f"{GROUP}.LifeCycleConfig.SourceS3Uri": {"Fn::Sub": "s3://${Scripts}/pod"},
        },
        {
            "Scripts": resource("AWS::S3::Bucket", {"BucketName": "sagemaker-scripts"}),
            f"{GROUP}.LifeCycleConfig.SourceS3Uri": {"Fn::Sub": "s3://${Scripts}/pod"},
        },
    ),
    Case("FABRIC-2", "hyperpod", ONE_WAY, {**ONE_WAY, f"{GROUP}.InstanceType": "ml.m5.large"}),
    Case(
        "FABRIC-12",
        "hyperpod",
        {"Pod.VpcConfig.Subnets": [ref("Near"), ref("Far")]},
        {
            "Pod.VpcConfig.Subnets": [ref("Near"), ref("Far")],
            f"{GROUP}.OverrideVpcConfig": {
                "Subnets": [ref("Far")],
                "SecurityGroupIds": [att("Fabric", "GroupId")],
            },
        },
    ),
    Case("SAGEMAKER-12", "hyperpod", {f"{GROUP}.InstanceCount": 6759}, words="6759"),
    Case(
        "SAGEMAKER-12",
        "hyperpod",
        {**SCRIPTS, "Scripts": resource("AWS::S3::Bucket", {})},
        {**SCRIPTS, "Scripts": resource("AWS::S3::Bucket", {"BucketName": "sagemaker-scripts"})},
        words="bucket Scripts has a name that CloudFormation makes",
    ),
    Case(
        "SAGEMAKER-12",
        "hyperpod",
        {**SCRIPTS, "Scripts": resource("AWS::S3::Bucket", {"BucketName": "scripts"})},
        {f"{GROUP}.LifeCycleConfig": GONE},
        words="bucket scripts",
    ),
    Case(
        "SAGEMAKER-12",
        "hyperpod",
        {"Pod.InstanceGroups": WORKERS},
        {"Pod.InstanceGroups": WORKERS[:100]},
        words="101 instance groups",
    ),
    Case(
        "SAGEMAKER-16",
        "job",
        {"Role.AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com")},
        {"Role.AssumeRolePolicyDocument": trust("lambda.amazonaws.com")},
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {
            "Launching.PolicyDocument.Statement.0.Resource": "*",
            "Launching.PolicyDocument.Statement.0.Condition": GONE,
        },
        {"Launching.PolicyDocument.Statement.0.Condition": GONE},
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {
            **UNCONDITIONAL,
            f"{PASSING}.Resource": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/*"},
        },
        {**UNCONDITIONAL, f"{PASSING}.Resource": "arn:aws:iam::*:role/training-*"},
        words="role/*",
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {**UNCONDITIONAL, f"{PASSING}.Action": ["iam:Pass*"], f"{PASSING}.Resource": ["*"]},
        {**UNCONDITIONAL, f"{PASSING}.Action": ["iam:Get*"], f"{PASSING}.Resource": ["*"]},
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {**UNCONDITIONAL, f"{PASSING}.Action": "*", f"{PASSING}.Resource": "*"},
        {f"{PASSING}.Action": "sagemaker:*", f"{PASSING}.Resource": "*"},
    ),
    Case(
        "SAGEMAKER-19",
        "hyperpod",
        {f"{GROUP}.InstanceCount": 128},
        {f"{GROUP}.InstanceCount": 127},
        words="128 instances take 4096 addresses of 4091",
    ),
    Case(
        "SAGEMAKER-19",
        "hyperpod",
        {f"{GROUP}.InstanceCount": 51, "Pod.Orchestrator": {"Eks": {"ClusterArn": "arn:x"}}},
        {f"{GROUP}.InstanceCount": 50, "Pod.Orchestrator": {"Eks": {"ClusterArn": "arn:x"}}},
        words="51 instances take 4131 addresses",
    ),
    Case(
        "SAGEMAKER-18",
        "containers",
        environment(["arn:aws:iam::aws:policy/AdministratorAccess"]),
        environment(["arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"]),
    ),
    Case(
        "SAGEMAKER-18",
        "job",
        {"Role.ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
        {"Role.ManagedPolicyArns": ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"]},
        words="AdministratorAccess",
    ),
    *(
        Case(
            "SAGEMAKER-16",
            "job",
            {"Role.AssumeRolePolicyDocument": trust(f"{service}.amazonaws.com")},
            {"Role.AssumeRolePolicyDocument": trust(f"{service}.amazonaws.com", OF_ACCOUNT)},
            words=service,
        )
        for service in ("states", "pcs", "budgets", "vpc-flow-logs")
    ),
    Case(
        "SAGEMAKER-16",
        "job",
        {
            "Role.AssumeRolePolicyDocument": trust(
                "sagemaker.amazonaws.com", {"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:*:*"}}
            )
        },
        {
            "Role.AssumeRolePolicyDocument": trust(
                "sagemaker.amazonaws.com", {"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:1:*"}}
            )
        },
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {f"{PASSING}.Resource": "*"},
        {f"{PASSING}.Resource": "arn:aws:iam::123456789012:role/training-*"},
        words="while the role of the jobs is made here",
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {f"{PASSING}.Action": GONE, f"{PASSING}.NotAction": "iam:*"},
        words="all but iam:*",
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        {
            f"{PASSING}.Action": ["iam:CreateRole", "iam:AttachRolePolicy"],
            f"{PASSING}.Resource": MADE,
        },
        {
            f"{PASSING}.Action": ["iam:CreateRole", "iam:AttachRolePolicy"],
            f"{PASSING}.Resource": MADE,
            f"{PASSING}.Condition": {"StringEquals": {"iam:PermissionsBoundary": "arn:x"}},
        },
        words="iam:AttachRolePolicy",
    ),
    Case(
        "SAGEMAKER-17",
        "job",
        beside("iam:CreateRole"),
        beside("iam:GetRole"),
        words="iam:AttachRolePolicy",
    ),
    Case(
        # Nobody but the service changes a service-linked role: aws-hpc-recipes isolated clusters.
        "SAGEMAKER-17",
        "job",
        making({"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/made-*"}),
        making({"Fn::Sub": f"arn:aws:iam::${{AWS::AccountId}}:role/{SERVICE_LINKED}"}),
        words="iam:AttachRolePolicy",
    ),
    Case("SAGEMAKER-18", "job", inline("s3:*", "arn:aws:s3:::data"), words="s3:DeleteBucket"),
    Case(
        "SAGEMAKER-18",
        "job",
        inline("s3:Get*", "*"),
        inline("s3:Get*", ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]),
        words="s3:GetObject on *",
    ),
)

STATEMENT = "NodeRole.Policies.0.PolicyDocument.Statement.0"

SLURM: Final = (
    Case(
        "SLURM-1",
        "pcs",
        {"Workers.ScalingConfiguration.MaxInstanceCount": 33},
        {"Workers.ScalingConfiguration.MaxInstanceCount": 33, "Slurm.Size": "MEDIUM"},
        words="33",
    ),
    Case(
        "SLURM-2",
        "pcs",
        {"NodeRole.Path": GONE, "Profile.Path": GONE},
        {"NodeRole.Path": GONE, "Profile.Path": GONE, "NodeRole.RoleName": "AWSPCS-nodes"},
        words="NodeRole",
    ),
    Case(
        "SLURM-2",
        "pcs",
        {"NodeRole.Path": "/", "Profile.InstanceProfileName": "AWSPCS-nodes"},
        {"Profile.Path": "/"},
        words="NodeRole",
    ),
    Case("SLURM-3", "pcs", {f"{DATA}.NetworkInterfaces.3.InterfaceType": "efa-only"}, words="1"),
    Case(
        "SLURM-2",
        "pcs",
        {"NodeRole.Policies": GONE},
        {
            "NodeRole.Policies": GONE,
            "NodeRole.ManagedPolicyArns": [
                {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AWSPCSComputeNodePolicy"}
            ],
        },
    ),
    # A pattern allows what it stands for.
    Case(
        "SLURM-2",
        "pcs",
        {f"{STATEMENT}.Action": ["pcs:Get*"]},
        {f"{STATEMENT}.Action": ["pcs:Register*"]},
    ),
    Case("SLURM-1", "pcs", parts("Queue", 10), parts("Queue", 9), words="11 queues"),
    Case(
        "SLURM-6",
        "pcs",
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": 0},
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": -1},
        words="0",
    ),
    Case(
        "SLURM-6",
        "pcs",
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": -2},
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": 1},
        words="-2",
    ),
    Case(
        "SLURM-6",
        "pcs",
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": 10001},
        {"Slurm.SlurmConfiguration.Accounting.DefaultPurgeTimeInDays": 10000},
        words="10001",
    ),
    Case(
        "SLURM-7",
        "pcs",
        {f"{DATA}.UserData": {"Fn::Base64": "#!/bin/bash\necho\n"}},
        {f"{DATA}.UserData": {"Fn::Base64": MIME}},
        words="#!/bin/bash",
    ),
    Case("SLURM-1", "pcs", {"Slurm.Networking.SubnetIds": [ref("Near"), ref("Beside")]}),
    Case(
        "SLURM-6",
        "pcs",
        custom("Slurm", "SuspendTime"),
        custom("Slurm", "PrologFlags"),
        words="SuspendTime",
    ),
    Case("SLURM-6", "pcs", custom("Slurm", "MetricsType"), words="25.11 or later"),
    Case(
        "SLURM-10",
        "pcs",
        {"Slurm.Scheduler.Version": "23.11"},
        {"Slurm.Scheduler.Version": "27.05"},
        words="23.11",
    ),
)
