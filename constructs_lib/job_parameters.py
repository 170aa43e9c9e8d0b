"""The SSM parameters by which jobs and people find what an environment is made of."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct

from constructs_lib.permissions import allow, arn, grant

PREFIX = "/ultracluster"


def parameter_path(environment_name: str) -> str:
    """Return the path below which the parameters of an environment are."""
    return f"{PREFIX}/{environment_name}"


def read_parameters(construct: IConstruct, path: str) -> iam.PolicyStatement:
    """Return the statement that reads all parameters below a path by GetParametersByPath.

    Who may read a path may read all that is below it (Systems Manager User Guide), so that no
    wildcard is needed.

    Args:
        construct: whatever has the policy.
        path: the path, as `parameter_path` returns it.
    """
    on = arn(construct, "ssm", f"parameter/{path.strip('/')}")
    return allow("ReadParameters", "ssm:GetParametersByPath", on=on)


class JobParameters(Construct):
    """Define one parameter below `/ultracluster/<environment>/` for each value.

    Args:
        environment_name: the last part of their common path.
        values: a text, or texts for a list, by parameter name.
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
        """The path below which they are."""
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
        """Let a role read all of them, by GetParametersByPath with their path."""
        return grant(grantee, [read_parameters(self, self.path)])
