"""How a node is launched."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.placement import ClusterPlacement
from tests.constructs.bare import Surroundings, bare_stack, listed, only, resources, text
from ultracluster.catalogue.interfaces import problems
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec

ID = "cr-0123456789abcdef0"


def defined(
    *, placed: bool = True, user_data: ec2.UserData | None = None, **nodes: Any
) -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    asked: dict[str, Any] = {"instance_type": "p4d.24xlarge", "count": 2, **nodes}
    spec = NodesSpec(**asked)
    placement = ClusterPlacement(stack, "Placement", spec=spec, availability_zone_id="use1-az6")
    EfaLaunchTemplate(
        stack,
        "Template",
        spec=spec,
        security_groups=around.groups,
        placement=placement if placed else None,
        role=around.role,
        user_data=user_data,
    )
    return stack


def data(stack: cdk.Stack) -> dict[str, Any]:
    return only(stack, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]


# EC2 User Guide, layouts of each type; the EFA facts sheet of this project (2026-11-23).
CARDS = [
    ("p4d.24xlarge", "one-address", 5, {"interface": 1, "efa-only": 4}),
    ("p4d.24xlarge", "address-per-card", 4, {"efa": 4}),
    ("p5.48xlarge", "one-address", 33, {"interface": 1, "efa-only": 32}),
    ("p5.48xlarge", "address-per-card", 32, {"efa": 32}),
    ("p5en.48xlarge", "one-address", 17, {"interface": 1, "efa-only": 16}),
    ("p5en.48xlarge", "address-per-card", 16, {"efa": 16}),
    ("p6-b300.48xlarge", "one-address", 17, {"interface": 1, "efa-only": 16}),
    ("p6-b300.48xlarge", "address-per-card", 17, {"interface": 1, "efa": 16}),
    ("trn1.32xlarge", "one-address", 9, {"interface": 1, "efa-only": 8}),
    ("trn1.32xlarge", "address-per-card", 8, {"efa": 8}),
    ("g6e.48xlarge", "one-address", 5, {"interface": 1, "efa-only": 4}),
    ("g6e.48xlarge", "address-per-card", 4, {"efa": 4}),
]


@pytest.mark.parametrize(("instance_type", "layout", "count", "kinds"), CARDS)
def test_every_network_card_is_there(
    instance_type: str, layout: str, count: int, kinds: dict[str, int]
):
    """A card that is left out is bandwidth that is paid for and never seen."""
    stack = defined(
        instance_type=instance_type, interface_layout=layout, image="ami-0123456789abcdef0"
    )
    interfaces = data(stack)["NetworkInterfaces"]

    found = [interface["InterfaceType"] for interface in interfaces]
    assert len(interfaces) == count
    assert {kind: found.count(kind) for kind in set(found)} == kinds
    assert list(problems(instance_type, interfaces)) == []


@pytest.mark.parametrize("layout", ["one-address", "address-per-card"])
def test_no_interface_asks_for_a_public_address(layout: str):
    """EC2 takes a public address for a single interface only, and refuses the launch."""
    assert "AssociatePublicIpAddress" not in text(data(defined(interface_layout=layout)))


def test_groups_are_on_every_interface_and_not_on_the_template():
    """EC2 refuses both together, and an interface without them is in the VPC's default group."""
    template = data(defined())

    groups = {tuple(interface["Groups"]) for interface in template["NetworkInterfaces"]}
    assert groups == {("sg-aaaaaaaa", "sg-bbbbbbbb")}
    assert not {"SecurityGroupIds", "SecurityGroups"} & set(template)


def test_no_interface_names_a_subnet():
    """Whoever launches names it; Auto Scaling's choice and the template's would contradict."""
    assert not any("SubnetId" in entry for entry in data(defined())["NetworkInterfaces"])


@pytest.mark.parametrize(("reached", "hops"), [(True, 2), (False, 1)])
def test_containers_on_a_bridge_may_be_kept_from_the_nodes_credentials(reached, hops):
    """A bridge is one hop; what asks for credentials in such a container is kept out as well."""
    template = data(defined(container_metadata=reached))

    assert template["MetadataOptions"]["HttpPutResponseHopLimit"] == hops


def test_metadata_is_read_with_a_token_and_the_root_volume_is_encrypted():
    """IMDSv1 hands out the role of the node to anything that makes it fetch a URL."""
    template = data(defined(root_volume_gib=500, root_device_name="/dev/sda1"))

    assert template["MetadataOptions"]["HttpTokens"] == "required"
    (volume,) = template["BlockDeviceMappings"]
    assert volume["DeviceName"] == "/dev/sda1"
    assert (volume["Ebs"]["Encrypted"], volume["Ebs"]["VolumeSize"]) == (True, 500)


def test_cores_are_written_with_the_threads():
    """EC2 takes the two CPU options only together; p4d has 48 cores."""
    assert data(defined(threads_per_core=1))["CpuOptions"] == {
        "CoreCount": 48,
        "ThreadsPerCore": 1,
    }
    assert "CpuOptions" not in data(defined())


def test_on_demand_nodes_are_launched_into_the_group():
    """The group is referred to: it is deleted after the template, and never named."""
    stack = defined()

    (group,) = resources(stack, "AWS::EC2::PlacementGroup")
    assert data(stack)["Placement"] == {"GroupName": {"Ref": group}, "Tenancy": "default"}
    assert not {"CapacityReservationSpecification", "InstanceMarketOptions"} & set(data(stack))


