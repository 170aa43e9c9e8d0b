"""What an account shows is taken for there, gone or unknown, and never for more than it says."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from environments.dev import DEV
from ultracluster.aws import CloudError
from ultracluster.prove.deployment import Deployment, Resource, StackTemplate, described, listed
from ultracluster.prove.leftovers import is_gone, leftovers, shown_by_services, strays
from ultracluster.prove.proof import Check, Evidence, equal, prove
from ultracluster.prove.storage_proof import _without_tls
from ultracluster.prove.training_proof import Allowance, _difference
from ultracluster.rehearse import direct
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.paid_capacity import paid_capacity

VPC, GROUP, ROLE = "vpc-0123456789abcdef0", "sg-0123456789abcdef0", "dev-Network-Role0123-ABCDEF"
TAGS = [{"Key": "ultracluster:environment", "Value": "dev"}]


class Said:
    """An account that answers by operation, or fails with a code and a message."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[str]()

    def ask(self, service: str, operation: str, **_: Any) -> Any:
        self.asked.append(operation)
        answer = self.answers.get(operation, {})
        if isinstance(answer, tuple):
            raise CloudError(service, operation, *answer)
        return answer


def resource(kind: str, name: str | None, *, kept: bool = False, status: str = "") -> Resource:
    return Resource("Network", "It", kind, {}, "It", kept=kept, physical_id=name, status=status)


@pytest.mark.parametrize(
    ("status", "name", "exists"),
    [
        ("CREATE_COMPLETE", "x", True),
        ("UPDATE_COMPLETE", "x", True),
        ("CREATE_FAILED", "x", False),
        (None, "x", False),
        ("CREATE_COMPLETE", None, False),
        ("CREATE_COMPLETE", "", False),
        ("CREATE_COMPLETE", "unknown", False),
        ("CREATE_FAILED", None, False),
    ],
)
def test_a_resource_exists_where_it_is_complete_and_has_an_id(
    status: str, name: str | None, *, exists: bool
):
    assert resource("AWS::EC2::VPC", name, status=status).exists is exists


STACK = StackTemplate(
    "dev-Network",
    "Network",
    {
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "DeletionPolicy": "RetainExceptOnCreate",
                "Metadata": {"aws:cdk:path": "dev/Network/Network/Vpc"},
            },
            "Bare": {"Type": "AWS::EC2::EIP", "Metadata": {"aws:cdk:path": "dev/Bare"}},
        }
    },
    termination_protection=False,
)


def test_templates_and_what_cloudformation_lists_are_one_table():
    """A stack that is not there lists nothing, and any other refusal is no empty stack."""
    row = {"LogicalResourceId": "Vpc", "PhysicalResourceId": VPC, "ResourceStatus": "X"}
    cloud = Said(list_stack_resources={"StackResourceSummaries": [row]})
    vpc, bare = Deployment(cloud, (STACK,)).resources
    assert (vpc.path, vpc.kept, vpc.physical_id, vpc.status) == ("Network/Vpc", True, VPC, "X")
    assert (bare.path, bare.kept, bare.physical_id) == ("dev/Bare", False, None)
    with pytest.raises(LookupError):
        Deployment(cloud, (STACK,)).at("Network", "dev/Bare")

    gone = Said(list_stack_resources=("ValidationError", "Stack dev-Network does not exist"))
    assert [each.exists for each in Deployment(gone, (STACK,)).resources] == [False, False]
    with pytest.raises(CloudError):
        _ = Deployment(Said(list_stack_resources=("Throttling", "slow")), (STACK,)).resources


def test_a_log_group_is_the_one_of_its_whole_name():
    """CloudWatch Logs finds groups by how their names begin."""
    groups = [{"logGroupName": "/a/b-2"}, {"logGroupName": "/a/b"}]
    cloud = Said(describe_log_groups={"logGroups": groups})
    assert described(cloud, "AWS::Logs::LogGroup", "/a/b") == groups[1:]


