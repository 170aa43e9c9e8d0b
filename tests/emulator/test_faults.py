"""Failures on purpose."""

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulator.conftest import Stack
from ultracluster.emulator.faults import Faults, read

PARAMETER: dict[str, Any] = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Type": "String", "Value": "one"},
}


@pytest.fixture(autouse=True)
def no_more_faults(cloud):
    """Leave no rule behind for other tests."""
    yield
    cloud.set_faults()


def test_a_failed_creation_succeeds_at_the_second_attempt(cloud):
    """Capacity that comes back: the stack is deleted, deployed again, and complete."""
    cloud.set_faults(
        {
            "type": "AWS::SSM::Parameter",
            "operation": "create",
            "logical_id": "^Second",
            "message": "Insufficient capacity",
            "times": 1,
        }
    )
    resources = {"First": PARAMETER, "Second": {**PARAMETER, "DependsOn": "First"}}

    stack = cloud.deploy(resources)
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Second: Insufficient capacity" in stack.reasons()
    stack.delete()

    assert cloud.deploy(resources, name=stack.name).status == "CREATE_COMPLETE"


def test_a_failed_update_leaves_the_stack_as_it_was(cloud):
    """An update that fails half-way is the case that nobody rehearses."""
    stack = cloud.deploy({"First": PARAMETER})
    changed = {**PARAMETER, "Properties": {"Type": "String", "Value": "two"}}
    cloud.set_faults({"operation": "update", "message": "Throttling: Rate exceeded"})

    stack.update({"First": changed})

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    value = cloud.client("ssm").get_parameter(Name=stack.physical_id("First"))
    assert value["Parameter"]["Value"] == "one"


def test_a_failed_deletion_can_be_repeated(cloud):
    """Interfaces that linger make a delete fail once and succeed later."""
    stack = cloud.deploy({"First": PARAMETER})
    cloud.set_faults({"operation": "delete", "message": "still in use", "times": 1})

    assert stack.delete() == "DELETE_FAILED"
    assert "First: still in use" in stack.reasons("DELETE_FAILED")
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_rule_that_is_written_again_fires_again(cloud):
    """Whoever tries the same fault twice writes the same file twice."""
    rule = {"operation": "update", "logical_id": "^First$", "message": "again"}
    stack = cloud.deploy({"First": PARAMETER})
    for value in ("two", "three"):
        cloud.set_faults(rule)
        changed = {**PARAMETER, "Properties": {"Type": "String", "Value": value}}
        assert stack.update({"First": changed}).status == "UPDATE_ROLLBACK_COMPLETE"


def test_the_nth_operation_fails(cloud):
    """Quotas are used up by the third of three, not by the first."""
    cloud.set_faults({"type": "AWS::SSM::Parameter", "after": 2, "message": "the third"})
    chain = {"A": PARAMETER, "B": {**PARAMETER, "DependsOn": "A"}}
    chain["C"] = {**PARAMETER, "DependsOn": "B"}

    stack = cloud.deploy(chain)

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "C: the third" in stack.reasons()


def test_a_rollback_that_fails_and_the_way_out(cloud):
    """UPDATE_ROLLBACK_FAILED is left by ContinueUpdateRollback alone."""
    second = {**PARAMETER, "DependsOn": "First"}
    stack = cloud.deploy({"First": PARAMETER, "Second": second})
    cloud.set_faults(
        {"operation": "update", "logical_id": "^Second$", "message": "no"},
        {"operation": "rollback", "logical_id": "^First$", "message": "not back either"},
    )
    changed = {"Type": "String", "Value": "two"}

    stack.update(
        {
            "First": {**PARAMETER, "Properties": changed},
            "Second": {**second, "Properties": changed},
        }
    )
    assert stack.status == "UPDATE_ROLLBACK_FAILED"
    assert "First: not back either" in stack.reasons("UPDATE_FAILED")
    cloud.client("cloudformation").continue_update_rollback(StackName=stack.name)

    assert stack.settled().status == "UPDATE_ROLLBACK_COMPLETE"
    value = cloud.client("ssm").get_parameter(Name=stack.physical_id("First"))
    assert value["Parameter"]["Value"] == "one"


def test_what_is_made_and_reported_as_failed_is_left(cloud):
    """CloudFormation does not know it, so nothing but its service tells that it is there."""
    named = {**PARAMETER, "Properties": {**PARAMETER["Properties"], "Name": "/orphan"}}
    cloud.set_faults({"logical_id": "^First$", "made": True, "message": "timed out"})

    stack = cloud.deploy({"First": named})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert cloud.client("ssm").get_parameter(Name="/orphan")["Parameter"]["Value"] == "one"
    cloud.client("ssm").delete_parameter(Name="/orphan")


