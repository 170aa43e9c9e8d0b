"""The SSM parameters by which jobs and people find what an environment is made of."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_ssm as ssm
from constructs import Construct

PREFIX = "/ultracluster"


def parameter_path(environment_name: str) -> str:
    """Return the path below which the parameters of an environment are."""
    return f"{PREFIX}/{environment_name}"


class JobParameters(Construct):
    """Define one parameter below `/ultracluster/<environment>/` for each value."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment_name: str,
        values: Mapping[str, str | Sequence[str]],
    ) -> None:
        """Define the parameters.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            environment_name: the last part of their common path.
            values: a text, or texts for a list, by parameter name.
        """
        super().__init__(scope, construct_id)

        for name, value in values.items():
            path = f"{parameter_path(environment_name)}/{name}"
            if isinstance(value, str):
                ssm.StringParameter(self, name, parameter_name=path, string_value=value)
            else:
                ssm.StringListParameter(
                    self, name, parameter_name=path, string_list_value=list(value)
                )