def test_keys_are_listed_with_their_state_and_policies_without_those_of_aws():
    """A list of keys does not say which are being deleted; AWS has a thousand policies."""
    key = {"KeyId": "key", "KeyState": "PendingDeletion"}
    cloud = Said(list_keys={"Keys": [{"KeyId": "key"}]}, describe_key={"KeyMetadata": key})
    assert listed(cloud, "AWS::KMS::Key") == [key]
    assert listed(Said(describe_vpcs={"Vpcs": [{}]}), "AWS::EC2::VPC") == [{}]

    given: list[dict[str, Any]] = []

    class Asked(Said):
        def ask(self, service: str, operation: str, **parameters: Any) -> Any:
            given.append(parameters)
            return super().ask(service, operation)

    assert listed(Asked(list_policies={"Policies": []}), "AWS::IAM::ManagedPolicy") == []
    assert listed(Asked(list_roles={"Roles": []}), "AWS::IAM::Role") == []
    assert given == [{"Scope": "Local"}, {}]


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        ({"Vpcs": [{"VpcId": VPC}]}, True),
        ({"Vpcs": []}, False),
        ({"Vpcs": [{"State": "deleted"}]}, False),
        ({"Vpcs": [{"State": "deleted"}, {"State": "available"}]}, True),
        (("InvalidVpcID.NotFound", "no"), False),
        (("ValidationError", "the VPC does not exist"), False),
        (("AccessDenied", "no"), None),
        (("Throttling", "slow"), None),
    ],
)
def test_a_resource_is_there_gone_or_unknown(answer: Any, *, there: bool | None):
    """What may not be asked may still be there, and be charged."""
    cloud = Said(describe_vpcs=answer)
    known = [resource("AWS::EC2::VPC", VPC), resource("AWS::EC2::VPC", None)]
    if there is None:
        with pytest.raises(CloudError):
            list(leftovers(cloud, known))
        return
    (found,) = leftovers(cloud, known)
    assert found.there is there
    assert found.expected is not there


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ({"State": "pending"}, False),
        ({"State": {"Name": "terminated"}}, True),
        ({"KeyState": "PendingDeletion"}, True),
        ({"Lifecycle": "DELETING"}, True),
        ({"status": "ACTIVE", "State": "cancelled"}, True),
        ({}, False),
    ],
)
def test_what_is_given_up_is_gone(row: dict[str, Any], *, gone: bool):
    assert is_gone(row) is gone


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"GroupId": GROUP, "Tags": TAGS}, "no stack knows of it"),
        ({"GroupId": GROUP, "VpcId": VPC}, "belongs to what is kept"),
        ({"GroupId": GROUP, "GroupName": "dev-Network-Group1"}, "no stack knows of it"),
        ({"GroupId": GROUP, "GroupName": "dev-pcs-123456789012"}, "no stack knows of it"),
        ({"GroupId": GROUP, "GroupName": "/ultracluster/dev/x"}, "no stack knows of it"),
        ({"GroupId": "sg-known", "Tags": TAGS}, None),
        ({"GroupId": GROUP, "Tags": TAGS, "State": "deleted"}, None),
        ({"GroupId": GROUP, "Tags": [{"Key": "another", "Value": "dev"}]}, None),
        ({"GroupId": GROUP, "Tags": [{**TAGS[0], "Value": "dev-2"}]}, None),
        ({"GroupId": GROUP, "GroupName": "another-dev-Network"}, None),
        ({"GroupId": GROUP, "GroupName": "dev-small"}, None),
        ({"GroupId": GROUP, "VpcId": "short"}, None),
    ],
)
def test_what_is_of_an_environment_is_found_by_tag_name_or_relation(
    row: dict[str, Any], why: str | None
):
    """What is of another, known, or already given up is none; what is not answered is told."""
    known = [
        resource("AWS::EC2::VPC", VPC, kept=True),
        resource("AWS::EC2::SecurityGroup", "sg-known"),
        resource("AWS::EC2::VPC", "short"),
    ]
    cloud = Said(describe_security_groups={"SecurityGroups": [row]}, list_roles=("Denied", "no"))
    unasked: list[CloudError] = []

    found = list(strays(cloud, "dev", known, unasked))

    assert [each.resource.physical_id for each in found] == ([row["GroupId"]] if why else [])
    assert all(str(why) in each.reason for each in found)
    # It is expected where what it belongs to is kept, and else it is not.
    assert all(each.expected is str(why).startswith("belongs") for each in found)
    assert [(error.operation, error.code) for error in unasked] == [("list_roles", "Denied")]


