"""What keeps strangers out: of keys, buckets, topics, endpoints, nodes and their network."""

import json

from tests.stacks.guards_of_data import data_bucket
from tests.stacks.guards_of_roles import ACCOUNT, of_account, statements, subnets_of_nodes
from tests.stacks.synthesized import Synthesis

KEY_USES = {"Decrypt", "Describe*", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*"}
HTTPS, LUSTRE, SLURM = (443, 443), {(988, 988), (1018, 1023)}, {(6817, 6819), (60001, 63000)}
NFS = {(2049, 2049)}
EMPTYING = {"s3:DeleteObject*", "s3:GetBucket*", "s3:List*", "s3:PutBucketPolicy"}
NOBODY = {"CidrIp": "255.255.255.255/32", "FromPort": 252, "IpProtocol": "icmp", "ToPort": 86}
"""CDK's rule in place of none, which EC2 would take for all."""


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
                assert set(statement["Action"]) == EMPTYING
                assert statement["Resource"] == [whole, {"Fn::Join": ["", [whole, "/*"]]}]


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
        # Without it nobody could use the key or change its policy any more.
        everything = {"Action": "kms:*", "Effect": "Allow", "Resource": "*"}
        assert owner == {**everything, "Principal": owner["Principal"]}
        assert others
        if key["Properties"]["Description"].startswith("Log groups"):
            users = json.dumps([each["Principal"] for each in others])
            told = [name for name, _ in made.named("AWS::SNS::Topic") if name.startswith("Budget")]
            for user in ('"logs.', '"cloudwatch.', *(['"budgets.'] if told else [])):
                assert users.count(user) == 1
        for statement in others:
            assert statement["Effect"] == "Allow"
            assert statement["Principal"] == {"AWS": "*"} or "Service" in statement["Principal"]
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
            assert statement["Principal"]["Service"].startswith(("budgets.", "cloudwatch."))
            assert statement["Effect"] == "Allow"
            assert statement["Action"] == "sns:Publish"
            assert of_account(statement["Condition"])


def ports_are_open_between_groups(made: Synthesis) -> None:
    """Everything within a fabric, else the ports of Lustre, NFS and Slurm; none from an address."""
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
            homes = given["Description"] == "Homes"
            assert ports in (LUSTRE if lustre else NFS if homes else SLURM)


def homes_are_mounted_by_roles_over_tls(made: Synthesis) -> None:
    """Their policy allows nobody anything, so that a role needs one of its own: nodes have it."""
    systems = dict(made.named("AWS::EFS::FileSystem"))
    for system in systems.values():
        (refusal,) = system["Properties"]["FileSystemPolicy"]["Statement"]
        assert refusal == {
            "Action": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Sid": refusal["Sid"],
        }
    mounting = [
        statement
        for statement in statements(made, "AWS::IAM::ManagedPolicy", "PolicyDocument")
        if "elasticfilesystem:" in json.dumps(statement["Action"])
    ]
    assert len(mounting) == len(systems)
    for statement in mounting:
        assert "Homes" in json.dumps(statement["Resource"])


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
    groups = [name for name, _ in made.named("AWS::EC2::SecurityGroup")]
    private = [
        endpoint["Properties"]["ServiceName"].rpartition(f"{made.environment.region}.")[2]
        for _, endpoint in made.named("AWS::EC2::VPCEndpoint")
        if endpoint["Properties"]["VpcEndpointType"] == "Interface"
    ]
    assert set(private) <= set(made.environment.network.interface_endpoints)
    for _, endpoint in made.named("AWS::EC2::VPCEndpoint"):
        given = endpoint["Properties"]
        if given["VpcEndpointType"] == "Interface":
            assert given["PrivateDnsEnabled"] is True
            assert given["SecurityGroupIds"]
            assert all(each["Fn::GetAtt"][0] in groups for each in given["SecurityGroupIds"])
            continue
        reading, own = given["PolicyDocument"]["Statement"]
        anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}
        assert reading == {**anybody, "Action": "s3:GetObject", "Sid": reading["Sid"]}
        of_own = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
        assert own == {**anybody, "Action": "s3:*", "Condition": of_own, "Sid": own["Sid"]}


def nodes_have_no_way_in(made: Synthesis) -> None:
    """Their subnets lead out through a NAT gateway; what leads in is joined to none of them."""
    nodes = [subnet["Fn::GetAtt"][0] for subnet in subnets_of_nodes(made) if "Fn::GetAtt" in subnet]
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
        for interface in data.get("NetworkInterfaces", ()):
            # An Auto Scaling group says itself where.
            assert interface.get("SubnetId") in (None, *subnets_of_nodes(made))
        if "IamInstanceProfile" in data:
            assert data["IamInstanceProfile"]["Arn"]["Fn::GetAtt"][0] in profiles
    for _, group in made.named("AWS::PCS::ComputeNodeGroup"):
        assert group["Properties"]["IamInstanceProfileArn"]["Fn::GetAtt"][0] in profiles
    for _, cluster in made.named("AWS::PCS::Cluster"):
        assert all(g in own for g in cluster["Properties"]["Networking"]["SecurityGroupIds"])
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
    nodes_keep_their_credentials,
    buckets_are_private,
    no_foreign_key_locks_data_up,
    keys_are_used_within_the_account,
    topics_take_notices_of_the_account,
    ports_are_open_between_groups,
    homes_are_mounted_by_roles_over_tls,
    addresses_reach_https_alone,
    endpoints_are_used_by_the_account,
    nodes_have_no_way_in,
    nodes_are_in_groups_of_the_environment,
    a_network_of_its_own_is_watched,
)
