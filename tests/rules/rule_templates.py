"""Small good templates, and changes to them, for the fixtures of rules.

Each base is as small as a template of its kind can be and still be right, so that a change of one
value is the only thing that a rule can be talking about.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from constructs_lib.rules.engine import Verdict, judge
from constructs_lib.rules.resolution import Template, resolve

GONE: Final = object()
"""In place of a value: nothing is written."""


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def resource(kind: str, properties: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties} | attributes


KEPT: Final = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def rules_between(group: str, peer: str, name: str, **traffic: Any) -> dict[str, Any]:
    """Return a pair of rules, of their own, from a group to a peer."""
    traffic = traffic or {"IpProtocol": "-1"}
    return {
        f"{name}In": resource(
            "AWS::EC2::SecurityGroupIngress",
            {
                "GroupId": att(peer, "GroupId"),
                "SourceSecurityGroupId": att(group, "GroupId"),
                **traffic,
            },
        ),
        f"{name}Out": resource(
            "AWS::EC2::SecurityGroupEgress",
            {
                "GroupId": att(group, "GroupId"),
                "DestinationSecurityGroupId": att(peer, "GroupId"),
                **traffic,
            },
        ),
    }


def group(**properties: Any) -> dict[str, Any]:
    return resource(
        "AWS::EC2::SecurityGroup",
        {"GroupDescription": "g", "VpcId": ref("Vpc"), **properties},
        **KEPT,
    )


def subnet(zone: str, block: str) -> dict[str, Any]:
    return resource(
        "AWS::EC2::Subnet",
        {"VpcId": ref("Vpc"), "AvailabilityZoneId": zone, "CidrBlock": block},
        **KEPT,
    )


NETWORK: Final = {
    "Vpc": resource(
        "AWS::EC2::VPC",
        {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True, "EnableDnsHostnames": True},
    ),
    "Near": subnet("use1-az6", "10.0.0.0/20"),
    "Beside": subnet("use1-az6", "10.0.32.0/20"),
    "Far": subnet("use1-az4", "10.0.16.0/20"),
    "Fabric": group(),
    **rules_between("Fabric", "Fabric", "Fabric"),
}

INTERFACES: Final = [
    {
        "NetworkCardIndex": card,
        "DeviceIndex": device,
        "InterfaceType": kind,
        "Groups": [att("Fabric", "GroupId")],
    }
    for card, device, kind in (
        (0, 0, "interface"),
        (0, 1, "efa-only"),
        (1, 0, "efa-only"),
        (2, 0, "efa-only"),
        (3, 0, "efa-only"),
    )
]
CLASSIC: Final = [
    {
        "NetworkCardIndex": card,
        "DeviceIndex": 1 if card else 0,
        "InterfaceType": "efa",
        "Groups": [att("Fabric", "GroupId")],
    }
    for card in range(4)
]

NODES: Final = {
    "Placement": resource("AWS::EC2::PlacementGroup", {"Strategy": "cluster"}),
    "Reservation": resource(
        "AWS::EC2::CapacityReservation",
        {
            "AvailabilityZoneId": "use1-az6",
            "InstanceType": "p4d.24xlarge",
            "InstancePlatform": "Linux/UNIX",
            "InstanceCount": 4,
            "InstanceMatchCriteria": "targeted",
            "PlacementGroupArn": {
                "Fn::Sub": "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
                "placement-group/${Placement}"
            },
        },
    ),
    "Template": resource(
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": {
                "ImageId": "ami-0123456789abcdef0",
                "InstanceType": "p4d.24xlarge",
                "NetworkInterfaces": INTERFACES,
                "Placement": {"GroupName": ref("Placement")},
                "CapacityReservationSpecification": {
                    "CapacityReservationTarget": {"CapacityReservationId": ref("Reservation")}
                },
                "MetadataOptions": {"HttpTokens": "required"},
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 200, "Encrypted": True}}
                ],
            }
        },
    ),
    "Nodes": resource(
        "AWS::AutoScaling::AutoScalingGroup",
        {
            "MinSize": "0",
            "MaxSize": "4",
            "LaunchTemplate": {
                "LaunchTemplateId": ref("Template"),
                "Version": att("Template", "LatestVersionNumber"),
            },
            "VPCZoneIdentifier": [ref("Near")],
        },
    ),
}

LUSTRE_PORTS: Final = (("Low", 988, 988), ("High", 1018, 1023))


def lustre_rules(one: str, other: str, name: str) -> dict[str, Any]:
    """Return the rules of Lustre from one group to another."""
    made: dict[str, Any] = {}
    for suffix, first, last in LUSTRE_PORTS:
        ports = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last}
        made |= rules_between(one, other, f"{name}{suffix}", **ports)
    return made


SERVER_RULES: Final = {
    **lustre_rules("Servers", "Servers", "Servers"),
    **lustre_rules("Fabric", "Servers", "FromClients"),
    **lustre_rules("Servers", "Fabric", "ToClients"),
}

LUSTRE: Final = {
    "Key": resource("AWS::KMS::Key", {"KeyPolicy": {}}, **KEPT),
    "Servers": group(SecurityGroupEgress=[{"IpProtocol": "icmp", "CidrIp": "255.255.255.255/32"}]),
    **SERVER_RULES,
    "Logs": resource("AWS::Logs::LogGroup", {"LogGroupName": "/aws/fsx/lustre"}),
    "Lustre": resource(
        "AWS::FSx::FileSystem",
        {
            "FileSystemType": "LUSTRE",
            "FileSystemTypeVersion": "2.15",
            "StorageCapacity": 2400,
            "StorageType": "SSD",
            "KmsKeyId": att("Key", "Arn"),
            "SubnetIds": [ref("Near")],
            "SecurityGroupIds": [att("Servers", "GroupId")],
            "LustreConfiguration": {
                "DeploymentType": "PERSISTENT_2",
                "PerUnitStorageThroughput": 250,
                "AutomaticBackupRetentionDays": 0,
                "MetadataConfiguration": {"Mode": "AUTOMATIC"},
                "LogConfiguration": {
                    "Level": "WARN_ERROR",
                    "Destination": {
                        "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:"
                        "log-group:${Logs}"
                    },
                },
            },
        },
        DependsOn=sorted(SERVER_RULES),
        **KEPT,
    ),
    "Bucket": resource("AWS::S3::Bucket", {}, **KEPT),
    **{
        name: resource(
            "AWS::FSx::DataRepositoryAssociation",
            {
                "FileSystemId": ref("Lustre"),
                "FileSystemPath": f"/{name.lower()}",
                "DataRepositoryPath": {"Fn::Sub": f"s3://${{Bucket}}/{name.lower()}/"},
            },
        )
        for name in ("Data", "Checkpoints")
    },
}
MOUNT: Final = {
    "Fn::Base64": {"Fn::Sub": "#!/bin/bash\nmount -t lustre ${Lustre.DNSName}@tcp:/x /fsx\n"}
}

CLUSTER: Final = {**NETWORK, **NODES}
STORAGE: Final = {**NETWORK, **LUSTRE}


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
    ),
    "Template": resource(
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": {
                "NetworkInterfaces": CLASSIC,
                "MetadataOptions": {"HttpTokens": "required"},
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
    "Queue": resource("AWS::PCS::Queue", {"ClusterId": att("Slurm", "Id")}),
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

BASES: Final[Mapping[str, dict[str, Any]]] = {
    "cluster": CLUSTER,
    "storage": STORAGE,
    "both": {**CLUSTER, **LUSTRE},
    "job": JOB,
    "hyperpod": HYPERPOD,
    "pcs": PCS,
    "containers": CONTAINERS,
}

Changes = Mapping[str, Any]
"""New values by path: logical id and properties, or `@Id.Attribute` for an attribute beside
`Properties`; a whole resource where there is only its id."""


def changed(base: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a template whose resources are a base with changes."""
    resources: dict[str, Any] = copy.deepcopy(dict(base))
    for path, value in changes.items():
        name, *inner = re.split(r"\.", path.removeprefix("@"))
        place: Any = resources
        steps: list[str] = [name]
        if inner:
            steps += inner if path.startswith("@") else ["Properties", *inner]
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        last = steps[-1]
        if value is GONE:
            del place[int(last) if isinstance(place, list) else last]
        elif isinstance(place, list):
            place[int(last)] = copy.deepcopy(value)
        else:
            place[last] = copy.deepcopy(value)
    return {"Resources": resources}


def verdict(
    *templates: Mapping[str, Any], region: str | None = "us-east-1", **parameters: str
) -> Verdict:
    """Return what all rules say of templates that are deployed together."""
    named = [Template(f"stack{index}", body) for index, body in enumerate(templates)]
    return judge(resolve(named, parameters=parameters, region=region))


def said(judged: Verdict) -> set[str]:
    """Return the rules that found something."""
    return {finding.rule for finding in judged.findings}


@dataclass(frozen=True)
class Case:
    """The two fixtures of a rule: a change of a base that it finds, and one that it lets pass."""

    rule: str
    base: str
    bad: Changes
    good: Changes = field(default_factory=dict)
    """The nearest thing that is right; nothing changed where the base itself is that."""
    region: str = "us-east-1"
    words: str = ""
    """Part of the message: the value as it was given."""

    def failing(self) -> dict[str, Any]:
        """Return the template with the fault."""
        return changed(BASES[self.base], self.bad)

    def passing(self) -> dict[str, Any]:
        """Return the template with the nearest right thing."""
        return changed(BASES[self.base], self.good)
