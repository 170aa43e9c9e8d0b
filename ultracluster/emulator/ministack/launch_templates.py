"""Launch templates with every member, as EC2 describes their versions."""

from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.emulator import semantics, wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import offer
from ultracluster.emulator.provisioning import Order, ec2_refusal


def install() -> None:
    """Read launch template data by EC2's model instead of member by member."""
    internals.ec2._parse_lt_data = _parsed
    offer("DescribeLaunchTemplateVersions", _versions)


def require_sound(order: Order) -> None:
    semantics.require_launch_template(order.properties.get("LaunchTemplateData") or {})


def _parsed(flat: wire.Flat, prefix: str = "LaunchTemplateData") -> dict[str, Any]:
    del prefix
    data: dict[str, Any] = wire.ec2_arguments(flat["Action"][0], flat).get("LaunchTemplateData", {})
    return data


def _versions(arguments: Mapping[str, Any]) -> dict[str, Any]:
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
        raise ec2_refusal(
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
