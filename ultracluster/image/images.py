"""Today's image of an environment and the pinned one, by API calls."""

from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.images import Difference, differences
from ultracluster.exit_status import CommandError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_groups import image_parameter

NO_PARAMETER: Final = ("ParameterNotFound", "ParameterVersionNotFound")
NO_IMAGE: Final = "InvalidAMIID"

Row = dict[str, Any]


class NoImageError(CommandError):
    """There is no image of today, or nothing says which one it is."""


@dataclass(frozen=True)
class Comparison:
    """The image that an environment names, beside the one that would be taken today."""

    whose: str
    """`nodes` or `login`."""
    parameter: str
    """The SSM parameter that names today's."""
    pinned: str
    """What the environment's file names."""
    pinned_row: Row | None
    """It as EC2 describes it; None where the account has none."""
    today: str
    today_row: Row

    @property
    def differences(self) -> list[Difference]:
        return list(differences(self.pinned_row, self.today_row)) if self.pinned_row else []


def comparison(spec: EnvironmentSpec, cloud: Cloud, whose: str) -> Comparison:
    """Return what an environment names beside what is there today.

    Raises:
        NoImageError: where it has no such nodes, or no parameter says what is today's.
        CloudError: where AWS refuses to say.
    """
    parameter = image_parameter(spec, login=whose == "login")
    if parameter is None:
        raise NoImageError(_why_none(spec, whose))
    own = spec.slurm.login_image if spec.slurm is not None and whose == "login" else None
    pinned = own or spec.nodes.image
    today = _value(cloud, parameter)
    row = _described(cloud, today)
    if row is None:
        raise NoImageError(f"{parameter}: it names {today}, which {spec.region} does not have")
    named = pinned if pinned.startswith("ami-") else _value(cloud, pinned)
    return Comparison(whose, parameter, pinned, _described(cloud, named), today, row)


def _why_none(spec: EnvironmentSpec, whose: str) -> str:
    if whose == "login":
        return f"{spec.name}: it has no login nodes; leave --login out"
    return (
        f"{spec.name}: AWS publishes no image here for {spec.nodes.instance_type}; write the id of "
        "one of yours in nodes.image"
    )


def _value(cloud: Cloud, parameter: str) -> str:
    try:
        return str(cloud.ask("ssm", "get_parameter", Name=parameter)["Parameter"]["Value"])
    except CloudError as error:
        if error.code in NO_PARAMETER:
            raise NoImageError(
                f"{parameter}: no such SSM parameter; an image of your own is there when its "
                "pipeline has run once (docs/training/node-image.md)"
            ) from error
        raise


def _described(cloud: Cloud, image_id: str) -> Row | None:
    """Return an image, also one that AWS deprecated; None where there is none."""
    try:
        found = cloud.ask("ec2", "describe_images", ImageIds=[image_id], IncludeDeprecated=True)[
            "Images"
        ]
    except CloudError as error:
        if error.code.startswith(NO_IMAGE):
            return None
        raise
    return dict(found[0]) if found else None
