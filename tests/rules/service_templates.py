"""Small good templates of SageMaker, HyperPod and PCS, for the fixtures of rules to change."""

from typing import Any, Final

from tests.rules.cluster_templates import CLASSIC, LUSTRE, NETWORK, att, ref, resource


def trust(service: str, condition: Any = None) -> dict[str, Any]:
    """Return the trust policy of a role for a service."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    return {"Statement": [statement | ({"Condition": condition} if condition else {})]}


SOURCE: Final = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
EXECUTION: Final = {
    "Role": resource(
        "AWS::IAM::Role",
        {"AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com", SOURCE)},
    ),
    "Launching": resource(
        "AWS::IAM::ManagedPolicy",
        {
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "iam:PassRole",
                        "Resource": att("Role", "Arn"),
                        "Condition": {
                            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
                        },
                    }
                ]
            }
        },
    ),
}
REQUEST: Final = {
    "TrainingJobName": "train",
    "RoleArn": att("Role", "Arn"),
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/training:v1",
        "TrainingInputMode": "File",
    },
    "ResourceConfig": {
        "InstanceType": "ml.p4d.24xlarge",
        "InstanceCount": 8,
        "VolumeSizeInGB": 200,
        "KeepAlivePeriodInSeconds": 3600,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 864000},
    "RetryStrategy": {"MaximumRetryAttempts": 30},
    "VpcConfig": {"Subnets": [ref("Near")], "SecurityGroupIds": [att("Fabric", "GroupId")]},
    "InputDataConfig": [
        {
            "ChannelName": "data",
            "DataSource": {
                "FileSystemDataSource": {
                    "FileSystemId": ref("Lustre"),
                    "FileSystemType": "FSxLustre",
                    "FileSystemAccessMode": "rw",
                    "DirectoryPath": {"Fn::Sub": "/${Lustre.LustreMountName}/data"},
                }
            },
        }
    ],
}
JOB: Final = {
    **NETWORK,
    **LUSTRE,
    **EXECUTION,
    "Job": resource("AWS::SageMaker::TrainingJob", REQUEST),
}

HYPERPOD: Final = {
    **NETWORK,
    "Pod": resource(
        "AWS::SageMaker::Cluster",
        {
            "VpcConfig": {
                "Subnets": [ref("Near")],
                "SecurityGroupIds": [att("Fabric", "GroupId")],
            },
            "InstanceGroups": [
                {
                    "InstanceGroupName": "workers",
                    "InstanceType": "ml.p5.48xlarge",
                    "InstanceCount": 16,
                    "LifeCycleConfig": {
                        "SourceS3Uri": "s3://sagemaker-scripts/pod",
                        "OnCreate": "on_create.sh",
                    },
                }
            ],
        },
    ),
}

PCS: Final = {
    **NETWORK,
    "NodeRole": resource(
        "AWS::IAM::Role",
        {
            "Path": "/aws-pcs/",
            "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
            "Policies": [
                {
                    "PolicyName": "register",
                    "PolicyDocument": {
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": ["pcs:RegisterComputeNodeGroupInstance"],
                                "Resource": "*",
                            }
                        ]
                    },
                }
            ],
        },
    ),
    "Profile": resource(
        "AWS::IAM::InstanceProfile", {"Path": "/aws-pcs/", "Roles": [ref("NodeRole")]}
    ),
    "Slurm": resource(
        "AWS::PCS::Cluster",
        {
            "Size": "SMALL",
            "Networking": {
                "SubnetIds": [ref("Near")],
                "SecurityGroupIds": [att("Fabric", "GroupId")],
            },
            "Scheduler": {"Type": "SLURM", "Version": "25.05"},
            "SlurmConfiguration": {
                "Accounting": {"Mode": "STANDARD", "DefaultPurgeTimeInDays": 30}
            },
        },
        DependsOn=["FabricIn", "FabricOut"],
    ),
    **{
        f"{kind.title()}{part}": resource(f"AWS::Logs::{name}", properties)
        for kind in ("SCHEDULER", "JOBCOMP", "SCALING")
        for part, name, properties in (
            (
                "Source",
                "DeliverySource",
                {
                    "Name": f"slurm-{kind.lower()}",
                    "LogType": f"PCS_{kind}_LOGS",
                    "ResourceArn": att("Slurm", "Arn"),
                },
            ),
            (
                "Delivery",
                "Delivery",
                {
                    "DeliverySourceName": ref(f"{kind.title()}Source"),
                    "DeliveryDestinationArn": "arn:aws:logs:us-east-1:1:delivery-destination:x",
                },
            ),
        )
    },
    "Placement": resource("AWS::EC2::PlacementGroup", {"Strategy": "cluster"}),
    "Template": resource(
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": {
                "NetworkInterfaces": [{**entry, "SubnetId": ref("Near")} for entry in CLASSIC],
                "MetadataOptions": {"HttpTokens": "required"},
                "Placement": {"GroupName": ref("Placement")},
            }
        },
    ),
    "Workers": resource(
        "AWS::PCS::ComputeNodeGroup",
        {
            "ClusterId": att("Slurm", "Id"),
            "IamInstanceProfileArn": att("Profile", "Arn"),
            "InstanceConfigs": [{"InstanceType": "p4d.24xlarge"}],
            "ScalingConfiguration": {"MinInstanceCount": 0, "MaxInstanceCount": 16},
            "SubnetIds": [ref("Near")],
            "CustomLaunchTemplate": {"TemplateId": ref("Template"), "Version": "1"},
            "PurchaseOption": "ONDEMAND",
        },
    ),
    "Queue": resource(
        "AWS::PCS::Queue",
        {
            "ClusterId": att("Slurm", "Id"),
            "ComputeNodeGroupConfigurations": [{"ComputeNodeGroupId": att("Workers", "Id")}],
            "SlurmConfiguration": {
                "SlurmCustomSettings": [{"ParameterName": "Default", "ParameterValue": "YES"}]
            },
        },
    ),
}

CONTAINERS: Final = {
    "Batch": resource(
        "AWS::Batch::JobDefinition",
        {
            "Type": "multinode",
            "NodeProperties": {
                "NodeRangeProperties": [
                    {"Container": {"Environment": [{"Name": "NCCL_DEBUG", "Value": "INFO"}]}}
                ]
            },
        },
    )
}
