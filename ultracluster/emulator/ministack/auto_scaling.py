"""What Auto Scaling looks up when a group is made: its launch template and its subnets."""

from collections.abc import Mapping
from typing import Any

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, ServiceError


def require_sound(order: Order) -> None:
    """Refuse a group whose launch template, version or subnet does not exist."""
    wanted = order.properties.get("LaunchTemplate")
    if wanted:
        _require_version(wanted)
    for subnet_id in order.properties.get("VPCZoneIdentifier") or ():
        if internals.ec2._subnets.get(subnet_id) is None:
            raise _refusal(f"The subnet ID '{subnet_id}' does not exist")
    smallest, largest = (int(order.properties[name]) for name in ("MinSize", "MaxSize"))
    desired = int(order.properties.get("DesiredCapacity", smallest))
    if not smallest <= desired <= largest:
        raise _refusal(
            f"Desired capacity:{desired} must be between the specified min size:{smallest} and "
            f"max size:{largest}"
        )


def complete(name: str, order: Order) -> dict[str, Any]:
    """Put a group into the zones of its subnets."""
    group = internals.autoscaling._asgs[name]
    subnets = [
        internals.ec2._subnets[each] for each in order.properties.get("VPCZoneIdentifier", ())
    ]
    group["AvailabilityZones"] = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    return {}


def _require_version(wanted: Mapping[str, Any]) -> None:
    identifier = wanted.get("LaunchTemplateId") or wanted.get("LaunchTemplateName")
    for template in internals.ec2._launch_templates.values():
        if identifier in (template["LaunchTemplateId"], template["LaunchTemplateName"]):
            numbers = {str(version["VersionNumber"]) for version in template["Versions"]}
            if str(wanted.get("Version")) not in numbers | {"$Latest", "$Default"}:
                missing = f"version {wanted.get('Version')} of launch template {identifier}"
                raise _refusal(f"Could not find {missing}")
            return
    raise _refusal(f"The specified launch template, {identifier}, does not exist.")


def _refusal(message: str) -> ServiceError:
    return ServiceError("AutoScaling", "ValidationError", message)