def test_a_resource_that_takes_its_time_lets_others_be_asked(cloud):
    """Stuck in progress: the stack is seen in progress, and then fails with the reason."""
    cloud.set_faults({"logical_id": "^First$", "seconds": 3, "message": "timed out"})
    client = cloud.client("cloudformation")
    template = json.dumps({"Resources": {"First": PARAMETER}})
    client.create_stack(StackName="slow", TemplateBody=template)

    # An emulator that waited as well would answer when it is over.
    assert Stack(cloud, "slow").status == "CREATE_IN_PROGRESS"
    assert Stack(cloud, "slow").settled().status == "ROLLBACK_COMPLETE"
    assert not unfired(cloud)


def test_the_cdk_cli_is_answered_once_a_stack_has_come_to_rest(cloud):
    """It asks again after 5 s: whoever rehearses would wait for nothing, stack by stack."""
    cloud.set_faults({"logical_id": "^First$", "seconds": 0.3, "message": "timed out"})
    client = cloud.client("cloudformation")
    template = json.dumps({"Resources": {"First": PARAMETER}})

    def as_the_cli(request, **_):
        request.headers["User-Agent"] = "aws-cdk/2.1148.1 aws-sdk-js/3"

    event = "before-send.cloudformation.DescribeStacks"
    client.create_stack(StackName="watched", TemplateBody=template)
    client.meta.events.register(event, as_the_cli)
    (found,) = client.describe_stacks(StackName="watched")["Stacks"]
    client.meta.events.unregister(event, as_the_cli)

    assert found["StackStatus"] == "ROLLBACK_COMPLETE"


ANSWERS = """
import json, urllib.request
def handler(event, context):
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({**answer, "Status": "SUCCESS", "PhysicalResourceId": "x"}).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, method="PUT"))
"""
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Handler": "index.handler",
        "Runtime": "python3.12",
        "Role": "arn:aws:iam::123456789012:role/x",
        "Code": {"ZipFile": ANSWERS},
    },
}


def test_custom_resources_fail_as_well(cloud):
    """CDK's own functions empty buckets and close default groups; they fail, too."""
    custom = {
        "Type": "Custom::Anything",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
    }
    cloud.set_faults({"type": "Custom::Anything", "message": "the function timed out"})

    stack = cloud.deploy({"Function": FUNCTION, "Custom": custom})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Custom: the function timed out" in stack.reasons()


def test_what_could_not_be_deleted_keeps_what_it_needs(cloud):
    """A custom resource whose deletion failed still needs its function for the next attempt."""
    custom = {
        "Type": "Custom::Anything",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
    }
    resources = {"Function": FUNCTION, "Custom": custom, "Other": PARAMETER}
    stack = cloud.deploy(resources)
    if stack.status != "CREATE_COMPLETE":
        pytest.fail(stack.reasons())
    cloud.set_faults({"operation": "delete", "logical_id": "^Custom$", "message": "not now"})

    assert stack.delete() == "DELETE_FAILED"
    assert set(stack.resources) >= {"Function", "Custom"}
    assert stack.delete() == "DELETE_COMPLETE"


def unfired(cloud):
    return cloud.emulator.report().unfired


def test_faults_that_have_not_fired_are_reported(cloud):
    """A fault that never happens shows nothing, and must not look like a success."""
    rules = (
        {"type": "AWS::FSx::FileSystem", "message": "never"},
        {"logical_id": "^First$", "message": "once"},
    )
    cloud.set_faults(*rules)
    assert len(unfired(cloud)) == 2

    cloud.deploy({"First": PARAMETER})

    assert [json.loads(each) for each in unfired(cloud)] == [rules[0]]


def call(service, operation, **arguments):
    return service, operation, arguments


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("cloudformation:DescribeStacks", call("cloudformation", "describe_stacks")),
        ("ec2:Describe*", call("ec2", "describe_subnets")),
        ("ssm:GetParameter", call("ssm", "get_parameter", Name="/x")),
        ("stepfunctions:*", call("stepfunctions", "list_state_machines")),
        ("s3:*", call("s3", "list_buckets")),
        ("fsx:DescribeFileSystems", call("fsx", "describe_file_systems")),
        ("*:*", call("sts", "get_caller_identity")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_fails_with_the_code_that_is_asked_for(cloud, named, asked):
    """Throttling, expired credentials and answers that come late are seen by SDKs alone."""
    service, operation, arguments = asked
    cloud.set_faults({"call": named, "error": "ExpiredToken", "message": "it has expired"})

    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service), operation)(**arguments)

    assert refused.value.response["Error"]["Code"] == "ExpiredToken"
    assert "it has expired" in refused.value.response["Error"]["Message"]
    assert not unfired(cloud)


def test_a_throttled_call_passes_when_it_is_repeated(cloud):
    """The SDK tries again by itself; a user sees nothing but time."""
    cloud.set_faults({"call": "ec2:DescribeVpcs", "error": "Throttling", "times": 2})
    client = boto3.client(
        "ec2",
        endpoint_url=cloud.emulator.endpoint_url,
        region_name=cloud.region,
        aws_access_key_id=cloud.account,
        aws_secret_access_key="emulated",  # noqa: S106 - no secret
        aws_session_token=cloud.emulator.token,
        config=Config(retries={"max_attempts": 4}),
    )

    assert client.describe_vpcs()["Vpcs"] is not None
    assert not unfired(cloud)


