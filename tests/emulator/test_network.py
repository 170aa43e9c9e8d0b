"""VPCs and what lives in them: created by CloudFormation, seen through EC2's own API."""

from typing import Any

GROUP = {
    "Type": "AWS::EC2::SecurityGroup",
    "Properties": {"GroupDescription": "nodes", "VpcId": {"Ref": "Vpc"}},
}


def rule(direction: str, peer: str, **more: Any) -> dict[str, Any]:
    key = "SourceSecurityGroupId" if direction == "Ingress" else "DestinationSecurityGroupId"
    properties = {"GroupId": {"Ref": "Group"}, "IpProtocol": "-1", key: {"Ref": peer}, **more}
    return {"Type": f"AWS::EC2::SecurityGroup{direction}", "Properties": properties}


def test_a_subnet_by_zone_id_lands_in_the_zone_of_that_id(cloud, vpc):
    """Zone names differ from account to account, so environments name zone ids."""
    zone = {"Value": {"Fn::GetAtt": ["Subnet", "AvailabilityZone"]}}
    zone_id = {"Value": {"Fn::GetAtt": ["Subnet", "AvailabilityZoneId"]}}

    stack = cloud.deploy(vpc, Outputs={"Zone": zone, "Id": zone_id})

    found = cloud.client("ec2").describe_subnets(SubnetIds=[stack.physical_id("Subnet")])
    (subnet,) = found["Subnets"]
    assert (subnet["AvailabilityZone"], subnet["AvailabilityZoneId"]) == ("us-east-1f", "use1-az6")
    assert stack.outputs == {"Zone": "us-east-1f", "Id": "use1-az6"}
    assert subnet["AvailableIpAddressCount"] == 4096 - 5


def test_a_zone_that_the_region_lacks_is_refused(cloud, vpc):
    """EC2 lists the zones that it would take."""
    vpc["Subnet"]["Properties"]["AvailabilityZoneId"] = "use1-az9"

    stack = cloud.deploy(vpc)

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Subnets can currently only be created in" in stack.reasons()


def test_overlapping_subnets_are_refused(cloud, vpc):
    """Address plans are arithmetic, and arithmetic goes wrong."""
    properties = {**vpc["Subnet"]["Properties"], "CidrBlock": "10.0.8.0/24"}
    other = {**vpc["Subnet"], "DependsOn": "Subnet", "Properties": properties}

    stack = cloud.deploy({**vpc, "Zwei": other})

    assert "The CIDR '10.0.8.0/24' conflicts with another subnet" in stack.reasons()


def test_vpc_attributes_can_be_read(cloud, vpc):
    """CDK reads the range and the default group of a VPC by Fn::GetAtt."""
    names = ("CidrBlock", "DefaultSecurityGroup", "DefaultNetworkAcl")
    outputs = {name: {"Value": {"Fn::GetAtt": ["Vpc", name]}} for name in names}

    stack = cloud.deploy(vpc, Outputs=outputs)

    assert stack.outputs["CidrBlock"] == "10.0.0.0/16"
    found = cloud.client("ec2").describe_security_groups(
        GroupIds=[stack.outputs["DefaultSecurityGroup"]]
    )
    assert found["SecurityGroups"][0]["GroupName"] == "default"


def test_group_rules_are_seen_as_permissions(cloud, vpc):
    """The fabric's rule to itself and a peer's rule must be there, in both directions."""
    resources = {
        **vpc,
        "Group": GROUP,
        "Peer": GROUP,
        "In": rule("Ingress", "Group", Description="itself"),
        "Out": rule("Egress", "Group"),
        "FromPeer": rule("Ingress", "Peer", IpProtocol="tcp", FromPort=988, ToPort=988),
        "FromRange": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Ref": "Group"},
                "IpProtocol": "tcp",
                "FromPort": "443",
                "ToPort": "443",
                "CidrIp": "10.0.0.0/16",
            },
        },
    }

    stack = cloud.deploy(resources)

    ec2, group_id = cloud.client("ec2"), stack.physical_id("Group")
    (group,) = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    every, ranged, peer = sorted(group["IpPermissions"], key=lambda each: each.get("FromPort", 0))
    (itself,) = every["UserIdGroupPairs"]
    assert (itself["GroupId"], itself["Description"]) == (group_id, "itself")
    assert every["IpProtocol"] == "-1"
    assert (peer["IpProtocol"], peer["FromPort"]) == ("tcp", 988)
    assert [each["CidrIp"] for each in ranged["IpRanges"]] == ["10.0.0.0/16"]
    assert any(each["UserIdGroupPairs"] for each in group["IpPermissionsEgress"])


def test_a_rule_that_exists_is_refused(cloud, vpc):
    """EC2 answers InvalidPermission.Duplicate; two constructs with one rule must not pass."""
    again = {**rule("Ingress", "Group"), "DependsOn": "In"}

    stack = cloud.deploy({**vpc, "Group": GROUP, "In": rule("Ingress", "Group"), "Zwei": again})

    assert "already exists" in stack.reasons()


