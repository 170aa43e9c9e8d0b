"""What roles may do, on what, and who may assume them."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from tests.constructs.bare import listed
from tests.stacks.guards_of_data import data_bucket
from tests.stacks.synthesized import Synthesis
from ultracluster.spec.network import ExistingNetworkSpec

# As cfn-lint 1.58.0 carries AWS's Service Authorization Reference.
REFERENCE = json.loads(files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text())
ACCOUNT = {"Ref": "AWS::AccountId"}
OF_THE_ACCOUNT = {"ec2.amazonaws.com", "lambda.amazonaws.com"}
"""They give a role to what an account's own request names; the others act for strangers as well."""
EVERYWHERE = {
    "cloudwatch:PutMetricData",
    "pcs:RegisterComputeNodeGroupInstance",
    "ssm:ListInstanceAssociations",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
}
"""Actions on every resource although IAM knows one: that of metrics is optional, AWS's own policies
of the two agents have none either (docs/security.md)."""
BY_PCS = {"Bool": {"aws:ViaAWSService": "true"}}
"""Where the function that sets health checks is asked by PCS for what launches nodes."""
CHANGES = {
    "cloudwatch:PutMetricData",
    "ec2:CreateFleet",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:CreateTags",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:RunInstances",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:SendReply",
    "ecr:BatchCheckLayerAvailability",
    "elasticfilesystem:ClientMount",
    "elasticfilesystem:ClientRootAccess",
    "elasticfilesystem:ClientWrite",
    "events:PutRule",
    "events:PutTargets",
    "iam:PassRole",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogDelivery",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DeleteLogDelivery",
    "logs:FilterLogEvents",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "pcs:RegisterComputeNodeGroupInstance",
    "pcs:UpdateComputeNodeGroup",
    "s3:AbortMultipartUpload",
    "s3:PutObject",
    "sagemaker:AddTags",
    "sagemaker:CreateTrainingJob",
    "sagemaker:StopTrainingJob",
    "ssm:SendCommand",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "states:StartExecution",
    "states:StopExecution",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
"""All that a role may do beyond looking things up: no data is deleted, nobody's rights change."""
READS = ("Get", "Describe", "List", "BatchGet")
DATA_READS = {"s3:GetObject", "s3:GetBucketLocation", "s3:ListBucket", "kms:DescribeKey"}
SERVICES = {
    "ec2.amazonaws.com",
    "lambda.amazonaws.com",
    "sagemaker.amazonaws.com",
    "states.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
}


def statements(made: Synthesis, kind: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the statements of all policies of a type."""
    for _, resource in made.named(kind):
        yield from resource["Properties"][name]["Statement"]


def allowed(made: Synthesis, action: str) -> list[dict[str, Any]]:
    """Return the statements by which a role may do something."""
    return [
        statement
        for statement in statements(made, "AWS::IAM::ManagedPolicy", "PolicyDocument")
        if action in listed(statement["Action"])
    ]


def of_account(condition: Any) -> bool:
    return bool(condition["StringEquals"].get("aws:SourceAccount") == ACCOUNT)


def roles_are_assumed_within_the_account(made: Synthesis) -> None:
    """A service that acts for everybody is held to this account: the confused deputy."""
    for _, role in made.named("AWS::IAM::Role"):
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
        service = trust["Principal"].get("Service")
        if service is None:
            assert json.dumps(trust["Principal"]["AWS"]).endswith('":root"]]}')
        elif service not in OF_THE_ACCOUNT:
            assert of_account(trust["Condition"])
            assert ACCOUNT in trust["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
        assert service is None or service in SERVICES
        if "ManagedPolicyArns" in role["Properties"]:  # CDK's own functions
            assert service == "lambda.amazonaws.com"
            (policy,) = role["Properties"]["ManagedPolicyArns"]
            assert policy["Fn::Sub"].endswith("/AWSLambdaBasicExecutionRole")
        else:
            assert {"ManagedPolicyArns", "Policies"}.isdisjoint(role["Properties"])


OF_CDK = {
    f"ec2:{verb}SecurityGroup{way}gress" for verb in ("Authorize", "Revoke") for way in ("In", "E")
}
"""What CDK's function that empties a default group does."""


def cdk_empties_the_default_group_alone(made: Synthesis) -> None:
    """Its role is the only one with a policy of its own inside, which other guards do not read."""
    for _, role in made.named("AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", ()):
            (statement,) = policy["PolicyDocument"]["Statement"]
            assert statement["Effect"] == "Allow"
            assert set(statement["Action"]) == OF_CDK
            (group,) = statement["Resource"]
            assert group["Fn::Join"][1][-1]["Fn::GetAtt"][1] == "DefaultSecurityGroup"


def each_policy_is_of_one_role(made: Synthesis) -> None:
    """That which is named like it, else that of the nodes: no job may do what the launcher may."""
    roles = dict(made.named("AWS::IAM::Role"))
    for name, policy in made.named("AWS::IAM::ManagedPolicy"):
        assert {"Users", "Groups"}.isdisjoint(policy["Properties"])
        (holder,) = policy["Properties"]["Roles"]
        # CDK ends a logical id with eight characters of its own.
        stems = {role: role[:-8].removesuffix("Role") for role in roles}
        if own := [role for role, stem in stems.items() if name.startswith(stem)]:
            assert [holder["Ref"]] == own
            continue
        (trust,) = roles[holder["Ref"]]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}


def roles_do_what_is_named_where_it_is_named(made: Synthesis) -> None:
    """No wildcard among actions, and `*` for a resource only where IAM knows none."""
    for statement in statements(made, "AWS::IAM::ManagedPolicy", "PolicyDocument"):
        assert statement["Effect"] == "Allow"
        if statement.get("Condition") == BY_PCS:
            assert all(action.startswith("ec2:") for action in listed(statement["Action"]))
            continue
        for action in listed(statement["Action"]):
            assert "*" not in action
            verb = action.partition(":")[2]
            assert action in CHANGES or verb.startswith(READS), action
            if "*" in listed(statement["Resource"]) and action not in EVERYWHERE:
                service, _, name = action.partition(":")
                assert not REFERENCE[service]["Actions"][name.lower()].get("Resources"), action


def data_is_reached_at_its_own_resources(made: Synthesis) -> None:
    """Whatever reads data or uses a key names this environment's."""
    bucket, _ = data_bucket(made)
    keys = [{"Fn::GetAtt": [name, "Arn"]} for name, _ in made.named("AWS::KMS::Key")]
    for statement in statements(made, "AWS::IAM::ManagedPolicy", "PolicyDocument"):
        for action in listed(statement["Action"]):
            if action.startswith(("s3:", "kms:")):
                assert action in CHANGES | DATA_READS
        for service in {action.partition(":")[0] for action in listed(statement["Action"])}:
            for resource in listed(statement["Resource"]):
                if service == "kms":
                    assert resource in keys
                if service == "s3" and "cdk-hnb659fds-assets" not in json.dumps(resource):
                    assert bucket in json.dumps(resource)


def jobs_stay_in_the_environment(made: Synthesis) -> None:
    """Its names, its networks, its groups, its types, its role; what is absent is refused."""
    name, nodes = made.environment.name, made.environment.nodes
    starting = allowed(made, "sagemaker:CreateTrainingJob")
    assert len(starting) == len({"launcher", "state machine"})
    for statement in starting:
        lists = statement["Condition"]["ForAllValues:StringEquals"]
        assert lists.pop("sagemaker:InstanceTypes") == [f"ml.{nodes.instance_type}"]
        assert lists.pop("sagemaker:VpcSubnets") == subnets_of_nodes(made)
        groups = lists.pop("sagemaker:VpcSecurityGroupIds")
        assert groups
        for template in _with_efa(made):
            assert all(g in template["NetworkInterfaces"][0]["Groups"] for g in groups)
        assert not lists
        assert statement["Condition"]["Null"] == {
            f"sagemaker:{what}": "false"
            for what in ("InstanceTypes", "VpcSubnets", "VpcSecurityGroupIds")
        }
    for verb in ("CreateTrainingJob", "StopTrainingJob", "AddTags"):
        for statement in allowed(made, f"sagemaker:{verb}"):
            assert _ends(statement["Resource"], f":training-job/{name}-*")
    for statement in allowed(made, "logs:GetLogEvents"):
        assert _ends(statement["Resource"], f":log-stream:{name}-*")
    for statement in allowed(made, "ssm:GetParametersByPath"):
        assert _ends(statement["Resource"], f":parameter/ultracluster/{name}")


def subnets_of_nodes(made: Synthesis) -> list[Any]:
    """Return where nodes are: in training subnets, of the environment or given to it."""
    network = made.environment.network
    given = network.training_subnets if isinstance(network, ExistingNetworkSpec) else ()
    training = [subnet.subnet_id for subnet in given] + [
        {"Fn::GetAtt": [name, "SubnetId"]}
        for name, _ in made.named("AWS::EC2::Subnet")
        if name.startswith("NetworkTraining")
    ]
    for kind, where in (
        ("AWS::AutoScaling::AutoScalingGroup", "VPCZoneIdentifier"),
        ("AWS::PCS::ComputeNodeGroup", "SubnetIds"),
    ):
        for _, group in made.named(kind):
            assert all(subnet in training for subnet in group["Properties"][where])
    return training


def _with_efa(made: Synthesis) -> list[dict[str, Any]]:
    found = (
        t["Properties"]["LaunchTemplateData"] for _, t in made.named("AWS::EC2::LaunchTemplate")
    )
    return [data for data in found if "NetworkInterfaces" in data]


def _ends(resource: Any, ending: str) -> bool:
    return isinstance(resource, dict) and str(resource["Fn::Join"][1][-1]).endswith(ending)


def one_role_is_passed_to_one_service(made: Synthesis) -> None:
    """Whoever may pass any role may become any role."""
    roles = dict(made.named("AWS::IAM::Role"))
    for statement in allowed(made, "iam:PassRole"):
        service = statement["Condition"]["StringEquals"]["iam:PassedToService"]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": service}}
        assert service in {"sagemaker.amazonaws.com", "ec2.amazonaws.com"}
        role = roles[statement["Resource"]["Fn::GetAtt"][0]]["Properties"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": service}


def commands_go_to_login_nodes(made: Synthesis) -> None:
    """Who sends a command to a node is root there."""
    own = {
        "aws:ResourceTag/ultracluster:environment": made.environment.name,
        "aws:ResourceTag/ultracluster:role": "login",
    }
    for statement in allowed(made, "ssm:SendCommand"):
        if not _ends(statement["Resource"], ":document/AWS-RunShellScript"):
            assert statement["Condition"] == {"StringEquals": own}


def jobs_change_interfaces_of_their_network(made: Synthesis) -> None:
    """Not those of another VPC of the account."""
    for statement in allowed(made, "ec2:DeleteNetworkInterface"):
        assert ":vpc/" in json.dumps(statement["Condition"]["ArnEquals"]["ec2:Vpc"])
    for statement in allowed(made, "cloudwatch:PutMetricData"):
        of_jobs = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
        assert statement.get("Condition") == (
            None if statement.get("Sid") == "WriteMetrics" else of_jobs
        )


ROLES = (
    roles_are_assumed_within_the_account,
    cdk_empties_the_default_group_alone,
    each_policy_is_of_one_role,
    roles_do_what_is_named_where_it_is_named,
    data_is_reached_at_its_own_resources,
    jobs_stay_in_the_environment,
    one_role_is_passed_to_one_service,
    commands_go_to_login_nodes,
    jobs_change_interfaces_of_their_network,
)
