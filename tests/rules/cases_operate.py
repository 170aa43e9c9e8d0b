"""Fixtures of the OPERATE rules."""

from typing import Final

from tests.rules.cluster_templates import ref
from tests.rules.rule_cases import GONE, REGISTERING, Case

PROFILE: Final = "Template.LaunchTemplateData.IamInstanceProfile"
SCRIPT: Final = "Template.LaunchTemplateData.UserData"
EXPORTER: Final = {"Fn::Base64": "#!/bin/bash\nsystemctl enable --now prometheus-node-exporter\n"}
COPIES: Final = {"Fn::Base64": "#!/bin/bash\naws s3 cp s3://bucket/start.sh /tmp/start.sh\n"}
HOSTING: Final = "SeenRole.ManagedPolicyArns.0"


def policy(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{name}"}


OPERATE: Final = (
    Case(
        "OPERATE-1",
        "pcs",
        {REGISTERING: ["pcs:RegisterComputeNodeGroupInstance"]},
        {REGISTERING: ["pcs:*", "cloudwatch:Put*"]},
        words="role NodeRole may write no metrics",
    ),
    Case(
        "OPERATE-1",
        "cluster",
        {HOSTING: policy("AmazonSSMManagedInstanceCore")},
        {HOSTING: policy("AdministratorAccess")},
        words="SeenRole",
    ),
    Case(
        "OPERATE-1",
        "cluster",
        {PROFILE: GONE, SCRIPT: COPIES},
        {PROFILE: GONE, SCRIPT: EXPORTER},
        words="no instance profile",
    ),
    Case("OPERATE-4", "cluster", {"Idle": GONE}, {"Idle.Dimensions": GONE}, words="alarm"),
    Case("OPERATE-4", "cluster", {"Idle.Namespace": "AWS/EC2"}, words="alarm"),
    Case(
        "OPERATE-4",
        "cluster",
        {
            "Idle.Dimensions.0.Value": ref("Other"),
            "Other": {
                "Type": "AWS::EC2::CapacityReservation",
                "Properties": {
                    "InstanceType": "p4d.24xlarge",
                    "InstanceCount": 4,
                    "InstancePlatform": "Linux/UNIX",
                    "AvailabilityZoneId": "use1-az6",
                },
            },
        },
        words="alarm",
    ),
)
