"""What keeps strangers out: trust, conditions, public access, metadata of nodes, ports."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from tests.constructs.bare import listed
from tests.stacks.guards_of_data import data_bucket
from tests.stacks.synthesized import Synthesis

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
CHANGES = {
    "cloudwatch:PutMetricData",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:SendReply",
    "ecr:BatchCheckLayerAvailability",
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
KEY_USES = {"Decrypt", "Describe*", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*"}
SERVICES = {
    "ec2.amazonaws.com",
    "lambda.amazonaws.com",
    "sagemaker.amazonaws.com",
    "states.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
}
HTTPS, LUSTRE, SLURM = (443, 443), {(988, 988), (1018, 1023)}, {(6817, 6819), (60001, 63000)}
NOBODY = {"CidrIp": "255.255.255.255/32", "FromPort": 252, "IpProtocol": "icmp", "ToPort": 86}
"""CDK's rule in place of none, which EC2 would take for all."""


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
        if service == "lambda.amazonaws.com":  # CDK's own functions
            (policy,) = role["Properties"]["ManagedPolicyArns"]
            assert policy["Fn::Sub"].endswith("/AWSLambdaBasicExecutionRole")
        else:
            assert {"ManagedPolicyArns", "Policies"}.isdisjoint(role["Properties"])


def roles_do_what_is_named_where_it_is_named(made: Synthesis) -> None:
    """No wildcard among actions, and `*` for a resource only where IAM knows none."""
    for statement in statements(made, "AWS::IAM::ManagedPolicy", "PolicyDocument"):
        assert statement["Effect"] == "Allow"
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
        assert lists.pop("sagemaker:VpcSubnets") == _subnets_of_nodes(made)
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


def _subnets_of_nodes(made: Synthesis) -> list[Any]:
    if made.environment.slurm is None:
        (group,) = made.named("AWS::AutoScaling::AutoScalingGroup")
        return list(group[1]["Properties"]["VPCZoneIdentifier"])
    return max(
        (list(g["Properties"]["SubnetIds"]) for _, g in made.named("AWS::PCS::ComputeNodeGroup")),
        key=len,
    )


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
        service = "sagemaker.amazonaws.com"
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": service}}
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
        condition = statement.get("Condition", {})
        assert condition or statement["Sid"] == "WriteMetrics"


def nodes_keep_their_credentials(made: Synthesis) -> None:
    """Metadata takes a token, one hop away; two where containers of training nodes read it."""
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        data = template["Properties"]["LaunchTemplateData"]
        hops = {1}
        if "NetworkInterfaces" in data:
            nodes = made.environment.fabrics().values()
            hops = {2 if each.container_metadata else 1 for each in nodes}
        options = data["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpEndpoint"]) == ("required", "enabled")
        assert options["HttpPutResponseHopLimit"] in hops
        assert "KeyName" not in data


