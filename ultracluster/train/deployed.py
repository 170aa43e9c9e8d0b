"""A deployed environment: its SSM parameters, and its current state in AWS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.training_place import OfferedFileSystem, OfferedSubnet, Place
from ultracluster.exit_status import CommandError

NEEDED: Final = (
    "availability-zone-id",
    "data-bucket",
    "data-key-arn",
    "execution-role-arn",
    "file-system-id",
    "image-repository-uri",
    "instance-type",
    "lustre-mount-name",
    "sagemaker-instances",
    "security-group-ids",
    "state-machine-arn",
    "subnet-ids",
)
"""Parameters that the Training stack writes below `/ultracluster/<environment>/`."""


class NotDeployedError(CommandError):
    """An environment that is not there, or that an older version of the stacks deployed."""


@dataclass(frozen=True)
class Deployed:
    """A deployed environment by its SSM parameters."""

    name: str
    region: str
    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def listed(self, name: str) -> tuple[str, ...]:
        return tuple(item for item in self.values[name].split(",") if item)


def read(cloud: Cloud, name: str, region: str) -> Deployed:
    """Return a deployed environment, by nothing but its name.

    Raises:
        NotDeployedError: where it has not said all that a job needs to know.
        CloudError: where AWS cannot be asked.
    """
    path = f"/ultracluster/{name}/"
    found = cloud.ask("ssm", "get_parameters_by_path", Path=path, Recursive=True)["Parameters"]
    values = {row["Name"].removeprefix(path): str(row["Value"]) for row in found}
    missing = [needed for needed in NEEDED if needed not in values]
    deploy = f"npx cdk deploy '{name}/*'"
    if not values:
        why = f"{region} has no parameters below {path}; deploy it"
        raise NotDeployedError(f"{name}: {why}: {deploy}")
    if missing:
        why = f"{path} lacks {', '.join(missing)}; deploy its Training stack again"
        raise NotDeployedError(f"{name}: {why}: {deploy}")
    return Deployed(name, region, values)


def survey(cloud: Cloud, deployed: Deployed) -> tuple[Place, list[str]]:
    """Return what an environment offers a job now; what may not be asked is left out, and said.

    Returns:
        The environment as AWS describes it now; what could not be found out, and why, one line
        each.
    """
    unknown: list[str] = []

    def asked(subject: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except CloudError as error:
            unknown.append(f"{subject} not checked: {error}")
            return None

    subnets = asked("zones and free addresses of the subnets", lambda: _subnets(cloud, deployed))
    systems = asked("the file system's zone", lambda: _file_systems(cloud, deployed, subnets or {}))
    mount = OfferedFileSystem(deployed["availability-zone-id"], deployed["lustre-mount-name"])
    place = Place(
        region=deployed.region,
        name=deployed.name,
        zone_id=deployed["availability-zone-id"],
        instance_type=deployed["instance-type"],
        most_instances=int(deployed["sagemaker-instances"]),
        role_arn=deployed["execution-role-arn"],
        bucket=deployed["data-bucket"],
        subnets=subnets or dict.fromkeys(deployed.listed("subnet-ids")),
        security_groups=deployed.listed("security-group-ids"),
        file_systems=systems or {deployed["file-system-id"]: mount},
        image_repository=deployed["image-repository-uri"],
        image_tags=asked("tags of the image", lambda: _tags(cloud, deployed)),
    )
    return place, unknown


def _subnets(cloud: Cloud, deployed: Deployed) -> dict[str, OfferedSubnet]:
    names = list(deployed.listed("subnet-ids"))
    rows = cloud.ask("ec2", "describe_subnets", SubnetIds=names)["Subnets"]
    found = {}
    for row in rows:
        free = int(row["AvailableIpAddressCount"])
        found[row["SubnetId"]] = OfferedSubnet(row["AvailabilityZoneId"], free)
    return found


def _file_systems(
    cloud: Cloud, deployed: Deployed, subnets: dict[str, OfferedSubnet]
) -> dict[str, OfferedFileSystem]:
    identifier = deployed["file-system-id"]
    rows = cloud.ask("fsx", "describe_file_systems", FileSystemIds=[identifier])["FileSystems"]
    return {
        row["FileSystemId"]: OfferedFileSystem(
            next((subnets[name].zone_id for name in row["SubnetIds"] if name in subnets), None),
            row["LustreConfiguration"]["MountName"],
        )
        for row in rows
    }


def _tags(cloud: Cloud, deployed: Deployed) -> frozenset[str]:
    repository = deployed["image-repository-uri"].partition("/")[2]
    tagged = {"repositoryName": repository, "filter": {"tagStatus": "TAGGED"}}
    rows = cloud.ask("ecr", "list_images", **tagged)["imageIds"]
    return frozenset(row["imageTag"] for row in rows if row.get("imageTag"))
