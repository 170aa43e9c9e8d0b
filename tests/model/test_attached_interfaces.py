"""Nodes whose network interfaces stand in resources of their own, or override a launch template."""

import pytest

from tests.audit.files import audited

GOOD = """
Resources:
  Fabric:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: fabric
      SecurityGroupEgress: [{IpProtocol: "-1", CidrIp: 0.0.0.0/0}]
  FabricIn:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref Fabric, IpProtocol: "-1", SourceSecurityGroupId: !Ref Fabric}
  FabricOut:
    Type: AWS::EC2::SecurityGroupEgress
    Properties: {GroupId: !Ref Fabric, IpProtocol: "-1", DestinationSecurityGroupId: !Ref Fabric}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: vpc-0123456789abcdef0, CidrBlock: 10.0.0.0/24, AvailabilityZoneId: use1-az6}
  Interface:
    Type: AWS::EC2::NetworkInterface
    Properties: {SubnetId: !Ref Subnet, GroupSet: [!Ref Fabric], InterfaceType: efa}
  Together:
    Type: AWS::EC2::PlacementGroup
    Properties: {Strategy: cluster}
  Node:
    Type: AWS::EC2::Instance
    Properties:
      ImageId: ami-0123456789abcdef0
      InstanceType: hpc7a.96xlarge
      PlacementGroupName: !Ref Together
      MetadataOptions: {HttpTokens: required}
      NetworkInterfaces: [{NetworkInterfaceId: !Ref Interface, DeviceIndex: "0"}]
"""


def test_an_interface_of_its_own_that_is_right_is_no_fault(tmp_path):
    """And nothing is left open, for the templates say everything."""
    report = audited(tmp_path, GOOD)

    assert report.findings == []
    assert report.unknown == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("SourceSecurityGroupId: !Ref Fabric", "CidrIp: 10.0.0.0/8", "FABRIC-1"),
        ("DestinationSecurityGroupId: !Ref Fabric", "CidrIp: 10.0.0.0/8", "FABRIC-2"),
        ("hpc7a.96xlarge", "m5.large", "FABRIC-3"),
        ("InterfaceType: efa}", "InterfaceType: EFA}", "FABRIC-3"),
        ("InterfaceType: efa}", "InterfaceType: efa-only}", "FABRIC-3"),
        ("Strategy: cluster", "Strategy: spread", "CAPACITY-3"),
    ],
)
def test_an_interface_of_its_own_is_judged_as_one_of_the_node(tmp_path, old, new, rule):
    """What stands in `AWS::EC2::NetworkInterface` reaches the instance that names it."""
    assert old in GOOD

    report = audited(tmp_path, GOOD.replace(old, new))

    assert {finding.rule for finding in report.findings} == {rule}


def test_an_interface_of_somebody_else_is_left_open(tmp_path):
    """Its kind and its groups are not in the template: neither a pass nor a fault."""
    report = audited(tmp_path, GOOD.replace("!Ref Interface", "eni-0123456789abcdef0"))

    assert report.findings == []
    open_ = {unknown.rule: unknown.because for unknown in report.unknown}
    assert {"FABRIC-1", "FABRIC-2", "FABRIC-3"} <= set(open_)
    assert open_["FABRIC-1"] == (
        "network interface eni-0123456789abcdef0 is not in the given templates"
    )


LAUNCHED = GOOD.replace(
    "      MetadataOptions: {HttpTokens: required}\n",
    "      LaunchTemplate: {LaunchTemplateId: !Ref Template, Version: 1}\n",
)
TEMPLATE = """
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData: {MetadataOptions: {HttpTokens: required}}
"""


def test_what_an_instance_says_takes_the_place_of_its_template(tmp_path):
    """The interfaces are the instance's, the metadata options the template's."""
    whole = LAUNCHED + TEMPLATE

    assert audited(tmp_path, whole).findings == []
    closed = whole.replace("SourceSecurityGroupId: !Ref Fabric", "CidrIp: 10.0.0.0/8")
    assert {f.rule for f in audited(tmp_path, closed).findings} == {"FABRIC-1"}
    open_ = whole.replace("required", "optional")
    assert {f.rule for f in audited(tmp_path, open_).findings} == {"SAFETY-7"}


def test_an_instance_of_somebody_elses_template_is_judged_by_what_it_says(tmp_path):
    """What it leaves to the template is open, what it says itself is not."""
    outside = LAUNCHED.replace("!Ref Template", "lt-0123456789abcdef0")

    assert audited(tmp_path, outside).findings == []
    closed = outside.replace("SourceSecurityGroupId: !Ref Fabric", "CidrIp: 10.0.0.0/8")
    assert {f.rule for f in audited(tmp_path, closed).findings} == {"FABRIC-1"}
