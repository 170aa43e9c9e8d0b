"""Fixtures of the FABRIC rules about ways out of a network."""

from typing import Any, Final

from tests.rules.cluster_templates import att, group, ref, resource, subnet
from tests.rules.rule_cases import GONE, Case


def table() -> dict[str, Any]:
    return resource("AWS::EC2::RouteTable", {"VpcId": ref("Vpc")})


def association(net: str, routes: str) -> dict[str, Any]:
    return resource(
        "AWS::EC2::SubnetRouteTableAssociation", {"SubnetId": ref(net), "RouteTableId": ref(routes)}
    )


def route(routes: str, **target: Any) -> dict[str, Any]:
    way = {"RouteTableId": ref(routes), "DestinationCidrBlock": "0.0.0.0/0"}
    return resource("AWS::EC2::Route", {**way, **target})


WAYS: Final = {
    "Outside": subnet("use1-az6", "10.0.48.0/28"),
    "Internet": resource("AWS::EC2::InternetGateway", {}),
    "Attachment": resource(
        "AWS::EC2::VPCGatewayAttachment",
        {"VpcId": ref("Vpc"), "InternetGatewayId": ref("Internet")},
    ),
    "Private": table(),
    "Public": table(),
    "NearTable": association("Near", "Private"),
    "OutsideTable": association("Outside", "Public"),
    "Nat": resource(
        "AWS::EC2::NatGateway", {"SubnetId": ref("Outside"), "AllocationId": "eipalloc-1"}
    ),
    "ToNat": route("Private", NatGatewayId=ref("Nat")),
    "ToInternet": route("Public", GatewayId=ref("Internet")),
    "S3": resource(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Gateway",
            "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            "RouteTableIds": [ref("Private")],
        },
    ),
    "Doors": group(
        SecurityGroupIngress=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}
        ]
    ),
    "Sts": resource(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Interface",
            "PrivateDnsEnabled": True,
            "ServiceName": "com.amazonaws.us-east-1.sts",
            "SubnetIds": [ref("Near")],
            "SecurityGroupIds": [att("Doors", "GroupId")],
        },
    ),
    "Fabric.SecurityGroupEgress": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
    ],
}
ADMITTED: Final = "Doors.SecurityGroupIngress.0"
OF_VPC: Final = {"Fn::GetAtt": ["Vpc", "CidrBlock"]}


def ways(changes: dict[str, Any]) -> dict[str, Any]:
    made = {**WAYS, **changes}
    return {name: value for name, value in made.items() if value is not GONE}


def doors(source: str) -> dict[str, Any]:
    """Return a network whose endpoint lets in the members of a group."""
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    peer = {"SourceSecurityGroupId": att(source, "GroupId")}
    return ways({"Doors.SecurityGroupIngress": [rule | peer]})


ROUTES: Final = (
    Case("FABRIC-35", "cluster", ways({"Sts.SubnetIds": []}), ways({}), words="no subnet"),
    Case("FABRIC-35", "cluster", doors("Doors"), doors("Fabric"), words="Nodes in 10.0.0.0/20"),
    Case(
        "FABRIC-35",
        "cluster",
        ways({"Sts.VpcEndpointType": "Gateway"}),
        ways({}),
        words="VpcEndpointType is Gateway, which takes no security group",
    ),
    Case("FABRIC-38", "cluster", ways({"Attachment": GONE}), ways({}), words="attached"),
    Case(
        "FABRIC-35",
        "cluster",
        ways({f"{ADMITTED}.CidrIp": "10.1.0.0/16"}),
        ways({f"{ADMITTED}.CidrIp": OF_VPC}),
        words="10.0.0.0/20",
    ),
    Case(
        "FABRIC-35",
        "cluster",
        ways({f"{ADMITTED}.ToPort": 80, f"{ADMITTED}.FromPort": 80}),
        ways({f"{ADMITTED}.ToPort": 8443}),
    ),
    Case(
        "FABRIC-35",
        "cluster",
        ways(
            {
                "Fabric.SecurityGroupEgress.0.FromPort": 444,
                "Fabric.SecurityGroupEgress.0.ToPort": 444,
                "FabricOut.IpProtocol": "udp",
            }
        ),
        ways({}),
        words="out",
    ),
    Case(
        "FABRIC-36",
        "cluster",
        ways({f"{ADMITTED}.CidrIp": "10.0.0.0/8"}),
        ways({}),
        words="10.0.0.0/8",
    ),
    Case(
        "FABRIC-37",
        "cluster",
        ways({"S3.RouteTableIds": [ref("Public")]}),
        ways({"S3.RouteTableIds": [ref("Public"), ref("Private")]}),
        words="45 USD for each TB",
    ),
    Case("FABRIC-37", "cluster", ways({"S3": GONE}), ways({})),
    Case(
        "FABRIC-37",
        "cluster",
        ways({"ToNat": GONE, "S3.RouteTableIds": [ref("Public")]}),
        ways({"ToNat": GONE}),
        words="Private of Near has no way to S3",
    ),
    Case("FABRIC-37", "cluster", ways({"S3.ServiceName": "com.amazonaws.us-west-2.s3"}), ways({})),
    Case("FABRIC-38", "cluster", ways({"NearTable.RouteTableId": ref("Public")}), ways({})),
    Case("FABRIC-38", "cluster", ways({"OutsideTable.RouteTableId": ref("Private")}), ways({})),
    Case(
        "FABRIC-38",
        "cluster",
        ways({"ToNat": route("Private", GatewayId=ref("Internet"))}),
        ways({}),
        words="internet gateway",
    ),
)
