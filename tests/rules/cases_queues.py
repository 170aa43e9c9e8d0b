"""Fixtures of the SLURM rules about what a cluster needs around it."""

from typing import Any, Final

from tests.rules.cluster_templates import att, ref, resource
from tests.rules.rule_cases import GONE, Case

SETTING: Final = "Queue.SlurmConfiguration.SlurmCustomSettings.0.ParameterValue"
INTERFACES: Final = "Template.LaunchTemplateData.NetworkInterfaces"
PORTS: Final = {"FabricIn.IpProtocol": "tcp", "FabricIn.FromPort": 6817, "FabricIn.ToPort": 63000}
APART: Final = {**PORTS, "FabricIn.ToPort": 6818}
STEPS_IN: Final = resource(
    "AWS::EC2::SecurityGroupIngress",
    {
        "GroupId": att("Fabric", "GroupId"),
        "SourceSecurityGroupId": att("Fabric", "GroupId"),
        "IpProtocol": "tcp",
        "FromPort": 60001,
        "ToPort": 63000,
    },
)
LOGINS: Final = {
    "Logins": resource(
        "AWS::PCS::ComputeNodeGroup",
        {
            "Name": "login-m6i",
            "ClusterId": att("Slurm", "Id"),
            "IamInstanceProfileArn": att("Profile", "Arn"),
            "InstanceConfigs": [{"InstanceType": "m6i.xlarge"}],
            "ScalingConfiguration": {"MinInstanceCount": 1, "MaxInstanceCount": 1},
            "SubnetIds": [ref("Near")],
        },
    )
}
OUTSIDE: Final = {
    "Outside": resource(
        "AWS::EC2::SecurityGroup", {"GroupDescription": "others", "VpcId": ref("Vpc")}
    )
}
REGISTRATION: Final = {
    "NodeRole.Policies": GONE,
    "Registration": resource(
        "AWS::IAM::Policy",
        {
            "PolicyName": "register",
            "Roles": [ref("NodeRole")],
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "pcs:RegisterComputeNodeGroupInstance",
                        "Resource": "*",
                    }
                ]
            },
        },
    ),
}


def queue_of(*groups: str) -> dict[str, Any]:
    return {
        "Queue.ComputeNodeGroupConfigurations": [
            {"ComputeNodeGroupId": att(group, "Id")} for group in groups
        ]
    }


QUEUES: Final = (
    Case(
        "SLURM-1",
        "pcs",
        {"Vpc.InstanceTenancy": "dedicated"},
        {"Vpc.InstanceTenancy": "default"},
        words="dedicated",
    ),
    Case("SLURM-9", "pcs", {**PORTS, "FabricIn.FromPort": 22, "FabricIn.ToPort": 22}, PORTS),
    Case("SLURM-9", "pcs", {**PORTS, "FabricIn.FromPort": 6819}, PORTS, words="6817"),
    Case(
        "SLURM-9",
        "pcs",
        {"Workers": GONE, "Queue": GONE, **PORTS, "FabricIn.FromPort": 6818},
        {"Workers": GONE, "Queue": GONE, **PORTS},
        words="Fabric does not open TCP 6817",
    ),
    Case("SLURM-9", "pcs", {**PORTS, "FabricIn.ToPort": 6817}, PORTS, words="6818"),
    Case("SLURM-9", "pcs", {**PORTS, "FabricIn.ToPort": 60001}, PORTS, words="60002-63000"),
    Case(
        "SLURM-9",
        "pcs",
        {**APART, "StepsIn": STEPS_IN},
        {**APART, "StepsIn": STEPS_IN, "Slurm.SlurmConfiguration.Accounting.Mode": "NONE"},
        words="6819",
    ),
    Case(
        "SLURM-9",
        "pcs",
        {**OUTSIDE, f"{INTERFACES}.0.Groups": [att("Outside", "GroupId")]},
        {
            **OUTSIDE,
            f"{INTERFACES}.0.Groups": [att("Outside", "GroupId"), att("Fabric", "GroupId")],
        },
        words="Outside",
    ),
    Case("SLURM-12", "pcs", {"Queue.ComputeNodeGroupConfigurations": []}, words="no node group"),
    Case(
        "SLURM-12",
        "pcs",
        {**LOGINS, **queue_of("Logins")},
        {**LOGINS, **queue_of("Workers")},
        words="16 nodes that only a job of a queue could start",
    ),
    Case(
        "SLURM-12",
        "pcs",
        {"Workers.ScalingConfiguration.MaxInstanceCount": 0},
        {"Workers.ScalingConfiguration.MaxInstanceCount": 1},
        words="has no nodes",
    ),
    Case("SLURM-12", "pcs", {SETTING: "NO"}, {SETTING: "yes"}, words="Queue"),
    Case("SLURM-12", "pcs", {"Queue.SlurmConfiguration": GONE}),
    Case("OPERATE-2", "pcs", {"ScalingDelivery": GONE}, words="PCS_SCALING_LOGS"),
    Case("OPERATE-2", "pcs", {"JobcompSource.LogType": "PCS_SCALING_LOGS"}, words="PCS_JOBCOMP"),
    Case("SLURM-15", "pcs", {f"{INTERFACES}.2.SubnetId": GONE}, words="[2] without SubnetId"),
    Case("SLURM-15", "pcs", {f"{INTERFACES}.3.SubnetId": ref("Beside")}, words="Beside"),
    Case("SLURM-16", "pcs", {"@Slurm.DependsOn": ["FabricIn"]}, words="FabricOut"),
    Case(
        "SLURM-16",
        "pcs",
        REGISTRATION,
        {**REGISTRATION, "@Workers.DependsOn": "Registration"},
        words="Registration",
    ),
)