def test_an_auto_scaling_group_without_capacity(cloud, vpc):
    """The stack is complete; the group has fewer instances than it wants."""
    template = {"LaunchTemplateData": {"ImageId": "ami-1", "InstanceType": "m6i.xlarge"}}
    version = {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}
    resources = {
        **vpc,
        "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": template},
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "2",
                "MaxSize": "2",
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": version},
            },
        },
    }
    cloud.set_faults({"type": "AWS::EC2::Instance", "operation": "launch", "after": 1})

    stack = cloud.deploy(resources)

    assert stack.status == "CREATE_COMPLETE"
    (found,) = cloud.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[stack.physical_id("Group")]
    )["AutoScalingGroups"]
    assert (found["DesiredCapacity"], len(found["Instances"])) == (2, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"operation": "creat"}]', "rule 1, operation: got 'creat'; Input should be 'create',"),
        ('[{"times": "x"}]', "rule 1, times: got 'x'; Input should be a valid integer"),
        ('[{"seconds": 1e300}]', "rule 1, seconds: got 1e+300; Input should be less than"),
        ('[{"times": 0}]', "rule 1, times: got 0; Input should be greater than or equal to 1"),
        ('[{"logical_id": "("}]', "rule 1: logical_id: '(' is no regular expression"),
        *(
            (json.dumps([{"logical_id": slow}]), "rule 1: logical_id: it may never end")
            for slow in ("(a+)+$", "(a|a)*b", "a*a*a*a*b", "a?" * 30, "(a|a)" * 30)
        ),
        ('[{"type": "a\\nb"}]', "rule 1: type: a b is in no Region's registry"),
        (json.dumps([{"type": "a" * 9000}]), "rule 1: type: aaa"),
        ('[{}, {"type": "AWS::FSx::FileSytem"}]', "rule 2: type: AWS::FSx::FileSytem is in no"),
        ('[{"typ": "*"}]', "rule 1, typ: got '*'; a fault has type, operation"),
        ('[{"call": "ec2:DescribeSubnet", "error": "x"}]', "ec2 has no operation DescribeSubnet"),
        ('[{"call": "es2:*", "error": "x"}]', "there is no service 'es2'"),
        ('[{"call": "ec2", "error": "x"}]', "'ec2' is no service:Operation"),
        ('[{"call": "s3:PutObject", "error": "x"}]', "write s3:*"),
        ('[{"call": "ec2:*"}]', "needs `error`, or `seconds`"),
        ('[{"call": "ec2:*", "error": "x", "type": "*"}]', "a rule with `call` has no type"),
        ('[{"error": "x"}]', "write `message`"),
        ("{}", "not a list of objects"),
        ("[1]", "rule 1: "),
        ("[", ":1: not valid JSON"),
        ('[{"type": "*", "type": "AWS::EC2::VPC"}]', "type is written 2 times"),
        ('[{"call": ":X", "error": "x"}]', "':X' is no service:Operation"),
        ('[{"call": "ec2:*", "error": "x\\r\\ny: z"}]', "error: got 'x"),
        ('[{"type": "AWS::EC2::VPC", "operation": "run"}]', "run is of SageMaker::TrainingJob"),
        ('[{"type": "AWS::EC2::VPC", "operation": "launch"}]', "launch is of AWS::EC2::Instance"),
        ('[{"type": "Custom::"}]', "Custom:: is in no Region's registry"),
        (f'[{{"times": "{"x" * 5000}"}}]', "rule 1, times: got 'xxx"),
    ],
)
def test_a_fault_file_with_a_mistake_is_refused(tmp_path, text, words):
    """A misspelt rule would never fire, and the rehearsal would look fine."""
    path = tmp_path / "faults.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"faults\.json") as refused:
        read(path)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_a_mistake_that_is_written_later_is_reported(tmp_path):
    """Whoever changes the file while it is up would think that the fault had been there."""
    path = tmp_path / "faults.json"
    path.write_text('[{"message": "once"}]')
    faults = Faults(path)
    with pytest.raises(ValueError, match="once"):
        faults.check("AWS::EC2::VPC", "create", "Vpc")
    assert faults.unfired() == []
    path.write_text('[{"operation": "creat"}]')
    faults.check("AWS::EC2::VPC", "create", "Vpc")
    assert "got 'creat'" in faults.unfired()[0]
    path.write_text("[{}]")
    assert faults.unfired() == ["{}"]


def test_a_file_that_is_removed_has_shown_nothing(tmp_path):
    """Its faults end with it, and have not happened."""
    path = tmp_path / "faults.json"
    path.write_text('[{"message": "never"}]')
    faults = Faults(path)
    assert len(faults.unfired()) == 1
    path.unlink()
    faults.check("AWS::EC2::VPC", "create", "Vpc")
    assert faults.unfired() == ['{"message": "never"}']
