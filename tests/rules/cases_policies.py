"""Fixtures of the SAFETY rules about policies, roles and references."""

import json
from typing import Any, Final

from tests.rules.cluster_templates import att, ref, resource
from tests.rules.rule_cases import GONE, Case
from tests.rules.service_templates import SOURCE, trust

ROOT: Final = {
    "Effect": "Allow",
    "Action": "kms:*",
    "Resource": "*",
    "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
}
USING: Final = ["kms:Decrypt", "kms:GenerateDataKey*"]
FSX_ROLE: Final = (
    "arn:aws:iam::${AWS::AccountId}:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/"
    "AWSServiceRoleForFSxS3Access_*"
)


def allow(principal: Any, action: Any, condition: Any = None, **more: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **more}
    return made | ({"Condition": condition} if condition else {})


def key(*statements: Any) -> dict[str, Any]:
    """Return a key with statements behind the account's own."""
    return resource(
        "AWS::KMS::Key",
        {"KeyPolicy": {"Statement": [ROOT, *statements]}},
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )


FSX: Final = allow({"AWS": "*"}, USING, {"ArnLike": {"aws:PrincipalArn": {"Fn::Sub": FSX_ROLE}}})
ENCRYPTED: Final = {
    "Bucket.BucketEncryption": {
        "ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"KMSMasterKeyID": att("Key", "Arn")}}
        ]
    }
}
LOGS: Final = {"Service": {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}}
BUDGETS: Final = {"Service": "budgets.amazonaws.com"}
ALARM: Final = {
    "Topic": resource(
        "AWS::SNS::Topic", {"Subscription": [{"Protocol": "email", "Endpoint": "a@b.c"}]}
    ),
    "Budget": resource(
        "AWS::Budgets::Budget",
        {
            "Budget": {"BudgetType": "COST", "TimeUnit": "MONTHLY"},
            "NotificationsWithSubscribers": [
                {"Subscribers": [{"SubscriptionType": "SNS", "Address": ref("Topic")}]}
            ],
        },
    ),
}
TLS: Final = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": ref("Topic"),
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def topic_policy(*statements: Any) -> dict[str, Any]:
    return {
        **ALARM,
        "Policy": resource(
            "AWS::SNS::TopicPolicy",
            {"Topics": [ref("Topic")], "PolicyDocument": {"Statement": list(statements)}},
        ),
    }


PUBLISHES: Final = allow(BUDGETS, "sns:Publish", SOURCE)


def bucket_policy(*statements: Any) -> dict[str, Any]:
    return {
        "Open": resource(
            "AWS::S3::BucketPolicy",
            {"Bucket": ref("Bucket"), "PolicyDocument": {"Statement": list(statements)}},
        )
    }


def policy(*statements: Any) -> dict[str, Any]:
    return {"PolicyName": "p", "PolicyDocument": {"Statement": list(statements)}}


def may(*actions: str, resource: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


WRITES: Final = ("logs:CreateLogStream", "logs:PutLogEvents")


def flow_logs(statement: Any, name: Any = None, service: str = "vpc-flow-logs") -> dict[str, Any]:
    return {
        "Flow": resource(
            "AWS::EC2::FlowLog",
            {
                "ResourceId": ref("Vpc"),
                "ResourceType": "VPC",
                "LogGroupName": name or ref("FlowGroup"),
                "DeliverLogsPermissionArn": att("FlowRole", "Arn"),
            },
        ),
        "FlowGroup": resource("AWS::Logs::LogGroup", {}),
        "FlowRole": resource(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": trust(f"{service}.amazonaws.com", SOURCE),
                "Policies": [policy(statement)],
            },
        ),
    }


OWN_GROUP: Final = may(*WRITES, resource=att("FlowGroup", "Arn"))
TRAIN: Final = (
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:StopTrainingJob",
)
RULE: Final = "arn:aws:events:us-east-1:${AWS::AccountId}:rule/StepFunctionsGetEventsFor"


def machine(*statements: Any) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"}
    return {
        "Machine": resource(
            "AWS::StepFunctions::StateMachine",
            {
                "RoleArn": att("StatesRole", "Arn"),
                "Definition": {"StartAt": "Train", "States": {"Train": task}},
            },
        ),
        "StatesRole": resource(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": trust("states.amazonaws.com", SOURCE),
                "Policies": [policy(*statements)],
            },
        ),
    }


def events(rule: str) -> dict[str, Any]:
    return may(
        *("events:PutRule", "events:PutTargets", "events:DescribeRule"),
        resource={"Fn::Sub": f"{RULE}{rule}"},
    )


PASSES: Final = may("iam:PassRole", resource=att("Role", "Arn")) | {
    "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
}
HEARS: Final = events("SageMakerTrainingJobsRule")
STATEMENT: Final = "Launching.PolicyDocument.Statement.0"
OTHER_KEY: Final = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

