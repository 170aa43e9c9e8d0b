"""Fixtures of the SAFETY rules."""

import json
from typing import Any, Final

from tests.rules.cluster_templates import KEPT, ref, resource
from tests.rules.rule_cases import GONE, Case

DATA: Final = "Template.LaunchTemplateData"
LATEST: Final = "/aws/service/deeplearning/ami/x86_64/base/latest/ami-id"
BUDGET: Final = {"BudgetType": "COST", "TimeUnit": "MONTHLY"}
NOTIFICATION: Final = {"NotificationType": "ACTUAL", "Threshold": 80}
SUBSCRIBER: Final = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}


def runs(command: str) -> dict[str, Any]:
    """Return user data of one command, beside a reference as most user data has."""
    script = f"#!/bin/bash\n{command}\necho ${{AWS::StackName}}\n"
    return {f"{DATA}.UserData": {"Fn::Base64": {"Fn::Sub": script}}}


def budget(*notifications: Any) -> dict[str, Any]:
    return {
        "Budget": resource(
            "AWS::Budgets::Budget",
            {"Budget": BUDGET, "NotificationsWithSubscribers": list(notifications)},
        )
    }


def parameters(count: int) -> dict[str, Any]:
    return {
        f"P{n}": resource("AWS::SSM::Parameter", {"Type": "String", "Value": str(n)})
        for n in range(count)
    }


def reads(arn: Any) -> dict[str, Any]:
    return {
        "Reads": resource(
            "AWS::IAM::ManagedPolicy",
            {
                "PolicyDocument": {
                    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn}]
                }
            },
        )
    }


def pulls(image: Any) -> dict[str, Any]:
    return {"Batch.ContainerProperties": {"Image": image}}


def expires(days: int, **more: Any) -> dict[str, Any]:
    rule = {"Status": "Enabled", "ExpirationInDays": days, **more}
    return {"Bucket.LifecycleConfiguration": {"Rules": [rule]}}


