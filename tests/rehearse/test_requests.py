"""What a rehearsal asks an account for, call by call: the account here only answers."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from environments.dev import DEV
from tests.stacks.synthesized import existing
from ultracluster.aws import CloudError
from ultracluster.catalogue.instances import find
from ultracluster.exit_status import CommandError
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse import cdk, direct, job_proof
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.job_proof import rehearsal_recipe, training_jobs
from ultracluster.rehearse.paid_capacity import paid_capacity
from ultracluster.rehearse.substitutes import (
    environment_file,
    substitute_image_parameter,
    substitute_network,
)
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

ASSETS = "cdk-hnb659fds-assets-1-us-east-1"
SMALL = StackTemplate("dev-Network", "Network", {"Resources": {}}, termination_protection=True)
RESERVATION = "AWS::EC2::CapacityReservation"


@dataclass
class Account:
    """Answers an operation with what it is given, the next of several; keeps what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ask(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        self.asked.append((f"{service}.{operation}", given))
        answer = {"get_caller_identity": {"Account": "1"}, **self.answers}.get(operation, {})
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def of(self, call: str) -> list[dict[str, Any]]:
        return [given for name, given in self.asked if name == call]


def status(name: str) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "dev-Network", "StackId": "arn:1", "StackStatus": name}]}


@pytest.mark.parametrize(
    ("region", "more"),
    [
        ("us-east-1", {}),
        ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ],
)
def test_a_bootstrap_and_the_assets_of_a_stage_are_published(
    region: str, more: dict[str, Any], tmp_path: Path
):
    """What is zipped goes to every place that the manifest names; templates go with their stack."""
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "b.py").write_text("b")
    (tmp_path / "code" / "a.py").write_text("a")
    files = {
        "1": {
            "source": {"path": "code", "packaging": "zip"},
            "destinations": {"x": {"objectKey": "one"}, "y": {"objectKey": "two"}},
        },
        "2": {"source": {"path": "t.json", "packaging": "file"}, "destinations": {}},
    }
    (tmp_path / "dev.assets.json").write_text(json.dumps({"files": files}))
    account = Account()

    direct.publish(account, region, tmp_path)

    bucket = ASSETS.replace("us-east-1", region)
    version = "/cdk-bootstrap/hnb659fds/version"
    assert account.of("ssm.put_parameter") == [{"Name": version, "Value": "30", "Type": "String"}]
    assert account.of("s3.create_bucket") == [{"Bucket": bucket, **more}]
    put = account.of("s3.put_object")
    assert [(each["Bucket"], each["Key"]) for each in put] == [(bucket, "one"), (bucket, "two")]
    with zipfile.ZipFile(io.BytesIO(put[0]["Body"])) as archive:
        assert archive.namelist() == ["a.py", "deep/", "deep/b.py"]
        assert archive.read("deep/b.py") == b"b"


