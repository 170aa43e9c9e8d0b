"""The file system, its group and its links to S3."""

import itertools
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from constructs_lib.lustre_storage import LustreStorage
from tests.constructs.bare import Surroundings, bare_stack, only, resources, text
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec

KINDS: dict[str, dict[str, Any]] = {
    "scratch": {"deployment_type": "SCRATCH_2", "capacity_gib": 1200, "keep_data": False},
    "persistent-1-ssd": {
        "deployment_type": "PERSISTENT_1",
        "capacity_gib": 2400,
        "per_unit_storage_throughput": 100,
        "keep_data": True,
    },
    "persistent-1-hdd": {
        "deployment_type": "PERSISTENT_1",
        "storage_type": "HDD",
        "capacity_gib": 6000,
        "per_unit_storage_throughput": 12,
        "drive_cache_type": "READ",
        "automatic_backup_retention_days": 7,
        "keep_data": True,
    },
    "persistent-2-ssd": {
        "deployment_type": "PERSISTENT_2",
        "capacity_gib": 2400,
        "per_unit_storage_throughput": 500,
        "metadata_iops": "AUTOMATIC",
        "customer_key": True,
        "keep_data": True,
    },
    "persistent-2-tiering": {
        "deployment_type": "PERSISTENT_2",
        "storage_type": "INTELLIGENT_TIERING",
        "throughput_capacity_mbps": 4000,
        "data_read_cache": "PROPORTIONAL_TO_THROUGHPUT_CAPACITY",
        "metadata_iops": 6000,
        "keep_data": True,
    },
    "persistent-2-efa": {
        "deployment_type": "PERSISTENT_2",
        "capacity_gib": 4800,
        "per_unit_storage_throughput": 1000,
        "metadata_iops": 12000,
        "efa_enabled": True,
        "keep_data": True,
    },
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
RULES = ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")


def defined(kind: str, *, clients: int = 1, key: bool = True, **changes: Any) -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    LustreStorage(
        stack,
        "Lustre",
        spec=LustreSpec(**KINDS[kind] | changes),
        vpc=around.vpc,
        subnet=around.subnets[0],
        clients=around.groups[:clients],
        bucket=around.bucket,
        key=around.key if key else None,
    )
    return stack


def lustre(stack: cdk.Stack) -> dict[str, Any]:
    return only(stack, "AWS::FSx::FileSystem")["Properties"]["LustreConfiguration"]


@EVERY_KIND
def test_the_template_asks_for_what_the_spec_says(kind: str):
    """The L2 would drop half of it: metadata, EFA, tiering, log."""
    asked = LustreSpec(**KINDS[kind]).properties()
    found = only(defined(kind), "AWS::FSx::FileSystem")["Properties"]

    configuration = found.pop("LustreConfiguration")
    assert configuration.pop("LogConfiguration")["Level"] == "WARN_ERROR"
    assert configuration == asked.pop("LustreConfiguration")
    assert {key: found[key] for key in asked} == asked
    assert found["SubnetIds"] == ["subnet-aaaaaaaa"]


@EVERY_KIND
def test_the_file_system_waits_for_every_rule_of_its_group(kind: str):
    """FSx refuses to create a file system whose group does not yet admit Lustre."""
    stack = defined(kind, clients=2)

    rules = {name for rule in RULES for name in resources(stack, rule)}
    assert len(rules) >= 10
    assert set(only(stack, "AWS::FSx::FileSystem")["DependsOn"]) == rules


def pairs(stack: cdk.Stack, rule: str, other: str) -> set[tuple[Any, ...]]:
    """Return group, peer, protocol and ports of every rule, groups by a readable name."""
    (own,) = resources(stack, "AWS::EC2::SecurityGroup")

    def name(group: Any) -> str:
        return "servers" if group == {"Fn::GetAtt": [own, "GroupId"]} else group

    return {
        (name(p["GroupId"]), name(p[other]), p["IpProtocol"], p.get("FromPort"), p.get("ToPort"))
        for p in (r["Properties"] for r in resources(stack, rule).values())
    }


@pytest.mark.parametrize(
    ("kind", "ports"),
    [
        ("scratch", [("tcp", 988, 988), ("tcp", 1018, 1023)]),
        ("persistent-2-efa", [("-1", None, None)]),
    ],
    ids=["tcp", "efa"],
)
def test_clients_and_servers_reach_each_other_by_group(kind: str, ports: list[tuple[Any, ...]]):
    """Locks are called back: servers open connections to clients as well, and to each other."""
    stack = defined(kind)

    members = [("servers", "servers"), ("servers", "sg-aaaaaaaa"), ("sg-aaaaaaaa", "servers")]
    expected = {(*m, *p) for m, p in itertools.product(members, ports)}
    assert pairs(stack, RULES[0], "SourceSecurityGroupId") == expected
    assert pairs(stack, RULES[1], "DestinationSecurityGroupId") == expected
    assert "0.0.0.0/0" not in text(only(stack, "AWS::EC2::SecurityGroup"))


@EVERY_KIND
def test_what_is_kept_is_not_left_behind_by_a_failed_creation(kind: str):
    """Plain Retain leaves a paid orphan behind every first deployment that fails."""
    policy = "RetainExceptOnCreate" if KINDS[kind]["keep_data"] else "Delete"
    stack = defined(kind)

    for kept in ("AWS::FSx::FileSystem", "AWS::EC2::SecurityGroup", "AWS::Logs::LogGroup"):
        assert only(stack, kept)["DeletionPolicy"] == policy


def test_servers_keep_their_own_rules_and_leave_those_of_clients():
    """A kept file system needs its own rules; one that names a client's group would keep that."""
    stack = defined("persistent-2-ssd")

    for rule in RULES:
        for found in resources(stack, rule).values():
            ends = text(found["Properties"])
            kept = found.get("DeletionPolicy") == "RetainExceptOnCreate"
            assert kept == ("sg-aaaaaaaa" not in ends)


def test_the_log_group_has_the_prefix_that_fsx_writes_to():
    """FSx refuses any other destination, and one that names streams (`:*`)."""
    stack = defined("scratch")

    (logical_id,) = resources(stack, "AWS::Logs::LogGroup")
    name = only(stack, "AWS::Logs::LogGroup")["Properties"]["LogGroupName"]
    assert name["Fn::Join"][1][0].startswith("/aws/fsx/")
    destination = lustre(stack)["LogConfiguration"]["Destination"]
    *head, group = destination["Fn::Join"][1]
    partition, *_, log_group = head
    assert (partition, log_group) == ("arn:", ":log-group:")
    assert ":logs:" in head
    assert group == {"Ref": logical_id}


def test_the_log_group_is_named_after_its_stack():
    """A kept log group must not stop the next stack of the same name."""
    name = only(defined("scratch"), "AWS::Logs::LogGroup")["Properties"]["LogGroupName"]

    assert {"Ref": "AWS::StackId"} in name["Fn::Join"][1][1]["Fn::Select"][1]["Fn::Split"]


def test_the_key_is_used_where_the_spec_asks_for_it():
    """Scratch file systems take none; FSx refuses the property."""
    with_key = only(defined("persistent-2-ssd"), "AWS::FSx::FileSystem")["Properties"]
    without = only(defined("scratch"), "AWS::FSx::FileSystem")["Properties"]

    assert "key/somebodys" in text(with_key["KmsKeyId"])
    assert "KmsKeyId" not in without


def test_a_missing_key_is_refused():
    """An AWS managed key would be taken in silence, and cannot be changed later."""
    with pytest.raises(ValueError, match=r"key: got nothing.*customer_key=True; pass key="):
        defined("persistent-2-ssd", key=False)


DATA = DataRepositorySpec(file_system_path="/data", prefix="data/", auto_export=())
RESULTS = DataRepositorySpec(
    file_system_path="/results", prefix="results/", auto_import=(), bucket_name="elsewhere"
)


def test_associations_import_and_export_what_the_spec_says():
    """Imported data is listed at once; exported directories begin empty."""
    stack = defined("scratch", data_repositories=(DATA, RESULTS))

    (file_system,) = resources(stack, "AWS::FSx::FileSystem")
    events = ["NEW", "CHANGED", "DELETED"]
    found = [
        entry["Properties"]
        for entry in resources(stack, "AWS::FSx::DataRepositoryAssociation").values()
    ]
    assert found == [
        {
            "BatchImportMetaDataOnCreate": True,
            "DataRepositoryPath": "s3://somebodys-data/data/",
            "FileSystemId": {"Ref": file_system},
            "FileSystemPath": "/data",
            "S3": {"AutoImportPolicy": {"Events": events}},
        },
        {
            "BatchImportMetaDataOnCreate": False,
            "DataRepositoryPath": "s3://elsewhere/results/",
            "FileSystemId": {"Ref": file_system},
            "FileSystemPath": "/results",
            "S3": {"AutoExportPolicy": {"Events": events}},
        },
    ]


def test_associations_are_made_one_after_the_other():
    """FSx times out with several at once (aws-parallelcluster pull request 6649)."""
    stack = defined("scratch", data_repositories=(DATA, RESULTS))

    found = resources(stack, "AWS::FSx::DataRepositoryAssociation")
    first, second = found
    assert "DependsOn" not in found[first]
    assert found[second]["DependsOn"] == [first]


def test_an_association_without_events_has_no_policy():
    """FSx refuses an empty list of events."""
    plain = DataRepositorySpec(
        file_system_path="/plain", prefix="plain/", auto_import=(), auto_export=()
    )
    stack = defined("scratch", data_repositories=(plain,))

    assert "S3" not in only(stack, "AWS::FSx::DataRepositoryAssociation")["Properties"]


def test_an_association_without_a_bucket_is_refused():
    """Nothing in the template could say where the data is."""
    stack = bare_stack()
    around = Surroundings(stack)

    with pytest.raises(
        ValueError, match=r"bucket: got nothing.*data_repositories\[0\].*pass bucket="
    ):
        LustreStorage(
            stack,
            "Lustre",
            spec=LustreSpec(**KINDS["scratch"], data_repositories=(DATA,)),
            vpc=around.vpc,
            subnet=around.subnets[0],
            clients=[],
        )


def test_a_role_may_look_the_file_system_up():
    """IAM knows no resource for it: another one than `*` would allow nothing."""
    stack = bare_stack()
    around = Surroundings(stack)
    role = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    spec = LustreSpec(**KINDS["scratch"])
    LustreStorage(
        stack, "L", spec=spec, vpc=around.vpc, subnet=around.subnets[0], clients=[]
    ).grant_describe(role)

    (statement,) = only(stack, "AWS::IAM::Policy")["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    assert statement["Action"] == "fsx:DescribeFileSystems"


def test_what_jobs_mount_by_is_at_hand():
    """SageMaker and fstab need id, DNS name and mount name."""
    stack = bare_stack()
    around = Surroundings(stack)
    storage = LustreStorage(
        stack,
        "Lustre",
        spec=LustreSpec(**KINDS["scratch"]),
        vpc=around.vpc,
        subnet=around.subnets[0],
        clients=around.groups,
    )

    (name,) = resources(stack, "AWS::FSx::FileSystem")
    assert stack.resolve([storage.file_system_id, storage.mount_name, storage.dns_name]) == [
        {"Ref": name},
        {"Fn::GetAtt": [name, "LustreMountName"]},
        {"Fn::GetAtt": [name, "DNSName"]},
    ]