def test_a_rule_goes_with_its_resource(cloud, vpc):
    """An update that drops a rule closes the port."""
    resources = {**vpc, "Group": GROUP, "In": rule("Ingress", "Group")}
    stack = cloud.deploy(resources)

    stack.update({**vpc, "Group": GROUP})

    group = cloud.client("ec2").describe_security_groups(GroupIds=[stack.physical_id("Group")])
    assert group["SecurityGroups"][0]["IpPermissions"] == []


def test_a_changed_peer_replaces_a_rule(cloud, vpc):
    """Peer and ports are create-only: the old rule must be gone after the update."""
    peers = {**vpc, "Group": GROUP, "Peer": GROUP}
    stack = cloud.deploy({**peers, "In": rule("Ingress", "Group")})
    before = stack.physical_id("In")

    stack.update({**peers, "In": rule("Ingress", "Peer")})

    group = cloud.client("ec2").describe_security_groups(GroupIds=[stack.physical_id("Group")])
    (permission,) = group["SecurityGroups"][0]["IpPermissions"]
    (pair,) = permission["UserIdGroupPairs"]
    assert pair["GroupId"] == stack.physical_id("Peer")
    assert stack.physical_id("In") != before


def test_a_private_network_has_its_gateway_address_endpoints_and_flow_log(cloud, vpc):
    """What a cluster's private subnet needs to reach AWS, described by EC2 afterwards."""
    resources = {
        **vpc,
        "Group": GROUP,
        "Address": {"Type": "AWS::EC2::EIP"},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {
                "SubnetId": {"Ref": "Subnet"},
                "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
            },
        },
        "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        "Default": {
            "Type": "AWS::EC2::Route",
            "Properties": {
                "RouteTableId": {"Ref": "Routes"},
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": {"Ref": "Nat"},
            },
        },
        "Association": {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"RouteTableId": {"Ref": "Routes"}, "SubnetId": {"Ref": "Subnet"}},
        },
        "Bucket": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
                "RouteTableIds": [{"Ref": "Routes"}],
            },
        },
        "Api": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "VpcEndpointType": "Interface",
                "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.sagemaker.api"},
                "SubnetIds": [{"Ref": "Subnet"}],
                "SecurityGroupIds": [{"Ref": "Group"}],
                "PrivateDnsEnabled": True,
            },
        },
        "Log": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceId": {"Ref": "Vpc"},
                "ResourceType": "VPC",
                "TrafficType": "REJECT",
                "LogDestinationType": "s3",
                "LogDestination": "arn:aws:s3:::logs",
            },
        },
    }

    stack = cloud.deploy(resources)

    assert stack.status == "CREATE_COMPLETE"
    ec2 = cloud.client("ec2")
    (gateway,) = ec2.describe_nat_gateways(NatGatewayIds=[stack.physical_id("Nat")])["NatGateways"]
    assert gateway["NatGatewayAddresses"][0]["PublicIp"] == stack.physical_id("Address")
    (table,) = ec2.describe_route_tables(RouteTableIds=[stack.physical_id("Routes")])["RouteTables"]
    assert {"NatGatewayId": stack.physical_id("Nat")}.items() <= table["Routes"][1].items()
    (api,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[stack.physical_id("Api")])["VpcEndpoints"]
    assert api["Groups"][0]["GroupId"] == stack.physical_id("Group")
    assert api["PrivateDnsEnabled"]
    (log,) = ec2.describe_flow_logs(
        Filters=[{"Name": "resource-id", "Values": [stack.physical_id("Vpc")]}]
    )["FlowLogs"]
    assert log["TrafficType"] == "REJECT"
    in_subnet = [{"Name": "subnet-id", "Values": [stack.physical_id("Subnet")]}]
    interfaces = ec2.describe_network_interfaces(Filters=in_subnet)["NetworkInterfaces"]
    assert {each["RequesterId"] for each in interfaces} == {"amazon-nat", "amazon-vpce"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert not ec2.describe_network_interfaces(Filters=in_subnet)["NetworkInterfaces"]


def test_a_group_with_an_interface_cannot_be_deleted(cloud, vpc):
    """The delete fails with EC2's words, and the group stays in the stack (aws-cdk#31521)."""
    stack = cloud.deploy({**vpc, "Group": GROUP})
    ec2, group_id = cloud.client("ec2"), stack.physical_id("Group")
    interface = ec2.create_network_interface(
        SubnetId=stack.physical_id("Subnet"), Groups=[group_id]
    )["NetworkInterface"]["NetworkInterfaceId"]

    assert stack.delete() == "DELETE_FAILED"
    assert f"resource {group_id} has a dependent object" in stack.reasons("DELETE_FAILED")
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert stack.delete() == "DELETE_COMPLETE"


def test_an_unknown_filter_matches_nothing(cloud):
    """A typing error in a filter must not look like success."""
    found = cloud.client("ec2").describe_subnets(Filters=[{"Name": "vpcid", "Values": ["*"]}])

    assert found["Subnets"] == []
