"""A deployed environment: templates, CloudFormation's resources, and the services' answers."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.templates.assembly import stacks

KEEPING: Final = ("Retain", "RetainExceptOnCreate")
NOTHING: Final = ("", "unknown", None)


@dataclass(frozen=True)
class Resource:
    """One resource of a template, and what stands for it in the account."""

    stack: str
    logical_id: str
    resource_type: str
    properties: Mapping[str, Any]
    path: str
    """Construct path within its stack, for example `Fabric/Resource/Resource`."""
    kept: bool
    """Whether its deletion policy keeps it when the stack is deleted."""
    physical_id: str | None
    status: str | None

    @property
    def exists(self) -> bool:
        """Whether CloudFormation lists it with an id of its own."""
        complete = self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return complete and self.physical_id not in NOTHING


@dataclass(frozen=True)
class StackTemplate:
    """One stack of an assembly."""

    name: str
    """CloudFormation's name, for example `dev-Network`."""
    construct_id: str
    """Its id in the stage, for example `Network`."""
    template: Mapping[str, Any]
    termination_protection: bool


def stack_templates(assembly: Path, environment: str) -> tuple[StackTemplate, ...]:
    """Return the stacks of one environment in a cloud assembly, in its order.

    Args:
        assembly: the directory that `cdk synth` wrote.
        environment: the name of the stage.
    """
    return tuple(
        StackTemplate(
            name=str(artifact.stack_name),
            construct_id=str(artifact.stack_name).removeprefix(f"{environment}-"),
            template=json.loads(artifact.template.read_text("utf-8")),
            termination_protection=artifact.protected,
        )
        for artifact in stacks(assembly / f"assembly-{environment}")
    )


class Deployment:
    """The stacks of one environment in an account."""

    def __init__(self, cloud: Cloud, stacks: tuple[StackTemplate, ...]) -> None:
        self._cloud = cloud
        self.stacks = stacks

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every resource that the templates ask for, beside what CloudFormation lists."""
        return tuple(resource for stack in self.stacks for resource in self._resources_of(stack))

    def _resources_of(self, stack: StackTemplate) -> Iterator[Resource]:
        listed = self._listed(stack.name)
        for logical_id, wanted in stack.template["Resources"].items():
            entry = listed.get(logical_id, {})
            path = wanted.get("Metadata", {}).get("aws:cdk:path", logical_id)
            yield Resource(
                stack=stack.construct_id,
                logical_id=logical_id,
                resource_type=wanted["Type"],
                properties=wanted.get("Properties", {}),
                path=path.split("/", 2)[2] if path.count("/") > 1 else path,
                kept=wanted.get("DeletionPolicy") in KEEPING,
                physical_id=entry.get("PhysicalResourceId"),
                status=entry.get("ResourceStatus"),
            )

    def _listed(self, name: str) -> dict[str, dict[str, Any]]:
        """Return what CloudFormation lists of a stack, by logical id; nothing if there is none."""
        try:
            answer = self._cloud.ask("cloudformation", "list_stack_resources", StackName=name)
        except CloudError as error:
            if not error.no_stack:
                raise
            return {}
        return {entry["LogicalResourceId"]: entry for entry in answer["StackResourceSummaries"]}

    def of_type(self, resource_type: str, stack: str | None = None) -> list[Resource]:
        return [
            resource
            for resource in self.resources
            if resource.resource_type == resource_type and stack in (None, resource.stack)
        ]

    def at(self, stack: str, path: str) -> Resource:
        """Return the resource at a construct path.

        Raises:
            LookupError: where the templates have none there, or CloudFormation made none.
        """
        for resource in self.resources:
            if (resource.stack, resource.path) == (stack, path) and resource.physical_id:
                return resource
        raise LookupError(f"{stack}/{path}")

    def id_at(self, stack: str, path: str) -> str:
        return str(self.at(stack, path).physical_id)


_TABLES: Final = tomllib.loads(Path(__file__).with_name("services.toml").read_text("utf-8"))
CALLS: Final[dict[str, tuple[str, str, str, str]]] = _TABLES["calls"]
REASONS: Final[dict[str, str]] = _TABLES["kept"]
LISTS: Final[dict[str, tuple[str, str, str, str]]] = _TABLES["lists"]
STRAYS: Final[dict[str, str]] = _TABLES["strays"]


def described(cloud: Cloud, resource_type: str, physical_id: str) -> list[dict[str, Any]]:
    """Return what a service answers of a resource; empty where it shows none.

    Raises:
        CloudError: where the service refuses, which most do for what does not exist.
    """
    service, operation, parameter, key = CALLS[resource_type]
    given: dict[str, Any] = {parameter: physical_id}
    if parameter.endswith("s"):
        given = {parameter: [physical_id]}
    elif service == "pcs":
        # An ARN ends in `cluster/<id>`, and that of a part in `cluster/<id>/<kind>/<id>`.
        _, cluster, *part = physical_id.split("/")
        given = {"clusterIdentifier": cluster, parameter: part[-1] if part else cluster}
    elif service == "budgets":
        given["AccountId"] = cloud.ask("sts", "get_caller_identity")["Account"]
    answer = cloud.ask(service, operation, **given)
    found = answer[key] if key else answer
    rows: list[dict[str, Any]] = found if isinstance(found, list) else [found]
    return [row for row in rows if row.get("logGroupName", physical_id) == physical_id]


def listed(cloud: Cloud, resource_type: str) -> list[dict[str, Any]]:
    """Return everything of a type that an account has in a Region.

    Raises:
        CloudError: where the service refuses.
    """
    service, operation, member, _ = LISTS[resource_type]
    given = {"Scope": "Local"} if operation == "list_policies" else {}
    rows: list[dict[str, Any]] = [cloud.ask(service, operation, **given)]
    for name in member.split("."):
        rows = [each for row in rows for each in row.get(name, ())]
    if resource_type == "AWS::KMS::Key":  # the list does not say which are being deleted
        rows = [each for row in rows for each in described(cloud, resource_type, row["KeyId"])]
    return rows