def test_nodes_are_targeted_at_the_reservation_that_is_made():
    """Template, reservation, group refer to each other in the order of their deletion."""
    stack = defined(capacity_reservation=CapacityReservationSpec())

    (reservation,) = resources(stack, "AWS::EC2::CapacityReservation")
    assert data(stack)["CapacityReservationSpecification"] == {
        "CapacityReservationTarget": {"CapacityReservationId": {"Ref": reservation}}
    }
    assert "InstanceMarketOptions" not in data(stack)


def test_nodes_are_targeted_at_an_existing_reservation():
    """An id that is dropped in silence means nodes on demand beside paid capacity."""
    template = data(
        defined(
            capacity_reservation=CapacityReservationSpec(capacity_reservation_id=ID),
            placement_group=False,
        )
    )

    target = template["CapacityReservationSpecification"]["CapacityReservationTarget"]
    assert target == {"CapacityReservationId": ID}
    assert "Placement" not in template


def test_nodes_on_a_capacity_block_say_so():
    """EC2 wants market type and id for a block, and no placement group."""
    template = data(
        defined(capacity_block=CapacityBlockSpec(capacity_reservation_id=ID), placement_group=False)
    )

    assert template["InstanceMarketOptions"] == {"MarketType": "capacity-block"}
    target = template["CapacityReservationSpecification"]["CapacityReservationTarget"]
    assert target == {"CapacityReservationId": ID}
    assert "Placement" not in template


@pytest.mark.parametrize(
    "capacity",
    [
        {"capacity_block": CapacityBlockSpec(capacity_reservation_id=ID)},
        {"capacity_reservation": CapacityReservationSpec(capacity_reservation_id=ID)},
    ],
    ids=["block", "reservation"],
)
def test_capacity_without_a_placement_is_refused(capacity: dict[str, Any]):
    """EC2 would launch on demand, or refuse a block without an id, at the first scaling."""
    with pytest.raises(ValueError, match=r"placement: got nothing.*pass ClusterPlacement"):
        defined(placed=False, placement_group=False, **capacity)


def test_a_template_without_groups_is_refused():
    """The VPC's default group would be used, and the fabric would not come up."""
    stack = bare_stack()
    spec = NodesSpec(instance_type="p4d.24xlarge", count=2)

    with pytest.raises(ValueError, match=r"security_groups: got none.*pass FabricSecurityGroup"):
        EfaLaunchTemplate(stack, "Template", spec=spec, security_groups=[])


def test_a_template_without_placement_and_role_stands_alone():
    """A user of AWS Batch or PCS brings role and placement of their own."""
    stack = bare_stack()
    EfaLaunchTemplate(
        stack,
        "Template",
        spec=NodesSpec(instance_type="p4d.24xlarge", count=2),
        security_groups=Surroundings(stack).groups,
    )

    assert not {"Placement", "IamInstanceProfile", "UserData"} & set(data(stack))
    assert resources(stack, "AWS::IAM::InstanceProfile") == {}


def test_the_image_is_looked_up_when_the_stack_is_deployed():
    """All nodes of one version of the template boot the same image."""
    stack = defined()

    ((name, parameter),) = (
        Template.from_stack(stack)
        .find_parameters("*", {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"})
        .items()
    )
    assert parameter["Default"].startswith("/aws/service/deeplearning/ami/")
    assert data(stack)["ImageId"] == {"Ref": name}


@pytest.mark.parametrize(
    ("image", "written"),
    [
        ("ami-0123456789abcdef0", "ami-0123456789abcdef0"),
        ("/images/training:7", "resolve:ssm:/images/training:7"),
        ("/images/training:tested", "resolve:ssm:/images/training:tested"),
    ],
)
def test_a_pinned_image_stays_pinned(image: str, written: str):
    """A stack parameter takes no version: the newest image would be booted instead."""
    assert data(defined(image=image))["ImageId"] == written


def test_user_data_is_encoded():
    """EC2 takes user data in base64 only."""
    script = ec2.UserData.for_linux()
    script.add_commands("true")

    template = data(defined(user_data=script))
    assert template["UserData"] == {"Fn::Base64": "#!/bin/bash\ntrue"}


def test_the_role_is_given_by_an_instance_profile():
    """EC2 takes no role, only a profile that holds one."""
    stack = defined()

    (profile,) = resources(stack, "AWS::IAM::InstanceProfile")
    assert data(stack)["IamInstanceProfile"] == {"Arn": {"Fn::GetAtt": [profile, "Arn"]}}
    assert listed(only(stack, "AWS::IAM::InstanceProfile")["Properties"]["Roles"]) == ["Somebodys"]


def test_what_a_template_is_granted_goes_to_its_role():
    stack = bare_stack()
    around = Surroundings(stack)
    role = iam.Role(stack, "Own", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    spec = NodesSpec(instance_type="p4d.24xlarge", count=2)
    around.bucket.grant_read(
        EfaLaunchTemplate(stack, "T", spec=spec, security_groups=around.groups, role=role)
    )

    assert only(stack, "AWS::IAM::Policy")["Properties"]["Roles"][0]["Ref"].startswith("Own")


def test_what_is_launched_can_be_told_apart():
    """Interfaces and volumes that outlive a node are found by their name."""
    Template.from_stack(defined()).has_resource_properties(
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": {
                "TagSpecifications": [
                    {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": Match.any_value()}]}
                    for kind in ("instance", "volume", "network-interface")
                ]
            }
        },
    )
