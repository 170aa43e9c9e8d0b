"""Ways to more rights that the field knows.

The names and the actions are those of pathfinding.cloud (Datadog) as cloudsplaining 0.9.1 lists
them, read 2026-11-24; where no path is published the source says `this project`: the same way with
a service that launches what a role is passed to.
"""

from typing import Final, NamedTuple

PUBLISHED: Final = "pathfinding.cloud/paths/{} (by cloudsplaining 0.9.1, read 2026-11-24)"
OWN: Final = "this project: a role that is passed to what one starts is one's own"


class Way(NamedTuple):
    """Actions that together are more than they look."""

    name: str
    actions: tuple[str, ...]
    says: str
    source: str
    service: str | None = None
    """To whom a role is passed; None where no role is passed."""
    target: str | None = None
    """Type of the resources of which one gets the rights, None where that is not bound."""


def _published(path: str) -> str:
    return PUBLISHED.format(path)


def _passing(name: str, service: str, actions: tuple[str, ...], starts: str, source: str) -> Way:
    return Way(
        name,
        ("iam:PassRole", *actions),
        f"start {starts} in a role that is passed to it, and do what that role may",
        source,
        f"{service}.amazonaws.com",
    )


WAYS: Final = (
    # Rights over IAM itself.
    Way(
        "new version of a policy",
        ("iam:CreatePolicyVersion",),
        "write a new version of a policy, with any rights, and make it the default",
        _published("iam-001"),
    ),
    Way(
        "default version of a policy",
        ("iam:SetDefaultPolicyVersion",),
        "make an older version of a policy the default",
        "cloudsplaining 0.9.1",
    ),
    Way(
        "access key of another user",
        ("iam:CreateAccessKey",),
        "make an access key for another user",
        _published("iam-002"),
    ),
    Way(
        "password of another user",
        ("iam:CreateLoginProfile",),
        "give another user a password",
        _published("iam-004"),
    ),
    Way(
        "new password of another user",
        ("iam:UpdateLoginProfile",),
        "change the password of another user",
        _published("iam-006"),
    ),
    Way(
        "inline policy of a role",
        ("iam:PutRolePolicy",),
        "write any rights into a role",
        _published("iam-005"),
    ),
    Way(
        "inline policy of a user",
        ("iam:PutUserPolicy",),
        "write any rights into a user",
        _published("iam-007"),
    ),
    Way(
        "inline policy of a group",
        ("iam:PutGroupPolicy",),
        "write any rights into a group",
        _published("iam-011"),
    ),
    Way(
        "managed policy of a role",
        ("iam:AttachRolePolicy",),
        "attach any policy to a role",
        _published("iam-009"),
    ),
    Way(
        "managed policy of a user",
        ("iam:AttachUserPolicy",),
        "attach any policy to a user",
        _published("iam-008"),
    ),
    Way(
        "managed policy of a group",
        ("iam:AttachGroupPolicy",),
        "attach any policy to a group",
        _published("iam-010"),
    ),
    Way(
        "trust of a role",
        ("iam:UpdateAssumeRolePolicy",),
        "let oneself take another role",
        _published("iam-012"),
    ),
    Way(
        "member of a group",
        ("iam:AddUserToGroup",),
        "join a group with more rights",
        _published("iam-013"),
    ),
    Way(
        "boundary of a role",
        ("iam:DeleteRolePermissionsBoundary",),
        "remove what limits a role",
        "this project",
    ),
    # A role that is passed to what one starts.
    _passing(
        "instance in a passed role",
        "ec2",
        ("ec2:RunInstances",),
        "an EC2 instance",
        _published("ec2-001"),
    ),
    _passing(
        "spot instance in a passed role",
        "ec2",
        ("ec2:RequestSpotInstances",),
        "a spot instance",
        _published("ec2-003"),
    ),
    _passing(
        "Auto Scaling group in a passed role",
        "ec2",
        ("autoscaling:CreateAutoScalingGroup", "ec2:CreateLaunchTemplate"),
        "nodes of an Auto Scaling group",
        OWN,
    ),
    _passing(
        "Slurm nodes in a passed role",
        "ec2",
        ("pcs:CreateComputeNodeGroup",),
        "nodes of a Slurm cluster",
        OWN,
    ),
    _passing(
        "function in a passed role",
        "lambda",
        ("lambda:CreateFunction", "lambda:InvokeFunction"),
        "a Lambda function",
        _published("lambda-001"),
    ),
    _passing(
        "function behind an event source",
        "lambda",
        ("lambda:CreateFunction", "lambda:CreateEventSourceMapping"),
        "a Lambda function by an event",
        _published("lambda-002"),
    ),
    _passing(
        "function for somebody else",
        "lambda",
        ("lambda:CreateFunction", "lambda:AddPermission"),
        "a Lambda function by another account",
        _published("lambda-006"),
    ),
    _passing(
        "stack in a passed role",
        "cloudformation",
        ("cloudformation:CreateStack",),
        "a stack",
        _published("cloudformation-001"),
    ),
    _passing(
        "stack set in a passed role",
        "cloudformation",
        ("cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"),
        "a stack set",
        _published("cloudformation-003"),
    ),
    _passing(
        "build in a passed role",
        "codebuild",
        ("codebuild:CreateProject", "codebuild:StartBuild"),
        "a build",
        _published("codebuild-001"),
    ),
    _passing(
        "task in a passed role",
        "ecs-tasks",
        ("ecs:RegisterTaskDefinition", "ecs:RunTask"),
        "an ECS task",
        _published("ecs-004"),
    ),
    _passing(
        "service in a passed role",
        "ecs-tasks",
        ("ecs:RegisterTaskDefinition", "ecs:CreateService"),
        "an ECS service",
        _published("ecs-003"),
    ),
    _passing(
        "Glue endpoint in a passed role",
        "glue",
        ("glue:CreateDevEndpoint",),
        "a Glue endpoint",
        _published("glue-001"),
    ),
    _passing(
        "Glue job in a passed role",
        "glue",
        ("glue:CreateJob", "glue:StartJobRun"),
        "a Glue job",
        _published("glue-003"),
    ),
    _passing(
        "pipeline in a passed role",
        "datapipeline",
        ("datapipeline:CreatePipeline",),
        "a pipeline",
        _published("datapipeline-001"),
    ),
    _passing(
        "notebook in a passed role",
        "sagemaker",
        ("sagemaker:CreateNotebookInstance",),
        "a SageMaker notebook",
        _published("sagemaker-001"),
    ),
    _passing(
        "training job in a passed role",
        "sagemaker",
        ("sagemaker:CreateTrainingJob",),
        "a training job",
        _published("sagemaker-002"),
    ),
    _passing(
        "processing job in a passed role",
        "sagemaker",
        ("sagemaker:CreateProcessingJob",),
        "a processing job",
        _published("sagemaker-003"),
    ),
    _passing(
        "HyperPod cluster in a passed role",
        "sagemaker",
        ("sagemaker:CreateCluster",),
        "a HyperPod cluster",
        OWN,
    ),
    _passing(
        "state machine in a passed role",
        "states",
        ("states:CreateStateMachine", "states:StartExecution"),
        "a state machine",
        OWN,
    ),
    _passing(
        "batch job in a passed role",
        "ecs-tasks",
        ("batch:RegisterJobDefinition", "batch:SubmitJob"),
        "a batch job",
        OWN,
    ),
    _passing(
        "App Runner service in a passed role",
        "tasks.apprunner",
        ("apprunner:CreateService",),
        "an App Runner service",
        _published("apprunner-001"),
    ),
    # What runs already.
    Way(
        "code of a function",
        ("lambda:UpdateFunctionCode",),
        "put code into a function, and do what its role may",
        _published("lambda-003"),
        target="AWS::Lambda::Function",
    ),
    Way(
        "Glue endpoint of others",
        ("glue:UpdateDevEndpoint",),
        "log in to a Glue endpoint, and do what its role may",
        _published("glue-002"),
    ),
    Way(
        "change set of a stack",
        ("cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"),
        "change a stack, and do what its role may",
        _published("cloudformation-005"),
    ),
    Way(
        "launch template of others",
        ("ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"),
        "put a script into nodes that are launched, and do what their role may",
        _published("ec2-004"),
        target="AWS::EC2::LaunchTemplate",
    ),
    Way(
        "user data of an instance",
        ("ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"),
        "put a script into an instance, and do what its role may",
        _published("ec2-002"),
        target="AWS::EC2::LaunchTemplate",
    ),
    Way(
        "shell on an instance by EC2 Instance Connect",
        ("ec2-instance-connect:SendSSHPublicKey",),
        "log in to an instance, and do what its role may",
        _published("ec2instanceconnect-003"),
        target="AWS::EC2::LaunchTemplate",
    ),
    Way(
        "shell on an instance by Systems Manager",
        ("ssm:StartSession",),
        "log in to an instance, and do what its role may",
        OWN,
        target="AWS::EC2::LaunchTemplate",
    ),
    Way(
        "command on an instance by Systems Manager",
        ("ssm:SendCommand",),
        "run a command on an instance, and do what its role may",
        OWN,
        target="AWS::EC2::LaunchTemplate",
    ),
    Way(
        "shell in a container",
        ("ecs:ExecuteCommand", "ecs:DescribeTasks"),
        "log in to a task, and do what its role may",
        _published("ecs-006"),
    ),
    Way(
        "notebook of others",
        ("sagemaker:CreatePresignedNotebookInstanceUrl",),
        "open a notebook, and do what its role may",
        _published("sagemaker-004"),
        target="AWS::SageMaker::NotebookInstance",
    ),
    Way(
        "start script of a notebook",
        (
            "sagemaker:CreateNotebookInstanceLifecycleConfig",
            "sagemaker:StopNotebookInstance",
            "sagemaker:UpdateNotebookInstance",
            "sagemaker:StartNotebookInstance",
        ),
        "put a script into a notebook, and do what its role may",
        _published("sagemaker-005"),
        target="AWS::SageMaker::NotebookInstance",
    ),
)