def evidence(cloud: Said) -> Evidence:
    return Evidence(DEV, Deployment(cloud, (STACK,)), cloud)


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ({"Vpcs": [{}]}, [True]),
        ({"Vpcs": []}, [False]),
        (("UnauthorizedOperation", "no"), [True, False]),
    ],
)
def test_what_a_service_does_not_show_is_said(answer: Any, lines: list[bool]):
    row = {"LogicalResourceId": "Vpc", "PhysicalResourceId": VPC, "ResourceStatus": "X"}
    cloud = Said(list_stack_resources={"StackResourceSummaries": [row]}, describe_vpcs=answer)
    assert [check.ok for check in shown_by_services(evidence(cloud))] == lines
    cloud.answers["describe_vpcs"] = ("Throttling", "slow")
    with pytest.raises(CloudError):
        list(shown_by_services(evidence(cloud)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CloudError("ec2", "describe_vpcs", "AccessDenied", "no"), "may not ec2:DescribeVpcs"),
        (CloudError("ec2", "describe_vpcs", "Invalid", "no"), "the answer of AWS"),
        (KeyError("SubnetId"), "'SubnetId' in the answer of AWS"),
        (ValueError("no number"), "no number in the answer of AWS"),
    ],
    ids=repr,
)
def test_an_error_is_a_check_that_is_false(error: Exception, words: str):
    """The other areas are still proved, and what was proved before it stands."""

    def broken(_: Evidence) -> Any:
        yield equal("one", 1, 1)
        raise error

    found = prove({"first": broken, "second": lambda _: iter([equal("two", 2, 2)])}, Any)  # type: ignore[arg-type]

    one, failed = found["first"]
    assert (one.ok, failed.ok) == (True, False)
    assert words in str(failed)
    assert bool(failed.lacks) is ("may not" in words)
    assert found["second"] == [Check("two", 2, 2, ok=True)]


def test_nobody_who_answers_is_no_failed_check():
    def broken(_: Evidence) -> Any:
        yield equal("one", 1, 1)
        raise CloudError(
            "ec2", "describe_vpcs", "EndpointConnectionError", "nobody", answered=False
        )

    with pytest.raises(CloudError):
        prove({"first": broken}, Any)  # type: ignore[arg-type]


