"""The file system of homes: who reaches it, by which way, and what becomes of it."""

import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from constructs_lib.home_storage import HomeStorage
from tests.constructs.bare import Surroundings, bare_stack, only, resources
from ultracluster.spec.users import HomeStorageSpec


def defined(*, keep: bool = True) -> tuple[HomeStorage, Surroundings]:
    """Return homes in a stack of somebody else, with two subnets and two groups of clients."""
    stack = bare_stack()
    around = Surroundings(stack)
    homes = HomeStorage(
        stack,
        "Homes",
        spec=HomeStorageSpec(),
        vpc=around.vpc,
        subnets=around.subnets,
        key=around.key,
        clients=around.groups,
        keep=keep,
    )
    return homes, around


def test_each_zone_has_a_mount_target_that_clients_alone_reach():
    """A node of another zone would pay for each byte that crosses."""
    homes, _ = defined()
    stack = homes.stack
    (group,) = resources(stack, "AWS::EC2::SecurityGroup")

    targets = [each["Properties"] for each in resources(stack, "AWS::EFS::MountTarget").values()]
    assert [each["SubnetId"] for each in targets] == ["subnet-aaaaaaaa", "subnet-bbbbbbbb"]
    own = {"Fn::GetAtt": [group, "GroupId"]}
    assert all(each["SecurityGroups"] == [own] for each in targets)
    rules = resources(stack, "AWS::EC2::SecurityGroupIngress").values()
    given = [rule["Properties"] for rule in rules]
    assert [each["SourceSecurityGroupId"] for each in given] == ["sg-aaaaaaaa", "sg-bbbbbbbb"]
    assert {(each["FromPort"], each["ToPort"], each["IpProtocol"]) for each in given} == {
        (2049, 2049, "tcp")
    }


def test_who_comes_later_is_let_in_as_cdk_does_it():
    homes, around = defined()
    stack = homes.stack
    later = ec2.SecurityGroup(stack, "Later", vpc=around.vpc, allow_all_outbound=False)

    homes.connections.allow_default_port_from(later)

    assert len(resources(stack, "AWS::EC2::SecurityGroupIngress")) == 3
    outward = only(stack, "AWS::EC2::SecurityGroupEgress")["Properties"]
    assert (outward["FromPort"], outward["ToPort"]) == (2049, 2049)


def test_a_role_mounts_it_with_the_rights_of_root():
    """A node makes homes for others, which EFS lets nobody do who is not granted root."""
    homes, _ = defined()
    stack = homes.stack
    role = iam.Role(stack, "Node", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))

    homes.grant_root_access(role)

    (statement,) = only(stack, "AWS::IAM::Policy")["Properties"]["PolicyDocument"]["Statement"]
    verbs = ("Mount", "Write", "RootAccess")
    assert statement["Action"] == [f"elasticfilesystem:Client{verb}" for verb in verbs]
    (name,) = resources(stack, "AWS::EFS::FileSystem")
    assert statement["Resource"] == {"Fn::GetAtt": [name, "Arn"]}


@pytest.mark.parametrize(
    ("keep", "policy"), [(True, "RetainExceptOnCreate"), (False, "Delete")], ids=["kept", "not"]
)
def test_files_outlive_the_stack_and_mount_targets_do_not(*, keep: bool, policy: str):
    """A new mount target reaches what is kept, and an old one would hold the subnet."""
    homes, _ = defined(keep=keep)

    stack = homes.stack
    assert only(stack, "AWS::EFS::FileSystem")["DeletionPolicy"] == policy
    for target in resources(stack, "AWS::EFS::MountTarget").values():
        assert "DeletionPolicy" not in target
