"""The role that starts training jobs."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam

from constructs_lib.job_parameters import parameter_path
from constructs_lib.job_roles import LauncherRole
from constructs_lib.unattended_training import UnattendedTraining
from tests.constructs.bare import (
    Surroundings,
    bare_stack,
    listed,
    only,
    resources,
    statements,
    text,
)


def launcher(path: str | None, **more: Any) -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    LauncherRole(
        stack,
        "Launcher",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        assumed_by=iam.AccountRootPrincipal(),
        parameter_path=path,
        **more,
    )
    return stack


@pytest.fixture(scope="session")
def role() -> cdk.Stack:
    return launcher(parameter_path("dev"))


def test_only_the_execution_role_is_passed_and_only_to_sagemaker(role: cdk.Stack):
    """Whoever may pass any role may become any role."""
    passing = [s for s in statements(role).values() if "iam:PassRole" in listed(s["Action"])]

    (statement,) = passing
    assert text(statement["Resource"]).endswith(':123456789012:role/Somebodys"]]}')
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }


def test_iam_is_used_for_nothing_else(role: cdk.Stack):
    """A launcher has no business with roles and policies."""
    actions = {a for s in statements(role).values() for a in listed(s["Action"])}

    assert {a for a in actions if a.startswith(("iam:", "sts:"))} == {"iam:PassRole"}
    assert [a for a in actions if "*" in a] == []


def test_jobs_start_in_the_networks_of_the_environment_only(role: cdk.Stack):
    """Else a job could be started outside the VPC, where everything can be reached."""
    conditions = statements(role)["StartJobs"]["Condition"]

    assert conditions["ForAllValues:StringEquals"] == {
        "sagemaker:VpcSubnets": ["subnet-aaaaaaaa", "subnet-bbbbbbbb"],
        "sagemaker:VpcSecurityGroupIds": ["sg-aaaaaaaa", "sg-bbbbbbbb"],
    }


def test_a_job_without_a_network_is_refused(role: cdk.Stack):
    """An absent list satisfies ForAllValues."""
    assert statements(role)["StartJobs"]["Condition"]["Null"] == {
        "sagemaker:VpcSubnets": "false",
        "sagemaker:VpcSecurityGroupIds": "false",
    }


def test_jobs_of_other_environments_are_neither_stopped_nor_read():
    """Two environments may share an account; a job's log may hold what its data do."""
    found = statements(launcher(None, environment="dev", instance_types=["ml.p4d.24xlarge"]))

    for sid in ("StartJobs", "FollowJobs"):
        assert text(found[sid]["Resource"]).endswith(':training-job/dev-*"]]}')
    assert text(found["ReadLogs"]["Resource"]).endswith(':log-stream:dev-*"]]}')
    assert listed(found["ReadLogs"]["Action"]) == ["logs:GetLogEvents"]


def test_only_the_instance_types_that_are_paid_for_are_started():
    """A job of another type would be billed all the same; absence is refused by itself."""
    found = statements(launcher(None, environment="dev", instance_types=["ml.p4d.24xlarge"]))
    condition = found["StartJobs"]["Condition"]

    assert condition["ForAllValues:StringEquals"]["sagemaker:InstanceTypes"] == ["ml.p4d.24xlarge"]
    assert condition["Null"]["sagemaker:InstanceTypes"] == "false"


def test_only_listing_is_allowed_everywhere(role: cdk.Stack):
    """It has no resource; everything else has one."""
    everywhere = {sid for sid, s in statements(role).items() if "*" in listed(s["Resource"])}

    assert everywhere == {"ListJobs"}


def test_a_launcher_can_read_what_a_job_is_started_with(role: cdk.Stack):
    """Role, subnets, groups and image of an environment are known by its parameters alone."""
    statement = statements(role)["ReadParameters"]

    assert statement["Action"] == "ssm:GetParametersByPath"
    assert statement["Resource"]["Fn::Join"][1][-1] == ":parameter/ultracluster/dev"


def test_a_launcher_without_parameters_reads_none():
    """In somebody else's stack they may be elsewhere."""
    assert "ssm:" not in text(statements(launcher(None)))


def test_the_role_is_assumed_by_whom_the_caller_names(role: cdk.Stack):
    """People, a pipeline or a state machine."""
    (statement,) = only(role, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    assert text(statement["Principal"]["AWS"]).endswith(':root"]]}')


def test_it_may_start_follow_and_stop_one_state_machine():
    """The unattended road is open to whoever may start jobs, and no other state machine is."""
    stack = bare_stack()
    around = Surroundings(stack)
    unattended = UnattendedTraining(
        stack,
        "Unattended",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        log_key=around.key,
        keep=False,
    )
    LauncherRole(
        stack,
        "Launcher",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        assumed_by=iam.AccountRootPrincipal(),
        repository=ecr.Repository.from_repository_name(stack, "Images", "training"),
        unattended=unattended,
    )
    policies = resources(stack, "AWS::IAM::ManagedPolicy")
    found = {
        statement["Sid"]: statement
        for policy in policies.values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    }

    (machine,) = resources(stack, "AWS::StepFunctions::StateMachine")
    assert found["StartUnattended"]["Resource"] == {"Fn::GetAtt": [machine, "Arn"]}
    assert {"Fn::GetAtt": [machine, "Name"]} in found["FollowUnattended"]["Resource"]["Fn::Join"][1]
    assert "*" not in listed(found["ListImages"]["Resource"])


def test_commands_go_to_login_nodes_of_the_environment_alone():
    """Who sends a command to a node is root there; a tag of our own template says which nodes."""
    stack = bare_stack()
    around = Surroundings(stack)
    LauncherRole(
        stack,
        "Launcher",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        assumed_by=iam.AccountRootPrincipal(),
        login_nodes_of="staging",
    )
    found = statements(stack)
    sending = [s for s in found.values() if "ssm:SendCommand" in listed(s["Action"])]

    assert len(sending) == 2
    assert "document/AWS-RunShellScript" in text(found["UseRunCommand"]["Resource"])
    assert "instance/*" in text(found["SendToLoginNodes"]["Resource"])
    assert found["SendToLoginNodes"]["Condition"] == {
        "StringEquals": {
            "aws:ResourceTag/ultracluster:environment": "staging",
            "aws:ResourceTag/ultracluster:role": "login",
        }
    }


def test_without_slurm_no_command_is_sent(role: cdk.Stack):
    """An environment of SageMaker jobs alone has nothing to send commands to."""
    assert not [s for s in statements(role).values() if "ssm:SendCommand" in listed(s["Action"])]