TLS: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}, "Action": ["*"]}, True),
        ({"Effect": "Allow"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Action": ["s3:GetObject"]}, False),
        ({"Condition": {}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Condition": {**TLS["Condition"], "Null": {"aws:PrincipalArn": "false"}}}, False),
    ],
)
def test_everybody_is_refused_everything_without_tls(changes: dict[str, Any], *, good: bool):
    assert _without_tls({**TLS, **changes}) is good


def test_statements_that_are_missing_or_strange_are_named():
    wanted, found = (
        Counter[Allowance]([("Allow", (name,), (), 1)]) for name in ("s3:GetObject", "s3:*")
    )
    assert _difference(wanted, found) == "1; without s3:GetObject; with s3:*"


BEGAN = datetime(2026, 11, 28, tzinfo=UTC)
RESERVATION = "cr-0123456789abcdef0"


def event(minutes: int, kind: str, status: str, name: str = RESERVATION) -> dict[str, Any]:
    at = BEGAN + timedelta(minutes=minutes)
    return {
        "ResourceType": kind,
        "ResourceStatus": status,
        "PhysicalResourceId": name,
        "LogicalResourceId": name,
        "Timestamp": at,
    }


@pytest.mark.parametrize(
    ("state", "told", "seconds"),
    [("cancelled", True, 600.0), ("active", True, None), ("cancelled", False, None)],
)
def test_capacity_is_paid_for_until_it_is_given_up(
    state: str, *, told: bool, seconds: float | None
):
    """Only that of the stack, and what is begun after it could have failed at its cost."""
    of_ec2 = "AWS::EC2::CapacityReservation"
    events = [
        event(0, of_ec2, "CREATE_IN_PROGRESS"),
        event(1, "AWS::EC2::EIP", "CREATE_COMPLETE", "before"),
        event(2, of_ec2, "CREATE_COMPLETE"),
        event(3, "AWS::PCS::Cluster", "CREATE_IN_PROGRESS", "after"),
        event(4, "AWS::PCS::Cluster", "CREATE_FAILED", "failed"),
        event(5, "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", "stack"),
        event(6, "AWS::PCS::Cluster", "DELETE_COMPLETE", "after"),
        event(7, of_ec2, "DELETE_IN_PROGRESS"),
        *([event(12, of_ec2, "DELETE_COMPLETE")] if told else []),
    ]
    row = {"State": state, "TotalInstanceCount": 4}
    cloud = Said(
        describe_stack_events={"StackEvents": events[::-1]},
        describe_capacity_reservations={"CapacityReservations": [row]},
    )

    (paid,) = paid_capacity(cloud, "dev-Cluster")

    assert (paid.reservation_id, paid.instances, paid.later) == (RESERVATION, 4, ("after",))
    assert paid.active is (state == "active")
    if seconds is None:
        assert paid.seconds > 600.0  # it is still charged, or nobody says since when it is not
    else:
        assert (paid.seconds, paid.node_minutes) == (seconds, 40.0)


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [({}, False), (("ValidationError", "TerminationProtection is enabled"), True)],
)
def test_protection_is_what_refuses_a_deletion(answer: Any, *, refuses: bool):
    cloud = Said(delete_stack=answer)
    assert direct.refuses_deletion(cloud, "dev-Storage") is refuses
    with pytest.raises(CloudError):
        direct.refuses_deletion(Said(delete_stack=("Throttling", "Rate exceeded")), "dev-Storage")


def place(cloud: Said) -> Place:
    found = object.__new__(Place)
    found.cloud = cloud  # type: ignore[assignment]
    return found


@pytest.mark.parametrize(
    ("protected", "answer", "unlocked", "asked"),
    [
        (False, {}, True, []),
        (True, {}, False, ["delete_stack"]),
        (
            True,
            ("ValidationError", "TerminationProtection is enabled"),
            True,
            ["delete_stack", "update_termination_protection"],
        ),
    ],
)
def test_a_stack_is_unlocked_where_its_protection_protected_it(
    answer: Any, asked: list[str], *, protected: bool, unlocked: bool
):
    cloud = Said(delete_stack=answer)
    stack = SimpleNamespace(name="dev-Storage", termination_protection=protected)
    assert place(cloud).unlock(stack) is unlocked  # type: ignore[arg-type]
    assert cloud.asked == asked


def test_what_was_not_there_before_is_left():
    """But for what is kept, what belongs to it, and what is made beside the stacks."""
    rows = [{"VpcId": VPC}, {"VpcId": "vpc-before"}, {"VpcId": "vpc-gone", "State": "deleted"}]
    group = {"GroupId": GROUP, "VpcId": VPC}
    logs = [{"logGroupName": "/aws/lambda/dev"}]
    cloud = Said(
        describe_vpcs={"Vpcs": rows},
        describe_security_groups={"SecurityGroups": [group]},
        describe_log_groups={"logGroups": logs},
        describe_stacks={
            "Stacks": [{"StackName": name, "StackStatus": "X"} for name in ("dev-Network", "dev-A")]
        },
    )
    before = {("AWS::EC2::VPC", "vpc-before"): {"vpc-before"}}

    left = place(cloud).left(before)
    assert left == [f"AWS::EC2::SecurityGroup {GROUP}", f"AWS::EC2::VPC {VPC}"]
    assert place(cloud).left(before, frozenset({("AWS::EC2::VPC", VPC)})) == []
    assert place(cloud).exists(SimpleNamespace(name="dev-Network")) is True  # type: ignore[arg-type]
    assert place(cloud).exists(SimpleNamespace(name="dev-Storage")) is False  # type: ignore[arg-type]
    cloud.answers["describe_stacks"]["Stacks"][0]["StackStatus"] = "DELETE_COMPLETE"
    assert place(cloud).exists(SimpleNamespace(name="dev-Network")) is False  # type: ignore[arg-type]


def test_what_a_kept_file_system_names_is_kept_with_it():
    """Its network interfaces are in no template."""
    interface = {"NetworkInterfaceId": "eni-0123456789abcdef0"}
    system = {
        "FileSystemId": "fs-0123456789abcdef0",
        "NetworkInterfaceIds": ["eni-0123456789abcdef0"],
    }
    cloud = Said(
        describe_file_systems={"FileSystems": [system]},
        describe_network_interfaces={"NetworkInterfaces": [interface]},
    )
    kept = frozenset({("AWS::FSx::FileSystem", system["FileSystemId"])})

    assert len(place(cloud).left({})) == 3  # EFS and FSx ask alike
    assert place(cloud).left({}, kept) == []  # type: ignore[arg-type]


def test_what_a_stack_keeps_is_read_from_its_template():
    rows = [
        {"LogicalResourceId": "Vpc", "ResourceType": "AWS::EC2::VPC", "PhysicalResourceId": VPC},
        {"LogicalResourceId": "Bare", "ResourceType": "AWS::EC2::EIP"},
    ]
    cloud = Said(list_stack_resources={"StackResourceSummaries": rows})
    assert place(cloud).kept(STACK) == {("AWS::EC2::VPC", VPC)}


def test_a_reason_is_of_the_resource_and_of_the_fault():
    rows = [
        {
            "LogicalResourceId": "Vpc",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "a",
        },
        {
            "LogicalResourceId": "Two",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "b",
        },
        {"LogicalResourceId": "Vpc", "ResourceStatus": "CREATE_COMPLETE"},
    ]
    there = place(Said(describe_stack_events={"StackEvents": rows}))
    assert direct.reasons(there.cloud, "x") == ["Vpc: a", "Two: b"]
    assert there.reason("x", "Vpc", "a")
    assert not there.reason("x", "Vpc", "b")
    assert not there.reason("x", "Tw", "b")