def test_a_stack_is_created_updated_and_deleted_as_the_cli_does(monkeypatch: pytest.MonkeyPatch):
    """With the right to make roles, its protection, and by its id once it is deleted."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    roles = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
    body = {"TemplateBody": '{"Resources": {}}'}
    account = Account({"create_stack": {"StackId": "arn:1"}})

    assert direct.create(account, SMALL, "us-east-1", Tags=[]) == "arn:1"
    assert account.of("cloudformation.create_stack") == [
        {"StackName": SMALL.name, **body, **roles, "EnableTerminationProtection": True, "Tags": []}
    ]

    waiting = [status("UPDATE_IN_PROGRESS"), status("UPDATE_COMPLETE")]
    account = Account({"describe_stacks": waiting})
    assert direct.update(account, SMALL.name, SMALL.template, "us-east-1") == "UPDATE_COMPLETE"
    assert account.of("cloudformation.update_stack") == [{"StackName": SMALL.name, **roles, **body}]

    account = Account({"describe_stacks": status("DELETE_COMPLETE")})
    assert direct.delete(account, SMALL.name) == "DELETE_COMPLETE"
    assert account.asked == [
        ("cloudformation.describe_stacks", {"StackName": SMALL.name}),
        ("cloudformation.delete_stack", {"StackName": "arn:1"}),
        ("cloudformation.describe_stacks", {"StackName": "arn:1"}),
    ]


@pytest.mark.parametrize(("length", "in_s3"), [(51_200, False), (51_201, True)])
def test_a_template_of_more_than_51200_bytes_lies_in_s3(length: int, *, in_s3: bool):
    template = {"x": "y" * (length - len(json.dumps({"x": ""})))}
    account = Account()

    request = direct.template_of(account, "dev-Network", template, "us-east-1")

    body = json.dumps(template)
    url = f"https://s3.us-east-1.amazonaws.com/{ASSETS}/dev-Network.template.json"
    assert request == ({"TemplateURL": url} if in_s3 else {"TemplateBody": body})
    put = {"Bucket": ASSETS, "Key": "dev-Network.template.json", "Body": body.encode()}
    assert account.of("s3.put_object") == ([put] if in_s3 else [])


def test_a_refusal_is_that_of_the_protection_and_reasons_are_of_failures():
    def refused(message: str) -> Account:
        error = CloudError("cloudformation", "delete_stack", "ValidationError", message)
        return Account({"delete_stack": error})

    assert direct.refuses_deletion(Account(), "dev-Storage") is False
    assert direct.refuses_deletion(refused("TerminationProtection is enabled"), "dev-Storage")
    with pytest.raises(CloudError, match="Rate exceeded"):
        direct.refuses_deletion(refused("Rate exceeded"), "dev-Storage")
    events = [
        {
            "LogicalResourceId": "Vpc",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no",
        },
        {"LogicalResourceId": "Old", "ResourceStatus": "DELETE_FAILED"},
        {"LogicalResourceId": "Ok", "ResourceStatus": "CREATE_COMPLETE"},
    ]
    account = Account({"describe_stack_events": {"StackEvents": events}})
    assert direct.reasons(account, "dev-Network") == ["Vpc: no", "Old: "]
    assert account.of("cloudformation.describe_stack_events") == [{"StackName": "dev-Network"}]


def test_a_network_is_made_in_the_place_of_a_users(tmp_path: Path):
    """Its blocks, names that resolve, and a route table where the user's subnet names one."""
    network = existing()
    first, second = network.training_subnets
    bare = second.model_copy(update={"route_table_id": None, "cidr": "10.1.0.0/20"})
    network = network.model_copy(
        update={"secondary_cidrs": ("10.1.0.0/16",), "training_subnets": (first, bare)}
    )
    account = Account(
        {
            "create_vpc": {"Vpc": {"VpcId": "vpc-00000001"}},
            "create_subnet": [
                {"Subnet": {"SubnetId": f"subnet-0000000{number}"}} for number in (1, 2)
            ],
            "create_route_table": {"RouteTable": {"RouteTableId": "rtb-00000001"}},
        }
    )

    made = substitute_network(account, network)

    vpc = {"VpcId": "vpc-00000001"}
    zone = {"AvailabilityZoneId": "use1-az6"}
    table = {"RouteTableId": "rtb-00000001", "SubnetId": "subnet-00000001"}
    assert account.asked == [
        ("ec2.create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("ec2.associate_vpc_cidr_block", {**vpc, "CidrBlock": "10.1.0.0/16"}),
        ("ec2.modify_vpc_attribute", {**vpc, "EnableDnsSupport": {"Value": True}}),
        ("ec2.modify_vpc_attribute", {**vpc, "EnableDnsHostnames": {"Value": True}}),
        ("ec2.create_subnet", {**vpc, "CidrBlock": "10.0.0.0/20", **zone}),
        ("ec2.create_route_table", vpc),
        ("ec2.associate_route_table", table),
        ("ec2.create_subnet", {**vpc, "CidrBlock": "10.1.0.0/20", **zone}),
    ]
    named = [(each.subnet_id, each.route_table_id) for each in made.training_subnets]
    assert named == [("subnet-00000001", "rtb-00000001"), ("subnet-00000002", None)]
    others = {"vpc_id": network.vpc_id, "training_subnets": network.training_subnets}
    assert made.model_copy(update=others) == network

    # The app reads it from a file, as it reads a user's.
    path = environment_file(DEV, tmp_path)
    assert path == tmp_path / "environment.py"
    assert load(path, EnvironmentSpec) == (DEV,)


@pytest.mark.parametrize(
    ("image", "name"),
    [("/mine/ami", "/mine/ami"), ("/mine/ami:3", "/mine/ami"), ("/aws/service/x", None),
     ("ami-0123456789abcdef0", None)],
)  # fmt: skip
def test_a_users_own_parameter_of_an_image_is_made(image: str, name: str | None):
    """AWS's own are there already, and an id needs none."""
    account = Account()

    assert substitute_image_parameter(account, image) == name
    made = {"Name": name, "Value": "ami-0123456789abcdef0", "Type": "String"}
    assert account.of("ssm.put_parameter") == ([made] if name else [])


AT = datetime(2026, 11, 28, tzinfo=UTC)


def event(minute: int, kind: str, name: str, how: str) -> dict[str, Any]:
    return {
        "ResourceType": kind,
        "LogicalResourceId": name,
        "PhysicalResourceId": f"{name}-id",
        "ResourceStatus": how,
        "Timestamp": AT + timedelta(minutes=minute),
    }


@pytest.mark.parametrize("state", ["cancelled", "active"])
def test_a_reservation_is_paid_from_its_creation_to_its_release(
    state: str, monkeypatch: pytest.MonkeyPatch
):
    """What was begun meanwhile could have failed at its cost; the stack itself is no such thing."""
    events = [
        event(0, "AWS::EC2::VPC", "Before", "CREATE_IN_PROGRESS"),
        event(1, RESERVATION, "Cr", "CREATE_COMPLETE"),
        event(2, "AWS::PCS::Queue", "Queue", "CREATE_IN_PROGRESS"),
        event(2, "AWS::PCS::Queue", "Queue", "CREATE_IN_PROGRESS"),
        event(2, "AWS::CloudFormation::Stack", "It", "CREATE_IN_PROGRESS"),
        event(3, "AWS::PCS::Queue", "Queue", "DELETE_COMPLETE"),
        event(4, RESERVATION, "Cr", "DELETE_COMPLETE"),
    ]
    row = {"State": state, "TotalInstanceCount": 512}
    monkeypatch.setattr(
        "ultracluster.rehearse.paid_capacity.described",
        lambda _, kind, name: [row] if (kind, name) == (RESERVATION, "Cr-id") else [],
    )
    account = Account({"describe_stack_events": {"StackEvents": events[::-1]}})

    (paid,) = paid_capacity(account, "ultracluster-Cluster")

    assert account.asked == [
        ("cloudformation.describe_stack_events", {"StackName": "ultracluster-Cluster"})
    ]
    assert (paid.reservation_id, paid.instances, paid.later) == ("Cr-id", 512, ("Queue",))
    if state == "active":
        assert paid.active
        assert paid.seconds > 180
        assert "billed node-minutes, and still charged; 1 resources" in str(paid)
    else:
        assert str(paid) == (
            "Cr-id: 512 instances for 180.0 s, 1,536.0 billed node-minutes, then given up; "
            "1 resources were begun after it"
        )


def test_a_rehearsals_job_takes_all_instances_of_sagemaker():
    """Environments that have none, or types without one of NVIDIA's GPUs, are given no job."""
    recipe = rehearsal_recipe(DEV)
    assert recipe is not None
    assert recipe.nodes == DEV.sagemaker.instances
    assert (recipe.instance_type, recipe.partition_size) == ("p4d.24xlarge", 8)
    assert (recipe.data.global_batch, recipe.image) == (8 * recipe.nodes, "rehearsal")
    none = DEV.sagemaker.model_copy(update={"instances": 0})
    assert rehearsal_recipe(DEV.model_copy(update={"sagemaker": none})) is None
    for kind in ("trn1.32xlarge", "g4dn.metal"):
        nodes = SimpleNamespace(instance_type=kind, instance=find(kind))
        other: Any = SimpleNamespace(nodes=nodes, sagemaker=DEV.sagemaker)
        assert rehearsal_recipe(other) is None


class Jobs:
    """Jobs that are all as they must be, but for what a test changes."""

    request = {"TrainingJobName": "dev-1", "RoleArn": "r", "Tags": ["t"], "ResourceConfig": {}}  # noqa: RUF012
    deployed = {"image-repository-uri": "1.dkr.ecr/dev/images"}  # noqa: RUF012

    def __init__(self, **changes: Any) -> None:
        self.changes = {"problems": [], "unknown": [], "twice": ["--run"], "arn": "arn:dev-1"}
        self.changes |= {"listed": "dev-1", "ended": "Completed", "ran": "SUCCEEDED", **changes}

    def prepare(self, _recipe: Any, _jobs: Any, _now: Any, *, run: str) -> Any:
        again = run == "direct" and hasattr(self, "submitted")
        problems = [SimpleNamespace(field=name) for name in self.changes["twice"]]
        return SimpleNamespace(
            request=self.request,
            problems=problems if again else self.changes["problems"],
            unknown=self.changes["unknown"],
        )

    def submit(self, request: Any) -> str:
        self.submitted = request
        return "arn:dev-1"

    def describe(self, _name: str) -> dict[str, Any]:
        found = {**self.request, "TrainingJobArn": self.changes["arn"], "Tags": None}
        return {**found, "RoleArn": self.changes.get("role", "r"),
                "TrainingJobStatus": self.changes["ended"]}  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        return [{"TrainingJobName": self.changes["listed"]}]

    def start(self, request: Any) -> None:
        self.started = request

    def execution(self, _name: str) -> dict[str, Any]:
        return {"status": self.changes["ran"]}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        (
            {"problems": ["x"]},
            ["problems of the request", "problems of the second request"],
        ),
        ({"unknown": ["quota"]}, ["checks that were left out"]),
        ({"arn": "arn:dev-2"}, ["ARN of the job"]),
        ({"role": "other"}, ["RoleArn of the job", "RoleArn of the job"]),
        ({"listed": "dev-2"}, ["the job among those of the environment"]),
        ({"twice": []}, ["what refuses a second job of the same run"]),
        ({"ended": "Failed"}, ["how the job ended"]),
        ({"ran": "FAILED"}, ["how the unattended run ended"]),
    ],
)
def test_a_job_is_held_against_what_was_asked(
    changes: dict[str, Any], wrong: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Directly and unattended; the image that stands in for one is gone afterwards."""
    jobs, account, recipe = Jobs(**changes), Account(), rehearsal_recipe(DEV)
    monkeypatch.setattr(job_proof, "Jobs", lambda *_: jobs)
    monkeypatch.setattr(job_proof, "read", lambda *_: None)
    monkeypatch.setattr(job_proof, "prepare", jobs.prepare)
    assert recipe is not None

    evidence: Any = SimpleNamespace(cloud=account, spec=DEV)
    checks = list(training_jobs(recipe, evidence))

    assert [check.subject for check in checks if not check.ok] == wrong
    assert len(checks) == 14
    assert jobs.submitted == jobs.started == jobs.request
    where = {"repositoryName": "dev/images"}
    image = {"imageManifest": '{"schemaVersion":2}', "imageTag": "rehearsal"}
    assert account.asked == [
        ("ecr.put_image", {**where, **image}),
        ("ecr.batch_delete_image", {**where, "imageIds": [{"imageTag": "rehearsal"}]}),
    ]


@pytest.mark.parametrize(
    ("protected", "answer", "was", "asked"),
    [
        (False, None, True, []),
        (True, None, False, ["delete_stack"]),
        (
            True,
            CloudError("cloudformation", "delete_stack", "V", "TerminationProtection is enabled"),
            True,
            ["delete_stack", "update_termination_protection"],
        ),
    ],
    ids=["unprotected", "begun", "refused"],
)
def test_a_protection_is_lifted_where_it_protected(
    *, protected: bool, answer: Any, was: bool, asked: list[str]
):
    """A deletion that begins although the stack is protected is the fault that is looked for."""
    account = Account({"delete_stack": answer} if answer else {})
    place: Any = SimpleNamespace(cloud=account)
    stack = StackTemplate("dev-Network", "Network", {"Resources": {}}, protected)

    assert Place.unlock(place, stack) is was
    assert [call.partition(".")[2] for call, _ in account.asked] == asked


def test_the_cli_is_the_projects_own_or_the_one_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cdk, "project_folder", lambda: tmp_path)
    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/bin/{name}" if path else None)
    assert cdk.Cdk({})._command == ["/usr/bin/cdk"]

    monkeypatch.setattr(cdk, "clean_environment", lambda _: {"PATH": "", "JSII_NODE": "/node"})
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(CommandError, match="the CDK CLI is not installed; run `npm install -g"):
        cdk.Cdk({})

    own = tmp_path / cdk.CLI
    own.parent.mkdir(parents=True)
    own.touch()
    assert cdk.Cdk({})._command == ["/node", str(own)]