def images(attributes: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Return a repository that keeps its images, with changes."""
    kept = {"ImageTagMutability": "IMMUTABLE", **properties}
    return {"Images": resource("AWS::ECR::Repository", kept, **(KEPT | (attributes or {})))}


def expiry(status: str, kind: str, number: int) -> dict[str, Any]:
    selection = {"tagStatus": status, "countType": kind, "countNumber": number}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return {"LifecyclePolicyText": json.dumps({"rules": [rule]})}


def other(device: str) -> dict[str, Any]:
    """Return a template for nodes of another kind with the same image."""
    volume = {"DeviceName": device, "Ebs": {"VolumeSize": 100, "Encrypted": True}}
    data = {
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "m6i.xlarge",
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [volume],
    }
    return resource("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": data})


def counted(key: str, value: str) -> dict[str, Any]:
    """Return a budget of what carries a tag."""
    made = budget(NOTIFICATION_OF_ONE)
    filters = {"TagKeyValue": [f"user:{key}${value}"]}
    made["Budget"]["Properties"]["Budget"] = {**BUDGET, "CostFilters": filters}
    return made


def topic(**properties: Any) -> dict[str, Any]:
    """Return a topic that an alarm of idle nodes goes to."""
    alarm = {"AlarmActions": [ref("Topic")], "MetricName": "InstanceUtilization"}
    return {
        "Topic": resource("AWS::SNS::Topic", properties),
        "Alarm": resource("AWS::CloudWatch::Alarm", alarm),
    }


NOTIFICATION_OF_ONE: Final = {"Notification": NOTIFICATION, "Subscribers": [SUBSCRIBER]}
TAGGED: Final = [
    {"ResourceType": kind, "Tags": [{"Key": "team", "Value": "research"}]}
    for kind in ("instance", "volume")
]
UBUNTU: Final = "{{resolve:ssm:/aws/service/pcs/ami/dlami-base-ubuntu2404/x86_64/latest/ami-id}}"
WRITING: Final = {
    "Role.Policies": [
        {
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "s3:PutObject",
                        "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
                    }
                ]
            }
        }
    ]
}

SAFETY: Final = (
    Case(
        "SAFETY-1",
        "storage",
        {"@Lustre.DeletionPolicy": GONE, "@Lustre.UpdateReplacePolicy": GONE},
        {"@Lustre.DeletionPolicy": "Delete", "@Lustre.UpdateReplacePolicy": "Delete"},
    ),
    Case(
        "SAFETY-2",
        "storage",
        {"@Lustre.UpdateReplacePolicy": GONE},
        {"@Lustre.DeletionPolicy": "RetainExceptOnCreate"},
        words="DeletionPolicy is Retain",
    ),
    Case(
        "SAFETY-2",
        "storage",
        {"@Key.DeletionPolicy": "Delete"},
        {"@Key.DeletionPolicy": "Delete", "@Lustre.DeletionPolicy": "Delete"},
        words="Key",
    ),
    Case(
        "SAFETY-4",
        "storage",
        {"@Servers.DeletionPolicy": GONE},
        {"@Servers.DeletionPolicy": GONE, "@Lustre.DeletionPolicy": "Delete"},
        words="Servers",
    ),
    Case(
        "SAFETY-4",
        "storage",
        {"@Servers.DeletionPolicy": "Delete"},
        {"@Servers.DeletionPolicy": "Delete", "@Lustre.DeletionPolicy": "Snapshot"},
    ),
    Case("SAFETY-5", "containers", parameters(500), parameters(499), words="501"),
    Case("SAFETY-5", "containers", {"A": None}, {}, words="A has no Type"),
    Case("SAFETY-5", "containers", {"A": {"Type": 5}}, {}, words="A has Type 5"),
    Case(
        "SAFETY-6",
        "containers",
        budget({"Notification": NOTIFICATION, "Subscribers": []}),
        budget({"Notification": NOTIFICATION, "Subscribers": [SUBSCRIBER]}),
    ),
    Case(
        "SAFETY-14",
        "storage",
        {},
        {"@Lustre.DeletionPolicy": "Delete", "@Lustre.UpdateReplacePolicy": "Delete"},
        protected=False,
        words="Lustre is kept, and",
    ),
    Case("SAFETY-7", "cluster", {f"{DATA}.MetadataOptions.HttpTokens": "optional"}),
    Case(
        "SAFETY-8",
        "cluster",
        {f"{DATA}.BlockDeviceMappings.0.Ebs.Encrypted": False},
        {f"{DATA}.BlockDeviceMappings.0": {"DeviceName": "/dev/xvdb", "NoDevice": {}}},
        words="/dev/xvda",
    ),
    Case(
        "SAFETY-9",
        "cluster",
        {f"{DATA}.ImageId": f"{{{{resolve:ssm:{LATEST}}}}}"},
        {f"{DATA}.ImageId": "{{resolve:ssm:/training/image:7}}"},
        words="latest",
    ),
    Case(
        "SAFETY-9",
        "cluster",
        {f"{DATA}.ImageId": LATEST},
        {f"{DATA}.ImageId": "ami-0123456789abcdef0"},
        words="is the text",
    ),
    Case(
        "SAFETY-9",
        "pcs",
        {"Workers.AmiId": f"{{{{resolve:ssm:{LATEST}}}}}"},
        {
            "Workers.AmiId": "ami-0123456789abcdef0",
            # What the group says takes the place of what its template says.
            f"{DATA}.ImageId": f"{{{{resolve:ssm:{LATEST}}}}}",
        },
        words="latest",
    ),
    Case(
        "SAFETY-10",
        "cluster",
        runs("curl -fsSL https://get.example.com/setup.sh | bash"),
        runs("curl -s http://169.254.169.254/latest/meta-data/"),
        words="https://get.example.com/setup.sh",
    ),
    Case("SAFETY-10", "cluster", runs("pip install torch==2.9"), runs("pip3 list")),
    Case(
        "SAFETY-10",
        "cluster",
        runs('if [ "true" = "true" ]; then\n  curl https://example.com/x\nfi'),
        runs('if [ "false" = "true" ]; then\n  curl https://example.com/x\nfi'),
    ),
    Case("SAFETY-10", "cluster", runs("yum update -y"), runs("yum install -y nvme-cli")),
    Case(
        "SAFETY-10",
        "cluster",
        runs("apt-get -y dist-upgrade"),
        runs("apt-get update && apt-get install -y jq"),
    ),
    Case(
        "SAFETY-12",
        "containers",
        reads("arn:aws:s3:::data/*"),
        reads({"Fn::Sub": "arn:${AWS::Partition}:s3:::data/*"}),
        region="cn-northwest-1",
        words="arn:aws:",
    ),
    Case(
        "SAFETY-12",
        "containers",
        pulls("111122223333.dkr.ecr.cn-northwest-1.amazonaws.com/train:1"),
        pulls({"Fn::Sub": "111122223333.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/train:1"}),
        region="cn-northwest-1",
        words="amazonaws.com",
    ),
    Case(
        "SAFETY-15",
        "cluster",
        {"@Reservation.UpdateReplacePolicy": GONE},
        {"@Reservation.DeletionPolicy": "RetainExceptOnCreate"},
        words="not written",
    ),
    Case(
        "SAFETY-15",
        "cluster",
        {"@Reservation.DeletionPolicy": "Delete"},
        {
            "@Reservation.DeletionPolicy": "Delete",
            "Reservation.EndDate": "2030-01-01T00:00:00Z",
            "Reservation.EndDateType": "limited",
        },
    ),
    Case(
        "SAFETY-22",
        "storage",
        expires(365),
        expires(365, Prefix="logs/"),
        words="/data/ expires after 365 days",
    ),
    Case(
        "SAFETY-22",
        "job",
        {**expires(30), "Data": GONE, "Checkpoints": GONE, **WRITING},
        {**expires(100), "Data": GONE, "Checkpoints": GONE, **WRITING},
        words="what jobs write",
    ),
    Case("SAFETY-22", "storage", images(EmptyOnDelete=True), images(), words="is kept"),
    Case("SAFETY-22", "storage", images(ImageTagMutability="MUTABLE"), images(), words="MUTABLE"),
    Case("SAFETY-22", "storage", images({"DeletionPolicy": "Delete"}), images(), words="deleted"),
    Case(
        "SAFETY-22",
        "storage",
        images(LifecyclePolicy=expiry("any", "sinceImagePushed", 30)),
        images(LifecyclePolicy=expiry("untagged", "sinceImagePushed", 3)),
        words="30 days",
    ),
    Case(
        "SAFETY-22",
        "storage",
        images(LifecyclePolicy=expiry("any", "imageCountMoreThan", 1)),
        images(LifecyclePolicy=expiry("any", "imageCountMoreThan", 20)),
        words="all but 1",
    ),
    Case(
        "SAFETY-24",
        "cluster",
        {f"{DATA}.ImageId": UBUNTU},
        {f"{DATA}.ImageId": UBUNTU, f"{DATA}.BlockDeviceMappings.0.DeviceName": "/dev/sda1"},
        words="/dev/sda1",
    ),
    Case(
        "SAFETY-24",
        "cluster",
        {"Other": other("/dev/sda1")},
        {"Other": other("/dev/xvda")},
        words="for the same image",
    ),
    Case(
        "SAFETY-25",
        "cluster",
        counted("team", "research"),
        {**counted("team", "research"), f"{DATA}.TagSpecifications": TAGGED},
        words="instance without team=research",
    ),
    Case(
        "OPERATE-3",
        "containers",
        topic(),
        topic(Subscription=[{"Protocol": "email", "Endpoint": "a@example.com"}]),
    ),
)