BY_ALIAS: Final = {
    "Alias": resource("AWS::KMS::Alias", {"AliasName": "alias/x", "TargetKeyId": ref("Key")}),
    "Logs.KmsKeyId": ref("Alias"),
}
KEY_OF_AWS: Final = "arn:aws:kms:us-east-1:${AWS::AccountId}:alias/aws/sns"


ALL_TRAFFIC: Final = {"ResourceId": ref("Vpc"), "ResourceType": "VPC", "TrafficType": "ALL"}


def substituting(**more: Any) -> dict[str, Any]:
    """Return a state machine whose only task is called by a substitution."""
    task = {"Type": "Task", "Resource": "${Fn}", "End": True}
    definition = json.dumps({"StartAt": "A", "States": {"A": task}})
    given = {"RoleArn": "arn:aws:iam::123456789012:role/x", "DefinitionString": definition}
    return resource("AWS::StepFunctions::StateMachine", {**given, **more})


POLICIES: Final = (
    Case(
        "SAFETY-16",
        "storage",
        {**ENCRYPTED, "Key": key()},
        {**ENCRYPTED, "Key": key(FSX)},
        words="lets FSx do no kms:Decrypt",
    ),
    Case(
        "SAFETY-16",
        "storage",
        {
            **ENCRYPTED,
            "Key": key(
                FSX
                | {"Condition": {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}}
            ),
        },
        {
            **ENCRYPTED,
            "Key": key(allow({"AWS": {"Fn::Sub": FSX_ROLE.replace("*", "fs-1")}}, USING)),
        },
    ),
    Case(
        "SAFETY-16",
        "storage",
        {"Key": key(FSX), "Logs.KmsKeyId": att("Key", "Arn")},
        {"Key": key(allow(LOGS, "kms:*")), "Logs.KmsKeyId": att("Key", "Arn")},
        words="lets logs do no",
    ),
    Case(
        "SAFETY-16",
        "storage",
        {
            "Key": key(allow({"Service": "logs.eu-west-1.amazonaws.com"}, "kms:*")),
            "Logs.KmsKeyId": att("Key", "Arn"),
        },
        {
            "Key": key(allow({"Service": "logs.us-east-1.amazonaws.com"}, "kms:*")),
            "Logs.KmsKeyId": att("Key", "Arn"),
        },
    ),
    Case("SAFETY-16", "containers", ALARM, topic_policy(TLS, PUBLISHES), words="budgets"),
    Case(
        "SAFETY-16",
        "containers",
        topic_policy({**PUBLISHES, "Resource": ref("Other")}) | {"Other": ALARM["Topic"]},
        topic_policy({**PUBLISHES, "Resource": ref("Topic")}) | {"Other": ALARM["Topic"]},
        words="no policy of it lets budgets.amazonaws.com publish",
    ),
    Case(
        "SAFETY-16",
        "containers",
        topic_policy({**TLS, "Condition": {}}, PUBLISHES),
        topic_policy(PUBLISHES),
    ),
    Case(
        "SAFETY-16",
        "containers",
        topic_policy(PUBLISHES) | {"Key": key(), "Topic.KmsMasterKeyId": att("Key", "Arn")},
        topic_policy(PUBLISHES)
        | {"Key": key(allow(BUDGETS, USING, SOURCE)), "Topic.KmsMasterKeyId": att("Key", "Arn")},
        words="lets budgets do no",
    ),
    Case(
        "SAFETY-16",
        "storage",
        {"Key": key(FSX), **BY_ALIAS},
        {"Key": key(allow(LOGS, "kms:*")), **BY_ALIAS},
        words="lets logs do no",
    ),
    Case(
        "SAFETY-16",
        "containers",
        topic_policy(PUBLISHES) | {"Topic.KmsMasterKeyId": {"Fn::Sub": KEY_OF_AWS}},
        topic_policy(PUBLISHES),
        words="alias/aws/sns admits no budgets",
    ),
    Case(
        "SAFETY-16",
        "storage",
        {
            "Kept": resource("AWS::S3::Bucket", {}),
            "Bucket.LoggingConfiguration": {"DestinationBucketName": ref("Kept")},
        },
        {
            "Kept": resource("AWS::S3::Bucket", {"AccessControl": "LogDeliveryWrite"}),
            "Bucket.LoggingConfiguration": {"DestinationBucketName": ref("Kept")},
        },
        words="logging.s3",
    ),
    Case(
        "SAFETY-17",
        "storage",
        bucket_policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
        bucket_policy(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ),
    ),
    Case(
        "SAFETY-17",
        "storage",
        {"Key": key(), "Key.KeyPolicy.Statement.0.Action": "kms:Decrypt"},
        {"Key": key()},
        words="kms:PutKeyPolicy",
    ),
    Case(
        "SAFETY-18",
        "storage",
        {"Key": key(allow("*", "kms:Decrypt", {"Bool": {"aws:SecureTransport": "true"}}))},
        {"Key": key(allow("*", "kms:Decrypt", {"StringEquals": {"kms:CallerAccount": "1"}}))},
        words="Statement[1]",
    ),
    Case(
        "SAFETY-18",
        "job",
        {
            "Role.AssumeRolePolicyDocument.Statement.0.Principal": {"AWS": "*"},
            "Role.AssumeRolePolicyDocument.Statement.0.Condition": GONE,
        },
        {"Role.AssumeRolePolicyDocument.Statement.0.Principal": {"AWS": ["*"]}},
    ),
    Case(
        "SAFETY-19",
        "storage",
        bucket_policy(allow("*", "s3:GetObject")),
        bucket_policy(allow("*", "s3:GetObject", {"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
    ),
    Case(
        "SAFETY-19",
        "storage",
        {"Bucket.PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
        {
            "Bucket.PublicAccessBlockConfiguration": dict.fromkeys(
                (
                    *("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls"),
                    "RestrictPublicBuckets",
                ),
                "true",
            )
        },
        words="RestrictPublicBuckets off",
    ),
    Case("SAFETY-19", "storage", {"Bucket.AccessControl": "PublicRead"}, words="PublicRead"),
    Case(
        "SAFETY-20",
        "cluster",
        {"Flow": resource("AWS::EC2::FlowLog", ALL_TRAFFIC)},
        {"Flow": resource("AWS::EC2::FlowLog", ALL_TRAFFIC | {"LogDestinationType": "s3"})},
        words="no DeliverLogsPermissionArn, with which it would write to a log group",
    ),
    Case(
        "SAFETY-20",
        "cluster",
        flow_logs(OWN_GROUP, service="ec2"),
        flow_logs(OWN_GROUP),
        words="vpc-flow-logs",
    ),
    Case(
        "SAFETY-20",
        "job",
        {
            "Launching.PolicyDocument.Statement.0.Condition": {
                "StringEquals": {"iam:PassedToService": "batch.amazonaws.com"}
            }
        },
        {
            "Launching.PolicyDocument.Statement.0.Condition": {
                "StringLike": {"iam:PassedToService": "*"}
            }
        },
        words="batch",
    ),
    Case(
        "SAFETY-20",
        "cluster",
        flow_logs(OWN_GROUP, name="FlowGroup"),
        flow_logs(OWN_GROUP),
        words="logs:CreateLogStream",
    ),
    Case(
        "SAFETY-20",
        "cluster",
        flow_logs(may(WRITES[0])),
        flow_logs(may("logs:*", resource="arn:aws:logs:*:*:log-group:*")),
        words="logs:PutLogEvents",
    ),
    Case(
        "SAFETY-20",
        "job",
        machine(may(*TRAIN[:2]), PASSES, HEARS),
        machine(may(*TRAIN), PASSES, HEARS),
        words="sagemaker:StopTrainingJob",
    ),
    Case(
        "SAFETY-20",
        "job",
        machine(may(*TRAIN), PASSES, events("BatchJobsRule")),
        machine(may(*TRAIN), PASSES, events("*")),
        words="events:PutTargets",
    ),
    Case(
        "SAFETY-26",
        "storage",
        {"Lustre.KmsKeyId": att("Servers", "GroupId")},
        {
            "Alias": resource(
                "AWS::KMS::Alias", {"AliasName": "alias/x", "TargetKeyId": ref("Key")}
            ),
            "Lustre.KmsKeyId": ref("Alias"),
        },
        words="AWS::EC2::SecurityGroup",
    ),
    Case("SAFETY-26", "cluster", {"Nodes.VPCZoneIdentifier": [ref("Vpc")]}, words="AWS::EC2::VPC"),
    Case(
        "SAFETY-26",
        "cluster",
        {"Machine": substituting()},
        {"Machine": substituting(DefinitionSubstitutions={"Fn": "arn:aws:states:::lambda:invoke"})},
        words="DefinitionString has ${Fn}, and no substitution for it",
    ),
    Case(
        "SAFETY-26",
        "storage",
        {"Other": resource("AWS::Glue::Database", {}), "Lustre.KmsKeyId": ref("Other")},
        words="AWS::Glue::Database",
    ),
    Case(
        "SAFETY-26",
        "storage",
        {"Lustre.KmsKeyId": OTHER_KEY},
        {"Lustre.KmsKeyId": OTHER_KEY.replace("eu-west-1", "us-east-1")},
        words="eu-west-1",
    ),
    Case("SAFETY-26", "cluster", {"Near.VpcId": GONE}, words="it has no VpcId"),
    Case(
        "SAFETY-26",
        "cluster",
        {"Reservation.EndDateType": "Unlimited"},
        {"Reservation.EndDateType": "unlimited"},
        words="did you mean unlimited?",
    ),
    Case(
        "SAFETY-26",
        "cluster",
        {"Reservation.InstanceMatchCriteria": "targetted"},
        {"Reservation.InstanceMatchCriteria": "something that is newer than the table"},
    ),
    Case("SAFETY-26", "cluster", {"FabricIn.SourceSecurityGroupId": GONE}, words="has none of"),
)
