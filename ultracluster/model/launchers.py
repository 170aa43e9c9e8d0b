"""Resources that launch EC2 instances: launch templates, types, subnets and numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ultracluster.catalogue.instances import vcpus
from ultracluster.templates.resolved import Place
from ultracluster.templates.resolved_values import UndeterminedError, items, number, part, text

LauncherKind = Literal["instance", "fleet", "group", "batch", "eks", "pcs"]

LAUNCHERS: Final[Mapping[str, LauncherKind]] = {
    "AWS::EC2::Instance": "instance",
    "AWS::EC2::EC2Fleet": "fleet",
    "AWS::AutoScaling::AutoScalingGroup": "group",
    "AWS::Batch::ComputeEnvironment": "batch",
    "AWS::EKS::Nodegroup": "eks",
    "AWS::PCS::ComputeNodeGroup": "pcs",
}
TEMPLATES: Final[Mapping[LauncherKind, tuple[str, ...]]] = {
    "instance": ("LaunchTemplate",),
    "group": ("LaunchTemplate",),
    "batch": ("ComputeResources", "LaunchTemplate"),
    "eks": ("LaunchTemplate",),
    "pcs": ("CustomLaunchTemplate",),
}
SUBNETS: Final[Mapping[LauncherKind, tuple[str, ...]]] = {
    "instance": ("SubnetId",),
    "group": ("VPCZoneIdentifier",),
    "batch": ("ComputeResources", "Subnets"),
    "eks": ("Subnets",),
    "pcs": ("SubnetIds",),
}
MOST: Final[Mapping[LauncherKind, tuple[str, ...]]] = {
    "group": ("MaxSize",),
    "eks": ("ScalingConfig", "MaxSize"),
    "pcs": ("ScalingConfiguration", "MaxInstanceCount"),
    "fleet": ("TargetCapacitySpecification", "TotalTargetCapacity"),
}


@dataclass(frozen=True)
class Launcher:
    """What launches instances."""

    place: Place
    kind: LauncherKind
    properties: Mapping[str, Any]

    def templates(self) -> Iterator[Any]:
        """Yield each reference to a launch template: its id or its name."""
        where = TEMPLATES.get(self.kind)
        stated = [part(self.properties, *where)] if where else []
        mixed = part(self.properties, "MixedInstancesPolicy", "LaunchTemplate")
        stated.append(part(mixed, "LaunchTemplateSpecification"))
        if self.kind == "fleet":
            stated += [
                part(entry, "LaunchTemplateSpecification")
                for entry in items(self.properties, "LaunchTemplateConfigs")
            ]
        for entry in stated:
            for name in ("LaunchTemplateId", "TemplateId", "Id", "LaunchTemplateName", "Name"):
                reference = part(entry, name)
                if reference is not None:
                    yield reference

    def types(self) -> list[Any]:
        """Return its own instance types; none if it leaves them to the launch template."""
        if self.kind == "pcs":
            return [part(e, "InstanceType") for e in items(self.properties, "InstanceConfigs")]
        if self.kind == "batch":
            return items(self.properties, "ComputeResources", "InstanceTypes")
        if self.kind == "eks":
            return items(self.properties, "InstanceTypes")
        found = [part(entry, "InstanceType") for entry in self._overrides()]
        if self.kind == "instance":
            found.append(self.properties.get("InstanceType"))
        return [value for value in found if value is not None]

    def most_of_batch(self, vcpus_each: int | None) -> int:
        """Return how many instances AWS Batch launches at most, which it counts by their vCPU."""
        most = number(self.properties, "ComputeResources", "MaxvCpus")
        if most is None or vcpus_each is None:
            raise UndeterminedError(
                "AWS Batch starts as many as it needs of types with unknown vCPU"
            )
        return -(-most // vcpus_each)

    def _overrides(self) -> list[Any]:
        """Return the overrides of a group or a fleet."""
        found = items(self.properties, "MixedInstancesPolicy", "LaunchTemplate", "Overrides")
        if self.kind == "fleet":
            for config in items(self.properties, "LaunchTemplateConfigs"):
                found += items(config, "Overrides")
        return found

    def images(self) -> list[Any]:
        """Return images that override the launch template's."""
        if self.kind == "batch":
            entries = items(self.properties, "ComputeResources", "Ec2Configuration")
            found = [part(entry, "ImageIdOverride") for entry in entries]
            found.append(part(self.properties, "ComputeResources", "ImageId"))
        else:
            found = [self.properties.get("AmiId")] if self.kind == "pcs" else []
        return [image for image in found if image is not None]

    def subnets(self) -> list[Any]:
        if self.kind == "fleet":
            return [part(e, "SubnetId") for e in self._overrides() if part(e, "SubnetId")]
        where = SUBNETS.get(self.kind)
        return items(self.properties, *where) if where else []

    def most(self) -> int | None:
        """Return the highest number of instances.

        Raises:
            UndeterminedError: if it is not known, for example of Batch with types of unknown vCPU.
        """
        if self.kind == "instance":
            return 1
        if self.kind == "batch":
            each = [vcpus(name) for value in self.types() if (name := text(value))]
            return self.most_of_batch(
                None if None in each else min(filter(None, each), default=None)
            )
        where = MOST.get(self.kind)
        return number(self.properties, *where) if where else None