def buckets_are_private(made: Synthesis) -> None:
    """No policy and no ACL opens them, and nobody reads them without TLS."""
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    policies = {
        policy["Properties"]["Bucket"]["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
        for _, policy in made.named("AWS::S3::BucketPolicy")
    }
    for name, bucket in made.named("AWS::S3::Bucket"):
        block = bucket["Properties"]["PublicAccessBlockConfiguration"]
        assert block == dict.fromkeys(closed, True)
        whole = {"Fn::GetAtt": [name, "Arn"]}
        assert {
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Resource": [whole, {"Fn::Join": ["", [whole, "/*"]]}],
        } in policies[name]
        for statement in policies[name]:
            if statement["Effect"] == "Allow" and "Service" in statement["Principal"]:
                assert of_account(statement["Condition"])
                assert "aws:SourceArn" in statement["Condition"]["ArnLike"]
                assert statement["Action"] == "s3:PutObject"
            elif statement["Effect"] == "Allow":  # CDK's function that empties what is not kept
                assert "Fn::GetAtt" in statement["Principal"]["AWS"]


def no_foreign_key_locks_data_up(made: Synthesis) -> None:
    """Who may write could otherwise leave objects that only a stranger's key opens."""
    bucket, _ = data_bucket(made)
    key = next(
        n for n, k in made.named("AWS::KMS::Key") if "Data" in k["Properties"]["Description"]
    )
    named = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    own = "s3:x-amz-server-side-encryption-customer-algorithm"
    whole = {"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "Arn"]}, "/*"]]}
    denial = {"Action": "s3:PutObject", "Effect": "Deny", "Principal": {"AWS": "*"}}
    foreign = {
        "Null": {named: "false"},
        "StringNotEquals": {named: {"Fn::GetAtt": [key, "Arn"]}},
    }
    found = list(statements(made, "AWS::S3::BucketPolicy", "PolicyDocument"))
    for condition in (foreign, {"Null": {own: "false"}}):
        (each,) = (s for s in found if s.get("Condition") == condition)
        assert each == {**denial, "Resource": whole, "Condition": condition, "Sid": each["Sid"]}


def keys_are_used_within_the_account(made: Synthesis) -> None:
    """The account administers them; all others use them, for what this account asks."""
    for _, key in made.named("AWS::KMS::Key"):
        owner, *others = key["Properties"]["KeyPolicy"]["Statement"]
        assert json.dumps(owner["Principal"]["AWS"]).endswith('":root"]]}')
        assert others
        for statement in others:
            assert statement["Effect"] == "Allow"
            assert {action.partition(":")[2] for action in statement["Action"]} <= KEY_USES
            accounts = [
                value
                for name, value in statement["Condition"].get("StringEquals", {}).items()
                if name in {"kms:CallerAccount", "aws:SourceAccount"}
            ]
            context = statement["Condition"].get("ArnLike", {})
            logs = context.get("kms:EncryptionContext:aws:logs:arn", {"Fn::Join": ["", []]})
            assert ACCOUNT in accounts or ACCOUNT in logs["Fn::Join"][1]
            if statement["Principal"] == {"AWS": "*"}:
                assert "AWSServiceRoleForFSxS3Access_fs-*" in json.dumps(context)
                assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def topics_take_notices_of_the_account(made: Synthesis) -> None:
    """Over TLS, and from services that act for this account."""
    for _, policy in made.named("AWS::SNS::TopicPolicy"):
        denial, *others = policy["Properties"]["PolicyDocument"]["Statement"]
        assert (denial["Effect"], denial["Principal"]) == ("Deny", "*")
        assert denial["Action"] == "sns:Publish"
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert others
        for statement in others:
            assert list(statement["Principal"]) == ["Service"]
            assert statement["Effect"] == "Allow"
            assert statement["Action"] == "sns:Publish"
            assert of_account(statement["Condition"])


def ports_are_open_between_groups(made: Synthesis) -> None:
    """Everything within a fabric, else the ports of Lustre and Slurm; nothing from an address."""
    everything = (None, None)
    own = [{"Fn::GetAtt": [name, "GroupId"]} for name, _ in made.named("AWS::EC2::SecurityGroup")]
    for _, rule in made.named("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"):
        given = rule["Properties"]
        peer = given.get("SourceSecurityGroupId", given.get("DestinationSecurityGroupId"))
        assert peer in own
        assert given["GroupId"] in own
        assert {"CidrIp", "CidrIpv6"}.isdisjoint(given)
        ports = given.get("FromPort"), given.get("ToPort")
        lustre = given["Description"] == "Lustre"
        if ports == everything:
            assert given["IpProtocol"] == "-1"
            assert (peer == given["GroupId"]) or (lustre and made.environment.storage.efa_enabled)
        else:
            assert given["IpProtocol"] == "tcp"
            assert ports in (LUSTRE if lustre else SLURM)


def addresses_reach_https_alone(made: Synthesis) -> None:
    """Nodes reach services by HTTPS, and the VPC reaches its endpoints by it."""
    inside = made.environment.network.cidr
    for _, group in made.named("AWS::EC2::SecurityGroup"):
        given = group["Properties"]
        for rule in given.get("SecurityGroupIngress", ()):
            assert (rule["CidrIp"], rule["IpProtocol"]) == (inside, "tcp")
            assert (rule["FromPort"], rule["ToPort"]) == HTTPS
        assert given["SecurityGroupEgress"]
        for rule in given["SecurityGroupEgress"]:
            if rule.items() >= NOBODY.items():
                continue
            assert rule["IpProtocol"] == "tcp"
            assert (rule["FromPort"], rule["ToPort"]) == HTTPS


def endpoints_are_used_by_the_account(made: Synthesis) -> None:
    """Through S3's nobody writes with a stranger's credentials; what is public can be read."""
    for _, endpoint in made.named("AWS::EC2::VPCEndpoint"):
        given = endpoint["Properties"]
        if given["VpcEndpointType"] == "Interface":
            assert given["PrivateDnsEnabled"] is True
            assert given["SecurityGroupIds"]
            continue
        reading, own = given["PolicyDocument"]["Statement"]
        anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}
        assert reading == {**anybody, "Action": "s3:GetObject", "Sid": reading["Sid"]}
        of_own = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
        assert own == {**anybody, "Action": "s3:*", "Condition": of_own, "Sid": own["Sid"]}


def nodes_have_no_way_in(made: Synthesis) -> None:
    """Their subnets lead out through a NAT gateway; what leads in is joined to none of them."""
    nodes = [
        subnet["Fn::GetAtt"][0] for subnet in _subnets_of_nodes(made) if "Fn::GetAtt" in subnet
    ]
    tables = {
        each["Properties"]["SubnetId"]["Fn::GetAtt"][0]: each["Properties"]["RouteTableId"]
        for _, each in made.named("AWS::EC2::SubnetRouteTableAssociation")
    }
    inward = [
        route["Properties"]["RouteTableId"]
        for _, route in made.named("AWS::EC2::Route")
        if "NatGatewayId" not in route["Properties"]
    ]
    assert [node for node in nodes if tables[node] in inward] == []


def nodes_are_in_groups_of_the_environment(made: Synthesis) -> None:
    """As whom they act as well: with a role of its own, whom EC2 alone may assume."""
    own = [{"Fn::GetAtt": [name, "GroupId"]} for name, _ in made.named("AWS::EC2::SecurityGroup")]
    roles, profiles = (
        dict(made.named("AWS::IAM::Role")),
        dict(made.named("AWS::IAM::InstanceProfile")),
    )
    for _, template in made.named("AWS::EC2::LaunchTemplate"):
        data = template["Properties"]["LaunchTemplateData"]
        for groups in (
            data.get("SecurityGroupIds", ()),
            *(interface["Groups"] for interface in data.get("NetworkInterfaces", ())),
        ):
            assert all(group in own for group in groups)
        if "IamInstanceProfile" in data:
            assert data["IamInstanceProfile"]["Arn"]["Fn::GetAtt"][0] in profiles
    for _, group in made.named("AWS::PCS::ComputeNodeGroup"):
        assert group["Properties"]["IamInstanceProfileArn"]["Fn::GetAtt"][0] in profiles
    for profile in profiles.values():
        (role,) = profile["Properties"]["Roles"]
        trust = roles[role["Ref"]]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert [each["Principal"] for each in trust] == [{"Service": "ec2.amazonaws.com"}]


def a_network_of_its_own_is_watched(made: Synthesis) -> None:
    """All its traffic is logged, and its default group, which everything may join, is empty."""
    vpcs = [name for name, _ in made.named("AWS::EC2::VPC")]
    logged = [
        (each["Properties"]["ResourceId"]["Ref"], each["Properties"]["TrafficType"])
        for _, each in made.named("AWS::EC2::FlowLog")
    ]
    assert logged == [(name, "ALL") for name in vpcs]
    emptied = [
        each["Properties"]["DefaultSecurityGroupId"]
        for _, each in made.named("Custom::VpcRestrictDefaultSG")
    ]
    assert emptied == [{"Fn::GetAtt": [name, "DefaultSecurityGroup"]} for name in vpcs]


ACCESS = (
    roles_are_assumed_within_the_account,
    roles_do_what_is_named_where_it_is_named,
    data_is_reached_at_its_own_resources,
    jobs_stay_in_the_environment,
    one_role_is_passed_to_one_service,
    commands_go_to_login_nodes,
    jobs_change_interfaces_of_their_network,
    nodes_keep_their_credentials,
    buckets_are_private,
    no_foreign_key_locks_data_up,
    keys_are_used_within_the_account,
    topics_take_notices_of_the_account,
    ports_are_open_between_groups,
    addresses_reach_https_alone,
    endpoints_are_used_by_the_account,
    nodes_have_no_way_in,
    nodes_are_in_groups_of_the_environment,
    a_network_of_its_own_is_watched,
)
