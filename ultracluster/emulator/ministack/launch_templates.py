"""Launch templates with every member, as EC2 describes their versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.emulator import semantics
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, ServiceError


def require_sound(order: Order) -> None:
    semantics.require_launch_template(order.properties.get("LaunchTemplateData") or {})


def versions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {**version, "CreatedBy": internals.current_scope().account}
        for template in _templates(arguments)
        for version in _chosen(template, arguments.get("Versions") or ())
    ]
    return {"LaunchTemplateVersions": rows}


def _templates(arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    template_id, name = arguments.get("LaunchTemplateId"), arguments.get("LaunchTemplateName")
    found = [
        template
        for template in internals.ec2._launch_templates.values()
        if (template_id is None or template["LaunchTemplateId"] == template_id)
        and (name is None or template["LaunchTemplateName"] == name)
    ]
    if not found and (template_id or name):
        raise ServiceError(
            "Ec2",
            "InvalidLaunchTemplateId.NotFound"
            if template_id
            else "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template {'ID' if template_id else 'name'} "
            f"{template_id or name}, does not exist.",
        )
    yield from found


def _chosen(template: Mapping[str, Any], wanted: Any) -> Iterator[Mapping[str, Any]]:
    named = {
        "$Latest": str(template["LatestVersionNumber"]),
        "$Default": str(template["DefaultVersionNumber"]),
    }
    numbers = {named.get(each, each) for each in wanted}
    for version in sorted(template["Versions"], key=_number, reverse=True):
        if not numbers or str(version["VersionNumber"]) in numbers:
            yield version


def _number(version: Mapping[str, Any]) -> int:
    return int(version["VersionNumber"])
