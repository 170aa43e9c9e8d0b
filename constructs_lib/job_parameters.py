"""SSM parameters with ids and ARNs of an environment's resources, for jobs and people."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct

from constructs_lib.permissions import allow, arn, grant

PREFIX = "/ultracluster"


def parameter_path(environment_name: str) -> str:
    """Return the path of an environment's parameters: `/ultracluster/<environment>`."""
    return f"{PREFIX}/{environment_name}"


def read_parameters(construct: IConstruct, path: str) -> iam.PolicyStatement:
    """Return the IAM statement that allows GetParametersByPath for a path.

    Permission for a path includes everything below it (Systems Manager User Guide): no wildcard is
    needed.

    Args:
        construct: the construct that has the policy.
        path: the path, as `parameter_path` returns it.
    """
    on = arn(construct, "ssm", f"parameter/{path.strip('/')}")
    return allow("ReadParameters", "ssm:GetParametersByPath", on=on)


class JobParameters(Construct):
    """Define one parameter below `/ultracluster/<environment>/` for each value.

    Args:
        environment_name: the last part of the parameters' path.
        values: by parameter name a string, or several for a StringList.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment_name: str,
        values: Mapping[str, str | Sequence[str]],
    ) -> None:
        super().__init__(scope, construct_id)

        self.path = parameter_path(environment_name)
        """The path of the parameters."""
        for name, value in values.items():
            path = f"{self.path}/{name}"
            if isinstance(value, str):
                ssm.StringParameter(
                    self, name, parameter_name=path, simple_name=False, string_value=value
                )
            else:
                ssm.StringListParameter(
                    self,
                    name,
                    parameter_name=path,
                    simple_name=False,
                    string_list_value=list(value),
                )

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role read all parameters, by GetParametersByPath with their path."""
        return grant(grantee, [read_parameters(self, self.path)])
